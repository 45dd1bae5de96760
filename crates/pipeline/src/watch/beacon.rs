//! Beacons: a row of each database that moves by itself, followed from its commit to the proof that its entries are
//! gone, so that freshness is known also while nobody changes anything (promise P2).
//!
//! A beacon is a family like any other on the way there. Here is what is known of each at each target: who reads the
//! partition that carries it, the newest beat that took effect, and how old that is.

pub mod metrics;
pub mod prove;
mod seat;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use freshet_core::position::{Steady, StreamId, WallMicros};
use tokio::sync::mpsc;

pub use seat::BeaconSeat;

/// A beat that its target has answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beat {
    /// The database.
    pub database: Arc<str>,
    /// The target.
    pub target: Arc<str>,
    /// When the row moved.
    pub committed: WallMicros,
    /// When its round was begun: the purge was sent after this.
    pub begun: Steady,
    /// When the target had answered.
    pub answered: WallMicros,
}

/// The state of all beacons, shared by the intakes, the prover and the metrics page.
#[derive(Debug, Clone, Default)]
pub struct Beacons(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    seats: Vec<(BeaconSeat, Mutex<State>)>,
    beats: Option<mpsc::Sender<Beat>>,
}

/// Who reads a partition: an intake, with its stream.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Reader {
    intake: String,
    stream: StreamId,
}

impl Reader {
    pub(crate) fn new(intake: &str, stream: StreamId) -> Self {
        Self {
            intake: intake.to_owned(),
            stream,
        }
    }
}

#[derive(Debug, Default)]
struct State {
    /// Partitions of the topic that this process reads.
    held: BTreeMap<Reader, i32>,
    /// The partition that beats come through.
    carrier: Option<i32>,
    /// When a beat was heard.
    heard: Steady,
    /// Since when a beat is waited for.
    since: Steady,
    /// When the newest beat that took effect was committed.
    newest: Steady,
    /// The last beat was answered and its entry was still there.
    ineffective: bool,
    late: bool,
}

/// What is to be reported of a beacon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Why it is not well, in words; none when it is, or when another process measures it.
    pub reason: Option<String>,
    /// It has just become late.
    pub became_late: bool,
}

/// Beats that wait for their proof. A proof is one question, so that this is never reached.
const WAITING_MAX: usize = 256;

impl Beacons {
    /// Watches `seats` from `now` on. The receiver is for [`Prove`](prove::Prove).
    pub fn new(seats: Vec<BeaconSeat>, now: Steady) -> (Self, mpsc::Receiver<Beat>) {
        let (beats, answered) = mpsc::channel(WAITING_MAX);
        let state = |seat: BeaconSeat| {
            let since = State {
                since: now,
                ..State::default()
            };
            (seat, Mutex::new(since))
        };
        let shared = Shared {
            seats: seats.into_iter().map(state).collect(),
            beats: Some(beats),
        };
        (Self(Arc::new(shared)), answered)
    }

    /// Everything that is watched.
    pub fn seats(&self) -> impl Iterator<Item = &BeaconSeat> {
        self.0.seats.iter().map(|(seat, _)| seat)
    }

    /// `reader` reads a partition of `topic` now: a beat is waited for from now on.
    pub(crate) fn assigned(&self, reader: Reader, topic: &str, partition: i32, now: Steady) {
        for mut state in self.on(topic) {
            let others = state.is_ours(true);
            state.held.insert(reader.clone(), partition);
            if !others {
                state.since = now;
            }
        }
    }

    /// Another process reads it now.
    pub(crate) fn revoked(&self, reader: &Reader, topic: &str) {
        for mut state in self.on(topic) {
            state.held.remove(reader);
        }
    }

    /// A beat was taken from a partition of `topic`.
    pub(crate) fn heard(&self, topic: &str, partition: i32, now: Steady) {
        for mut state in self.on(topic) {
            state.carrier = Some(partition);
            state.heard = now;
        }
    }

