//! Purges exact names at one server: many names in one `UNLINK`. For a cluster see `by_slot`.

use freshet_core::purge::{PurgeOutcome, PurgeReport};
use futures_util::future::join_all;
use redis::{Cmd, RedisError};

use crate::link::Link;
use crate::outcome::{outcome_of, reason_of};
use crate::target::RedisTarget;

/// Nothing was sent, for this reason.
pub(crate) fn failed(count: usize, error: &RedisError) -> PurgeReport {
    let mut report = PurgeReport::all(outcome_of(error), count);
    report.reason = Some(reason_of(error));
    report
}

/// Purges all names at one server, with some commands in parallel.
pub(crate) async fn unlink_at(link: &Link, target: &RedisTarget, names: &[&[u8]]) -> PurgeReport {
    let mut report = PurgeReport::all(PurgeOutcome::Forgotten, names.len());
    let size = target.keys_per_command.max(1);
    let at_once = target.commands_in_flight.max(1);
    for (group_at, group) in names.chunks(size * at_once).enumerate() {
        // Borrowed once per group, so that a failed connection costs one timeout, not one per command.
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
            let command = unlink_of(chunk);
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

/// `UNLINK` of these names, with preallocated space.
pub(crate) fn unlink_of(names: &[&[u8]]) -> Cmd {
    const VERB: &str = "UNLINK";
    let bytes: usize = names.iter().map(|name| name.len()).sum();
    let mut command = Cmd::with_capacity(1 + names.len(), VERB.len() + bytes);
    command.arg(VERB).arg(names);
    command
}

/// Records the count or the error of a response; returns the outcome of its names.
pub(crate) fn note(
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
