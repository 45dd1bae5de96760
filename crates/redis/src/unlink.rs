//! Names → gone. One server gets many names in one `UNLINK`; nodes of a cluster get a pipeline of one `UNLINK` a slot.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use freshet_core::purge::{PurgeOutcome, PurgeReport};
use futures_util::future::join_all;
use redis::{Cmd, ErrorKind, RedisError, ServerErrorKind};

use crate::cluster::{ClusterRoute, ask_target};
use crate::link::{Borrowed, Link};
use crate::outcome::{outcome_of, reason_of};
use crate::route::{REDIRECTIONS_MAX, Route};
use crate::slots::slot_of;
use crate::target::RedisTarget;

/// A slot on its way from node to node is asked for again after this.
const TRY_AGAIN_PAUSE: Duration = Duration::from_millis(10);

/// A name that is not settled yet.
#[derive(Debug, Clone)]
struct Pending {
    place: usize,
    slot: u16,
    /// In an `UNLINK` of its own: the slot is being handed over, and only single names are redirected then.
    alone: bool,
    /// Where the slot is being handed over to.
    ask: Option<Arc<str>>,
}

/// One `UNLINK` and what it is for.
struct Unlink {
    command: Cmd,
    asking: bool,
    pending: Vec<Pending>,
}

type Answered = (Unlink, Result<u64, RedisError>);

impl Route {
    /// Removes `names`; the report has one outcome for each.
    pub(crate) async fn unlink(&self, target: &RedisTarget, names: &[&[u8]]) -> PurgeReport {
        match self {
            Self::Single(link) => unlink_at(link, target, names).await,
            Self::Sentinel(route) => {
                let report = match route.primary().await {
                    Ok(link) => unlink_at(&link, target, names).await,
                    Err(error) => failed(names.len(), &error),
                };
                if !report.is_settled() {
                    route.doubt();
                }
                report
            }
            Self::Cluster(route) => unlink_by_slot(route, target, names).await,
        }
    }
}

fn failed(count: usize, error: &RedisError) -> PurgeReport {
    let mut report = PurgeReport::all(outcome_of(error), count);
    report.reason = Some(reason_of(error));
    report
}

/// Everything at one server, some commands on their way at once.
async fn unlink_at(link: &Link, target: &RedisTarget, names: &[&[u8]]) -> PurgeReport {
    let mut report = PurgeReport::all(PurgeOutcome::Forgotten, names.len());
    let size = target.keys_per_command.max(1);
    let at_once = target.commands_in_flight.max(1);
    for (group_at, group) in names.chunks(size * at_once).enumerate() {
        // Borrowed once a group: what cannot be connected to is waited for once, not by each command.
        let borrowed = match link.borrow().await {
            Ok(borrowed) => borrowed,
            Err(error) => {
                let from = group_at * size * at_once;
                report.outcomes[from..].fill(outcome_of(&error));
                report.reason = Some(reason_of(&error));
                return report;
            }
        };
        let answers = join_all(group.chunks(size).map(|chunk| {
            let mut command = redis::cmd("UNLINK");
            command.arg(chunk);
            let borrowed = &borrowed;
            async move { link.ask_on::<u64>(borrowed, &command).await }
        }))
        .await;
        for (chunk_at, answer) in answers.into_iter().enumerate() {
            let from = (group_at * at_once + chunk_at) * size;
            let to = (from + size).min(names.len());
            report.outcomes[from..to].fill(note(&mut report.removed, &mut report.reason, answer));
        }
        // A batch ends after one timeout, however many commands it would take.
        let to = ((group_at + 1) * size * at_once).min(names.len());
        if report.outcomes[..to].contains(&PurgeOutcome::Unreachable) {
            report.outcomes[to..].fill(PurgeOutcome::Unreachable);
            return report;
        }
    }
    report
}

fn note(
    removed: &mut u64,
    reason: &mut Option<String>,
    answer: Result<u64, RedisError>,
) -> PurgeOutcome {
    match answer {
        Ok(count) => {
            *removed += count;
            PurgeOutcome::Purged
        }
        Err(error) => {
            *reason = Some(reason_of(&error));
            outcome_of(&error)
        }
    }
}

/// Each name at the owner of its slot, redirections followed.
async fn unlink_by_slot(
    route: &ClusterRoute,
    target: &RedisTarget,
    names: &[&[u8]],
) -> PurgeReport {
    let mut report = PurgeReport::all(PurgeOutcome::Forgotten, names.len());
    let mut pending: Vec<Pending> = names
        .iter()
        .enumerate()
        .map(|(place, name)| Pending {
            place,
            slot: slot_of(name),
            alone: false,
            ask: None,
        })
        .collect();
    for _ in 0..=REDIRECTIONS_MAX {
        if pending.is_empty() {
            if report.is_settled() {
                // Redirections that were followed are nobody's concern.
                report.reason = None;
            }
            return report;
        }
        if let Err(error) = route.refresh_if_stale().await {
            report.reason = Some(reason_of(&error));
        }
        let by_node = by_node(route, std::mem::take(&mut pending), &mut report);
        let answers = join_all(
            by_node
                .iter()
                .map(|(node, wanted)| unlink_on(route, target, node, (wanted, names))),
        )
        .await;
        let mut try_again = false;
        for ((node, _), answers) in by_node.iter().zip(answers) {
            for (unlink, answer) in answers {
                try_again |= settle(&mut report, &mut pending, node, (unlink, answer));
            }
        }
        if try_again {
            tokio::time::sleep(TRY_AGAIN_PAUSE).await;
        }
    }
    for late in &pending {
        report.outcomes[late.place] = PurgeOutcome::Throttled { retry_after_ms: 0 };
    }
    report
}

