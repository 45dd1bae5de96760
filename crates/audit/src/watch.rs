//! watch: samples → reads at +1 s and +10 s → verdicts.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use freshet_core::ports::Probe;
use freshet_core::position::WallMicros;
use freshet_core::sample::PurgedSample;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::judge::{Verdict, judge};
use crate::metrics;

/// Delays after which a purged entry is re-read, with their labels.
pub const LOOKS: [(Duration, &str); 2] = [
    (Duration::from_secs(1), "1s"),
    (Duration::from_secs(10), "10s"),
];

/// Labels of [`LOOKS`].
pub const LOOK_LABELS: [&str; 2] = [LOOKS[0].1, LOOKS[1].1];

/// The auditor's settings.
#[derive(Debug, Clone, Copy)]
pub struct AuditSettings {
    /// Maximum number of waiting samples; further ones are dropped.
    pub waiting_max: usize,
    /// How far the database's clock and ours may differ.
    pub skew_max: Duration,
}

impl Default for AuditSettings {
    fn default() -> Self {
        Self {
            waiting_max: 10_000,
            skew_max: Duration::from_millis(500),
        }
    }
}

/// Reads samples until their sender is dropped. `probes` by target name; a sample of another target is dropped.
pub async fn watch<R: Probe>(
    probes: BTreeMap<Arc<str>, Arc<R>>,
    mut samples: mpsc::Receiver<PurgedSample>,
    settings: AuditSettings,
    now: impl Fn() -> WallMicros,
) {
    let mut waiting: [VecDeque<(Instant, PurgedSample)>; LOOKS.len()] = Default::default();
    loop {
        let next = waiting
            .iter()
            .filter_map(|queue| queue.front())
            .map(|(due, _)| *due)
            .min();
        // Without anything waiting the timer is never polled to its end.
        let timer = tokio::time::sleep_until(next.unwrap_or_else(Instant::now));
        tokio::select! {
            sample = samples.recv() => match sample {
                Some(sample) => {
                    if waiting[0].len() < settings.waiting_max {
                        waiting[0].push_back((Instant::now() + LOOKS[0].0, sample));
                    }
                }
                None => return,
            },
            () = timer, if next.is_some() => {
                for look in 0..LOOKS.len() {
                    while let Some(sample) = pop_due(&mut waiting[look]) {
                        let Some(probe) = probes.get(&sample.target) else { continue };
                        let verdict = look_at(probe.as_ref(), &sample, settings.skew_max, &now).await;
                        report(&sample, verdict, LOOKS[look].1);
                        if let Some((delay, _)) = LOOKS.get(look + 1) {
                            let due = Instant::now() + delay.saturating_sub(LOOKS[look].0);
                            waiting[look + 1].push_back((due, sample));
                        }
                    }
                }
            }
        }
    }
}

fn pop_due(queue: &mut VecDeque<(Instant, PurgedSample)>) -> Option<PurgedSample> {
    let (due, _) = queue.front()?;
    if *due > Instant::now() {
        return None;
    }
    queue.pop_front().map(|(_, sample)| sample)
}

async fn look_at<R: Probe>(
    probe: &R,
    sample: &PurgedSample,
    skew_max: Duration,
    now: &impl Fn() -> WallMicros,
) -> Verdict {
    let version = sample.version.as_ref().map(|(entry, _)| entry);
    let found = probe.observe(&sample.name, version).await;
    judge(sample, &found, now(), skew_max)
}

/// Counts a read, and logs a stale entry.
fn report(sample: &PurgedSample, verdict: Verdict, after: &'static str) {
    metrics::looked(&sample.family, &sample.target, after, verdict);
    if verdict == Verdict::Stale {
        tracing::error!(
            family = %sample.family,
            target_name = %sample.target,
            after,
            committed_us = sample.committed.0,
            "stale read: the cache has an entry older than a change that purged it"
        );
    }
}
