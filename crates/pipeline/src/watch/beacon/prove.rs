//! prove: an entry is planted, a beat purges it, a look says whether it is gone. What is measured is the effect, not
//! that a command was sent.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use freshet_core::ports::{Observation, Plant, Probe};
use freshet_core::position::{Steady, WallMicros};
use freshet_core::registry::EntryVersion;
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use crate::clock::Clock;
use crate::watch::beacon::metrics::{self, Failure};
use crate::watch::beacon::{BeaconSeat, Beacons, Beat};
use crate::watch::status::Status;

/// The field of a planted entry that distinguishes it from entries of other processes.
const FIELD: &str = "planted";
/// Ages are looked at this often.
const EVERY: Duration = Duration::from_secs(1);

/// An entry that waits for a beat.
#[derive(Debug)]
struct Planted {
    mark: String,
    /// When the cache had answered.
    at: Steady,
}

/// Proves that beats take effect.
#[derive(Debug)]
pub struct Prove<C> {
    /// By target.
    caches: BTreeMap<Arc<str>, Arc<C>>,
    beacons: Beacons,
    status: Status,
    clock: Clock,
    /// By place among the seats; none where it was tried and the cache did not take it.
    planted: BTreeMap<usize, Option<Planted>>,
    version: EntryVersion,
}

impl<C: Probe + Plant> Prove<C> {
    /// Nothing is planted yet. `caches` by target name: those that can be looked into.
    pub fn new(
        caches: BTreeMap<Arc<str>, Arc<C>>,
        beacons: Beacons,
        status: Status,
        clock: Clock,
    ) -> Self {
        Self {
            caches,
            beacons,
            status,
            clock,
            planted: BTreeMap::new(),
            version: EntryVersion {
                field: Arc::from(FIELD),
                hash: false,
            },
        }
    }

    /// Plants, looks and reports until no more beats come.
    pub async fn run(mut self, mut beats: mpsc::Receiver<Beat>) {
        self.beacons.seats().for_each(metrics::register);
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                beat = beats.recv() => match beat {
                    Some(beat) => self.look(&beat).await,
                    None => return,
                },
                _ = ticks.tick() => self.plant_missing().await,
            }
            self.tell();
        }
    }

    /// Looks whether a beat took effect.
    async fn look(&mut self, beat: &Beat) {
        let beacons = self.beacons.clone();
        let mut seats = beacons.seats().enumerate();
        let found =
            seats.find(|(_, other)| other.database == beat.database && other.target == beat.target);
        let Some((at, seat)) = found else { return };
        let (Some((name, ttl)), Some(cache)) = (&seat.entry, self.caches.get(&seat.target)) else {
            // Nothing can be planted at a CDN: that it has answered is all there is.
            return self.took_effect(seat, beat, beat.answered);
        };
        let planted = match self.planted.get(&at) {
            Some(Some(planted)) => planted,
            Some(None) => return metrics::failed(seat, Failure::Unproven, 1),
            // It came before anything was planted, or another process reads the row and its purge was spilled to a
            // backlog that this one reads.
            None => return,
        };
        // The next entry was planted before the purge was sent, or after it; then it proves nothing. So it is with one
        // that has come to the end of its life.
        let expires = planted.at.plus(*ttl);
        if planted.at > beat.begun || expires <= self.clock.now() {
            return;
        }
        match cache.observe(name, Some(&self.version)).await {
            Observation::Unreachable(_) => metrics::failed(seat, Failure::Unproven, 1),
            Observation::Present { version, .. } if version.as_ref() == Some(&planted.mark) => {
                metrics::failed(seat, Failure::StillThere, 1);
                tracing::error!(
                    event = "beacon",
                    database = %seat.database,
                    target_name = %seat.target,
                    "a purge was answered and the entry is still there"
                );
                beacons.ineffective(seat);
            }
            // What is there now is not what was there before the beat.
            Observation::Absent | Observation::Present { .. } => {
                self.took_effect(seat, beat, self.clock.wall());
                self.planted.remove(&at);
                self.plant(at, seat).await;
            }
        }
    }

    fn took_effect(&self, seat: &BeaconSeat, beat: &Beat, now: WallMicros) {
        let took = Duration::from_micros(now.since(beat.committed));
        metrics::took(seat, took);
        self.beacons
            .effective(seat, self.clock.steady_of(beat.committed));
        tracing::debug!(
            event = "beacon",
            database = %seat.database,
            target_name = %seat.target,
            took_us = took.as_micros() as u64,
            "a beat took effect"
        );
    }

    /// Plants what is not there yet, and anew what would not outlive a long silence.
    async fn plant_missing(&mut self) {
        let beacons = self.beacons.clone();
        for (at, seat) in beacons.seats().enumerate() {
            let Some((_, ttl)) = &seat.entry else {
                continue;
            };
            if !beacons.is_held(seat) {
                self.planted.remove(&at);
                continue;
            }
            let now = self.clock.now();
            let fresh = |planted: &Planted| now.since(planted.at) < *ttl / 2;
            let planted = self.planted.get(&at).and_then(Option::as_ref);
            if !planted.is_some_and(fresh) {
                self.plant(at, seat).await;
            }
        }
    }

    /// What cannot be planted is tried again at the next tick; other parts report that the target does not answer.
    async fn plant(&mut self, at: usize, seat: &BeaconSeat) {
        let (Some((name, ttl)), Some(cache)) = (&seat.entry, self.caches.get(&seat.target)) else {
            return;
        };
        let mark = format!("{}-{}", self.clock.wall().0, std::process::id());
        let value = format!("{{\"{FIELD}\":\"{mark}\"}}");
        match cache.plant(name, value.as_bytes(), *ttl).await {
            Ok(()) => {
                let planted = Planted {
                    mark,
                    at: self.clock.now(),
                };
                self.planted.insert(at, Some(planted));
            }
            Err(reason) => {
                self.planted.insert(at, None);
                tracing::debug!(target_name = %seat.target, reason, "the beacon's entry could not be stored");
            }
        }
    }

    /// Readiness and log, once for each turn.
    fn tell(&self) {
        let now = self.clock.now();
        for seat in self.beacons.seats() {
            let told = self.beacons.judge(seat, now);
            let part = format!("beacon {} at {}", seat.database, seat.target);
            if told.became_late {
                metrics::failed(seat, Failure::Late, 1);
            }
            let Some(reason) = told.reason else {
                let was_told = self
                    .status
                    .unready()
                    .iter()
                    .any(|unready| unready.part == part);
                self.status.ready(&part);
                if was_told {
                    tracing::info!(event = "beacon", part, "the beacon is fresh again");
                }
                continue;
            };
            if self.status.not_ready(&part, &reason, now) {
                tracing::error!(event = "beacon", part, reason, "the beacon is not fresh");
            }
        }
    }
}

#[cfg(test)]
mod tests;
