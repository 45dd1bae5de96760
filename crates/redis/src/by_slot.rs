//! Purges exact names in a cluster: each node gets pipelines with one `UNLINK` per slot, and redirections are followed.
//! Nothing waits for a node that is down.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use freshet_core::purge::{PurgeOutcome, PurgeReport};
use futures_util::future::join_all;
use redis::{Cmd, ErrorKind, RedisError, ServerErrorKind};

use crate::cluster::{ClusterRoute, REDIRECTIONS_MAX, ask_target, is_loading, is_silence};
use crate::link::{Borrowed, Link};
use crate::outcome::{outcome_of, reason_of};
use crate::slots::slot_of;
use crate::target::RedisTarget;
use crate::unlink::{note, unlink_of};

/// Pause before a retry while a slot moves from node to node.
const TRY_AGAIN_PAUSE: Duration = Duration::from_millis(10);

/// A name that is not settled yet.
#[derive(Debug, Clone)]
struct Pending {
    place: usize,
    slot: u16,
    /// Needs its own `UNLINK`: the slot is migrating, and then only single names are redirected.
    alone: bool,
    /// The node to which the slot migrates.
    ask: Option<Arc<str>>,
}

/// One `UNLINK` and its names.
struct Unlink {
    command: Cmd,
    asking: bool,
    pending: Vec<Pending>,
}

/// An `UNLINK` that was sent, or could not be sent.
struct Answered {
    unlink: Unlink,
    answer: Result<u64, RedisError>,
}

impl Answered {
    fn error(&self) -> Option<&RedisError> {
        self.answer.as_ref().err()
    }
}

/// Names to remove, and the cluster.
struct Names<'a> {
    route: &'a ClusterRoute,
    target: &'a RedisTarget,
    names: &'a [&'a [u8]],
}

