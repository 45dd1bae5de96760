//! verify: snapshot rows → rate-limited reads of their entries → purges of provably older entries.
//!
//! The auditor purges nothing itself. It appends stale entries to the target's backlog topic, like purges that were
//! not done in time; from there they are processed as usual, with retries, rate limit, dead letters and metrics.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use freshet_core::cause::{Cause, Reason};
use freshet_core::coalesce::PurgeRound;
use freshet_core::intent::{Asked, Intent, NamedPurge};
use freshet_core::ports::{Outbox, OutboxRecord, Probe};
use freshet_core::position::WallMicros;
use freshet_core::registry::{FreshnessClass, PurgeMode, Scope};
use freshet_core::sample::ReadSample;
use freshet_wire::{PurgeRequest, requests_of};
use tokio::sync::mpsc;
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::judge::{Verdict, judge_read};
use crate::metrics;

/// A cache whose entries can be read.
#[derive(Debug)]
pub struct Cache<R> {
    /// Looks.
    pub probe: Arc<R>,
    /// The topic of purges for it that wait.
    pub backlog: Arc<str>,
}

/// What [`verify`] reads and writes.
#[derive(Debug)]
pub struct VerifyPorts<R, O> {
    /// By target name. A row of another target is dropped.
    pub caches: BTreeMap<Arc<str>, Cache<R>>,
    /// Stores purges of what is stale.
    pub outbox: Arc<O>,
}

/// Pause between two attempts to store a purge.
const APPEND_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Checks rows until their sender is dropped: at most `looks_per_second` entries.
pub async fn verify<R: Probe, O: Outbox>(
    ports: VerifyPorts<R, O>,
    mut rows: mpsc::Receiver<ReadSample>,
    looks_per_second: NonZeroU32,
    now: impl Fn() -> WallMicros,
) {
    let mut pace = interval(Duration::from_secs(1) / looks_per_second.get());
    // A slow read is not compensated by a burst.
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while let Some(row) = rows.recv().await {
        let Some(cache) = ports.caches.get(&row.target) else {
            continue;
        };
        let stale = stale_names(cache.probe.as_ref(), &row, &mut pace).await;
        if stale.is_empty() {
            continue;
        }
        tracing::error!(
            family = %row.family,
            target_name = %row.target,
            entries = stale.len(),
            "stale read: the cache has entries older than a snapshot row; purging them"
        );
        for request in requests(row, stale, now()) {
            append(ports.outbox.as_ref(), request.to_record(&cache.backlog)).await;
        }
    }
}

/// The row's entries that are provably older than it.
async fn stale_names<R: Probe>(probe: &R, row: &ReadSample, pace: &mut Interval) -> Vec<Vec<u8>> {
    let mut stale = Vec::new();
    for name in &row.names {
        pace.tick().await;
        let found = probe.observe(name, Some(&row.entry)).await;
        let verdict = judge_read(&found, &row.version);
        metrics::looked_at_read(&row.family, &row.target, verdict);
        if verdict == Verdict::Stale {
            stale.push(name.clone());
        }
    }
    stale
}

/// Retries until it is stored. Meanwhile no row is checked; rows that exceed the queue are counted by the sender.
async fn append<O: Outbox>(outbox: &O, record: OutboxRecord) {
    while let Err(error) = outbox.append(record.clone()).await {
        tracing::warn!(topic = %record.topic, error = %error, "purge of a stale entry could not be stored, retrying");
        tokio::time::sleep(APPEND_AGAIN_AFTER).await;
    }
}

/// The stale entries, and after them the entries of outer caches that may come from them. There is no commit time, so
/// they do not count for freshness.
fn requests(row: ReadSample, stale: Vec<Vec<u8>>, now: WallMicros) -> Vec<PurgeRequest> {
    let exact = stale.into_iter().map(|name| NamedPurge {
        target: Arc::clone(&row.target),
        family: Arc::clone(&row.family),
        scope: Scope::Keys,
        mode: PurgeMode::Hard,
        name,
    });
    let detail = format!("older than a row of {}", row.family);
    let intent = Intent {
        cause: Arc::new(Cause::own(Reason::SnapshotCheck, detail)),
        asked: Asked::Names(exact.chain(row.outer).collect()),
        class: FreshnessClass::Batch,
        since: WallMicros(0),
    };
    let registry = &row.registry;
    let mut round = PurgeRound::new(Arc::clone(registry));
    round.submit(&intent, None);
    let own = registry.target_named(&row.target);
    let (own, outer): (Vec<_>, Vec<_>) = round
        .batches()
        .partition(|batch| Some(batch.target()) == own);
    let own = own.into_iter();
    own.flat_map(|batch| requests_of(registry, batch, &outer, now))
        .collect()
}

#[cfg(test)]
mod tests;