/// Sorts names by the node to ask. A slot without an owner is nobody's: its names wait.
fn by_node(
    route: &ClusterRoute,
    pending: Vec<Pending>,
    report: &mut PurgeReport,
) -> BTreeMap<Arc<str>, Vec<Pending>> {
    let mut by_node: BTreeMap<Arc<str>, Vec<Pending>> = BTreeMap::new();
    for wanted in pending {
        let owner = match &wanted.ask {
            Some(node) => Ok(Arc::clone(node)),
            None => route.owner(wanted.slot),
        };
        match owner {
            Ok(node) => by_node.entry(node).or_default().push(wanted),
            Err(error) => {
                let place = wanted.place;
                // The table is not there: what was said when it was asked for is the better reason.
                report.reason.get_or_insert_with(|| reason_of(&error));
                report.outcomes[place] = outcome_of(&error);
            }
        }
    }
    for wanted in by_node.values_mut() {
        wanted.sort_by_key(|it| (it.ask.is_some(), it.alone, it.slot));
    }
    by_node
}

/// Everything for one node: pipelines of bounded size, some on their way at once.
async fn unlink_on(
    route: &ClusterRoute,
    target: &RedisTarget,
    node: &Arc<str>,
    (wanted, names): (&[Pending], &[&[u8]]),
) -> Vec<Answered> {
    let mut answered = Vec::new();
    let mut pipelines = pipelines_of(wanted, names, target.keys_per_command.max(1)).into_iter();
    loop {
        let group: Vec<Vec<Unlink>> = pipelines
            .by_ref()
            .take(target.commands_in_flight.max(1))
            .collect();
        if group.is_empty() {
            return answered;
        }
        let borrowed = match route.link(node) {
            Ok(link) => link.borrow().await.map(|borrowed| (link, borrowed)),
            Err(error) => Err(error),
        };
        match borrowed {
            Ok((link, borrowed)) => {
                let sent = group
                    .into_iter()
                    .map(|unlinks| send(&link, &borrowed, unlinks));
                answered.extend(join_all(sent).await.into_iter().flatten());
            }
            Err(error) => {
                // What is left fails alike: another attempt to connect belongs to the next purge.
                let left = group.into_iter().chain(pipelines).flatten();
                answered.extend(left.map(|unlink| (unlink, Err(error.clone()))));
                note_answers(route, node, &answered);
                return answered;
            }
        }
        note_answers(route, node, &answered);
    }
}

fn note_answers(route: &ClusterRoute, node: &Arc<str>, answered: &[Answered]) {
    route.note(node, None);
    for error in answered
        .iter()
        .filter_map(|(_, answer)| answer.as_ref().err())
    {
        route.note(node, Some(error));
    }
}

fn pipelines_of(wanted: &[Pending], names: &[&[u8]], keys_max: usize) -> Vec<Vec<Unlink>> {
    let mut pipelines: Vec<Vec<Unlink>> = Vec::new();
    for keys in wanted.chunks(keys_max) {
        let same_command = |a: &Pending, b: &Pending| {
            a.slot == b.slot && !a.alone && !b.alone && a.ask.is_none() && b.ask.is_none()
        };
        let unlinks = keys.chunk_by(same_command).map(|pending| {
            let mut command = redis::cmd("UNLINK");
            for it in pending {
                command.arg(names[it.place]);
            }
            Unlink {
                command,
                asking: pending.iter().any(|it| it.ask.is_some()),
                pending: pending.to_vec(),
            }
        });
        pipelines.push(unlinks.collect());
    }
    pipelines
}

async fn send(link: &Link, borrowed: &Borrowed, unlinks: Vec<Unlink>) -> Vec<Answered> {
    let mut pipeline = redis::pipe();
    for unlink in &unlinks {
        if unlink.asking {
            pipeline.cmd("ASKING").ignore();
        }
        pipeline.add_command(unlink.command.clone());
    }
    pipeline.ignore_errors();
    let answers: Result<Vec<Result<u64, RedisError>>, RedisError> =
        link.ask_all(borrowed, &pipeline).await;
    match answers {
        Ok(answers) if answers.len() == unlinks.len() => unlinks.into_iter().zip(answers).collect(),
        Ok(_) => {
            let what = "a pipeline had another number of answers";
            let error = RedisError::from((ErrorKind::UnexpectedReturnType, what));
            all_failed(unlinks, &error)
        }
        Err(error) => all_failed(unlinks, &error),
    }
}

fn all_failed(unlinks: Vec<Unlink>, error: &RedisError) -> Vec<Answered> {
    unlinks
        .into_iter()
        .map(|unlink| (unlink, Err(error.clone())))
        .collect()
}

/// Writes an answer to the report, or puts its names back. Says whether to pause before they are asked for again.
fn settle(
    report: &mut PurgeReport,
    pending: &mut Vec<Pending>,
    node: &Arc<str>,
    (unlink, answer): Answered,
) -> bool {
    let kind = answer.as_ref().err().map(RedisError::kind);
    let again = match (&kind, &answer) {
        (Some(ErrorKind::Server(ServerErrorKind::Moved)), _) => Some((false, None)),
        (Some(ErrorKind::Server(ServerErrorKind::Ask)), Err(error)) => {
            Some((true, ask_target(error, node)))
        }
        (Some(ErrorKind::Server(ServerErrorKind::TryAgain)), _) => Some((true, None)),
        _ => None,
    };
    let outcome = note(&mut report.removed, &mut report.reason, answer);
    for it in unlink.pending {
        report.outcomes[it.place] = outcome;
        if let Some((alone, ask)) = &again {
            pending.push(Pending {
                alone: *alone,
                ask: ask.clone(),
                ..it
            });
        }
    }
    matches!(
        kind,
        Some(ErrorKind::Server(ServerErrorKind::TryAgain)) if unlink.asking
    )
}