/// Removes each name at the owner of its slot, following redirections.
pub(crate) async fn unlink_by_slot(
    route: &ClusterRoute,
    target: &RedisTarget,
    names: &[&[u8]],
) -> PurgeReport {
    let all = Names {
        route,
        target,
        names,
    };
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
                // Redirections that were followed are not reported.
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
                .map(|(node, wanted)| all.unlink_on(node, wanted)),
        )
        .await;
        let mut try_again = false;
        for ((node, _), answers) in by_node.iter().zip(answers) {
            for answered in answers {
                let late = answered.error().is_some_and(is_loading) && route.silent() > 0;
                let sent = answered.unlink.pending.iter();
                let late: Vec<usize> = sent.filter(|_| late).map(|pending| pending.place).collect();
                try_again |= settle(&mut report, &mut pending, node, answered);
                for place in late {
                    report.outcomes[place] = PurgeOutcome::NodeDown;
                }
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

/// Groups names by node. Names of a slot without an owner wait, and so do those of a node that
/// is down.
fn by_node(
    route: &ClusterRoute,
    pending: Vec<Pending>,
    report: &mut PurgeReport,
) -> BTreeMap<Arc<str>, Vec<Pending>> {
    let mut by_node: BTreeMap<Arc<str>, Vec<Pending>> = BTreeMap::new();
    let mut down: BTreeSet<Arc<str>> = BTreeSet::new();
    for wanted in pending {
        let owner = match &wanted.ask {
            Some(node) => Ok(Arc::clone(node)),
            None => route.owner(wanted.slot),
        };
        match owner {
            Ok(node) if by_node.contains_key(&node) => {
                by_node.entry(node).or_default().push(wanted);
            }
            Ok(node) if !down.contains(&node) && route.admit(&node) => {
                by_node.insert(node, vec![wanted]);
            }
            Ok(node) => {
                report.outcomes[wanted.place] = PurgeOutcome::NodeDown;
                if !down.contains(&node) {
                    report.reason = Some(format!("{node} is considered down"));
                    down.insert(node);
                }
            }
            Err(error) => {
                let place = wanted.place;
                // There is no table: the error of its request is the better reason.
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

impl Names<'_> {
    /// Sends all names of one node: pipelines of bounded size, some in parallel. At most one timeout per node.
    async fn unlink_on(&self, node: &Arc<str>, wanted: &[Pending]) -> Vec<Answered> {
        let mut answered = Vec::new();
        let mut pipelines = self.pipelines_of(wanted).into_iter();
        loop {
            let group: Vec<Vec<Unlink>> = pipelines
                .by_ref()
                .take(self.target.commands_in_flight.max(1))
                .collect();
            if group.is_empty() {
                return answered;
            }
            let began = Instant::now();
            let group = self.send_group(node, group).await;
            let mut errors = group.iter().filter_map(Answered::error);
            let silence = errors.find(|error| is_silence(error)).cloned();
            if silence.is_none() {
                self.route.note(node, began, None);
            }
            for error in group.iter().filter_map(Answered::error) {
                self.route.note(node, began, Some(error));
            }
            answered.extend(group);
            if let Some(error) = silence {
                // The rest fails in the same way; the next purge tries again.
                answered.extend(all_failed(pipelines.flatten(), &error));
                return answered;
            }
        }
    }

    /// Sends pipelines in parallel, with a timeout for their responses.
    async fn send_group(&self, node: &Arc<str>, group: Vec<Vec<Unlink>>) -> Vec<Answered> {
        let deadline = tokio::time::Instant::now() + self.target.node_patience;
        let borrowed = match self.route.link(node) {
            Ok(link) => in_time(deadline, link.borrow())
                .await
                .map(|borrowed| (link, borrowed)),
            Err(error) => Err(error),
        };
        let (link, borrowed) = match borrowed {
            Ok(borrowed) => borrowed,
            Err(error) => return all_failed(group.into_iter().flatten(), &error),
        };
        let sent = group
            .into_iter()
            .map(|unlinks| send(&link, &borrowed, deadline, unlinks));
        join_all(sent).await.into_iter().flatten().collect()
    }

    fn pipelines_of(&self, wanted: &[Pending]) -> Vec<Vec<Unlink>> {
        let mut pipelines: Vec<Vec<Unlink>> = Vec::new();
        for keys in wanted.chunks(self.target.keys_per_command.max(1)) {
            let same_command = |a: &Pending, b: &Pending| {
                a.slot == b.slot && !a.alone && !b.alone && a.ask.is_none() && b.ask.is_none()
            };
            let unlinks = keys.chunk_by(same_command).map(|pending| {
                let names = pending.iter().map(|pending| self.names[pending.place]);
                Unlink {
                    command: unlink_of(&names.collect::<Vec<_>>()),
                    asking: pending.iter().any(|pending| pending.ask.is_some()),
                    pending: pending.to_vec(),
                }
            });
            pipelines.push(unlinks.collect());
        }
        pipelines
    }
}

async fn in_time<T>(
    deadline: tokio::time::Instant,
    answer: impl Future<Output = Result<T, RedisError>>,
) -> Result<T, RedisError> {
    match tokio::time::timeout_at(deadline, answer).await {
        Ok(answer) => answer,
        Err(_) => {
            let late = std::io::Error::new(std::io::ErrorKind::TimedOut, "no answer in time");
            Err(RedisError::from(late))
        }
    }
}

async fn send(
    link: &Link,
    borrowed: &Borrowed,
    deadline: tokio::time::Instant,
    unlinks: Vec<Unlink>,
) -> Vec<Answered> {
    let mut pipeline = redis::pipe();
    for unlink in &unlinks {
        if unlink.asking {
            pipeline.cmd("ASKING").ignore();
        }
        pipeline.add_command(unlink.command.clone());
    }
    pipeline.ignore_errors();
    let answers: Result<Vec<Result<u64, RedisError>>, RedisError> =
        in_time(deadline, link.ask_all(borrowed, &pipeline)).await;
    if answers.as_ref().is_err_and(is_silence) {
        link.give_up(borrowed).await;
    }
    match answers {
        Ok(answers) if answers.len() == unlinks.len() => {
            let answered = unlinks.into_iter().zip(answers);
            let answered = answered.map(|(unlink, answer)| Answered { unlink, answer });
            answered.collect()
        }
        Ok(_) => {
            let what = "a pipeline returned the wrong number of responses";
            let error = RedisError::from((ErrorKind::UnexpectedReturnType, what));
            all_failed(unlinks, &error)
        }
        Err(error) => all_failed(unlinks, &error),
    }
}

fn all_failed(unlinks: impl IntoIterator<Item = Unlink>, error: &RedisError) -> Vec<Answered> {
    let failed = |unlink| Answered {
        unlink,
        answer: Err(error.clone()),
    };
    unlinks.into_iter().map(failed).collect()
}

/// Adds a response to the report, or keeps its names for a retry. Returns whether to pause before the retry.
fn settle(
    report: &mut PurgeReport,
    pending: &mut Vec<Pending>,
    node: &Arc<str>,
    answered: Answered,
) -> bool {
    let Answered { unlink, answer } = answered;
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
    for sent in unlink.pending {
        report.outcomes[sent.place] = outcome;
        if let Some((alone, ask)) = &again {
            pending.push(Pending {
                alone: *alone,
                ask: ask.clone(),
                ..sent
            });
        }
    }
    matches!(
        kind,
        Some(ErrorKind::Server(ServerErrorKind::TryAgain)) if unlink.asking
    )
}