    /// A target has answered a beat's purge. Whether that had an effect is somebody else's to find out.
    pub(crate) fn purged(&self, beat: Beat) {
        if let Some(beats) = &self.0.beats
            && beats.try_send(beat).is_err()
        {
            tracing::warn!("a beat of a beacon was dropped: too many wait for their proof");
        }
    }

    /// A beat that was committed at `committed` has taken effect.
    fn effective(&self, seat: &BeaconSeat, committed: Steady) {
        if let Some(mut state) = self.state(seat) {
            state.newest = state.newest.max(committed);
            state.ineffective = false;
        }
    }

    /// A beat was answered and its entry is still there.
    fn ineffective(&self, seat: &BeaconSeat) {
        if let Some(mut state) = self.state(seat) {
            state.ineffective = true;
        }
    }

    /// Whether this process reads a partition that may carry the beacon.
    fn is_held(&self, seat: &BeaconSeat) -> bool {
        self.state(seat).is_some_and(|state| !state.held.is_empty())
    }

    /// How old the newest beat is that took effect; of a beat that never came, how long it has been
    /// waited for. Grows by itself.
    pub fn age(&self, seat: &BeaconSeat, now: Steady) -> Duration {
        self.state(seat)
            .map_or(Duration::ZERO, |state| state.age(now))
    }

    /// What is to be reported of a beacon at `now`.
    fn judge(&self, seat: &BeaconSeat, now: Steady) -> Told {
        let Some(mut state) = self.state(seat) else {
            return Told {
                reason: None,
                became_late: false,
            };
        };
        let ours = state.is_ours(seat.in_first_partition);
        let was_late = state.late;
        state.late = ours && state.age(now) > seat.within;
        let reason = if ours && state.ineffective {
            Some(format!(
                "the target answered a purge, but the entry is still there: readers of {} may get stale values",
                seat.target
            ))
        } else if !state.late {
            None
        } else if now.since(state.heard) <= seat.within {
            Some(format!(
                "beats arrive, but none took effect within {} s: purges at {} wait or fail",
                seat.within.as_secs(),
                seat.target
            ))
        } else {
            Some(format!(
                "no beat within {} s: the row is not updated (heartbeat.action.query), or its connector, the brokers \
                 or this consumer are stalled; changes of {} may not be purged",
                seat.within.as_secs(),
                seat.database
            ))
        };
        Told {
            reason,
            became_late: state.late && !was_late,
        }
    }

    /// Sets the ages, so that they grow while nothing moves. Called for each scrape.
    pub fn set_gauges(&self, now: Steady) {
        for (seat, state) in &self.0.seats {
            metrics::set_age(seat, lock(state).age(now));
        }
    }

    fn on(&self, topic: &str) -> impl Iterator<Item = MutexGuard<'_, State>> {
        let of_topic = move |entry: &&(BeaconSeat, Mutex<State>)| *entry.0.topic == *topic;
        self.0
            .seats
            .iter()
            .filter(of_topic)
            .map(|entry| lock(&entry.1))
    }

    fn state(&self, seat: &BeaconSeat) -> Option<MutexGuard<'_, State>> {
        let mut seats = self.0.seats.iter();
        let found =
            seats.find(|(other, _)| other.database == seat.database && other.target == seat.target);
        found.map(|(_, state)| lock(state))
    }
}

impl State {
    /// Whether the beats are this process's to miss: it reads the partition that carries them. Where none was ever
    /// heard, that is the first one, since the topic of a table of one row needs no other.
    fn is_ours(&self, in_first_partition: bool) -> bool {
        let carrier = self.carrier.or(in_first_partition.then_some(0));
        carrier.is_some_and(|carrier| self.held.values().any(|partition| *partition == carrier))
    }

    fn age(&self, now: Steady) -> Duration {
        now.since(self.newest.max(self.since))
    }
}

/// A poisoned lock only means that a holder panicked; the state is whole after every operation.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
