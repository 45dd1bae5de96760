//! The oracle: knows every change and what it must purge, sees everything that targets and the log are told, and
//! says which promise was broken.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use freshet_core::ports::OutboxRecord;
use freshet_core::position::WallMicros;
use freshet_core::registry::Scope;
use freshet_wire::{PurgeRequest, RequestedPurge};
use rand_chacha::ChaCha8Rng;
use tokio::time::Instant;

use crate::faults::Mode;
use crate::log::{DEAD_LETTERS, GROUP, Log, LogRecord, Place};
use crate::scenario::Summary;

/// How far a replica may be behind.
const UNREPLICATED: Duration = Duration::from_secs(1);
/// The virtual epoch.
const BEGIN_US: u64 = 1_700_000_000_000_000;

/// The whole world behind one lock; everything runs in one thread.
#[derive(Clone)]
pub(crate) struct Shared(Arc<Mutex<State>>);

impl Shared {
    pub(crate) fn new(state: State) -> Self {
        Self(Arc::new(Mutex::new(state)))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A name at a target, and the family scope that covers it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Want {
    pub(crate) target: &'static str,
    /// None: only the family scope will do.
    pub(crate) name: Option<String>,
    pub(crate) family: &'static str,
}

struct Expected {
    seq: u64,
    wants: Vec<Want>,
}

/// A target's name, whether it is a family scope, the name.
type Name = (String, bool, Vec<u8>);

/// Everything that is known of the world.
pub(crate) struct State {
    pub(crate) log: Log,
    pub(crate) chance: ChaCha8Rng,
    pub(crate) modes: BTreeMap<&'static str, Mode>,
    /// Share of the appends that are not acknowledged.
    pub(crate) lose_appends: f64,
    /// How far the wall clock of every process is off.
    pub(crate) clock_off_seconds: i64,
    /// Targets refuse names that end in 13.
    pub(crate) refuse: bool,
    /// Records handed out and not committed, at most.
    pub(crate) open_allowed: u64,
    pub(crate) broken: Option<String>,
    pub(crate) summary: Summary,
    began: Instant,
    seq: u64,
    /// When each name was purged, in order.
    done: BTreeMap<Name, Vec<u64>>,
    /// When the store last answered, whatever became of it later.
    answered: BTreeMap<Name, u64>,
    /// The newest purges of the store, which a failover may undo.
    unreplicated: VecDeque<(Instant, Name, u64)>,
    pub(crate) takeovers: u64,
    /// When each name was last put into a lane's topic.
    stored: BTreeMap<Name, u64>,
    expected: BTreeMap<Place, BTreeMap<u64, Expected>>,
}

impl State {
    pub(crate) fn new(chance: ChaCha8Rng) -> Self {
        Self {
            log: Log::default(),
            chance,
            modes: BTreeMap::new(),
            lose_appends: 0.0,
            clock_off_seconds: 0,
            refuse: false,
            open_allowed: u64::MAX,
            broken: None,
            summary: Summary::default(),
            began: Instant::now(),
            seq: 0,
            done: BTreeMap::new(),
            answered: BTreeMap::new(),
            unreplicated: VecDeque::new(),
            takeovers: 0,
            stored: BTreeMap::new(),
            expected: BTreeMap::new(),
        }
    }

    pub(crate) fn began(&self) -> Instant {
        self.began
    }

    pub(crate) fn mode(&self, target: &str) -> Mode {
        self.modes.get(target).copied().unwrap_or_default()
    }

    fn now(&self) -> WallMicros {
        micros(self.began)
    }

    /// The next moment, and a mark in the trace of what happens in it.
    fn tick(&mut self, what: &[u8]) -> u64 {
        self.seq += 1;
        let at = self.now().0 ^ self.seq;
        for &byte in what.iter().chain(&at.to_le_bytes()) {
            // FNV-1a: short, and the same everywhere.
            self.summary.trace =
                (self.summary.trace ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        self.seq
    }

    fn break_promise(&mut self, what: String) {
        self.broken.get_or_insert(what);
    }

    /// A change is committed and captured.
    pub(crate) fn change(
        &mut self,
        topic: &str,
        key: Vec<u8>,
        value: Option<Vec<u8>>,
        wants: Vec<Want>,
    ) {
        let seq = self.tick(&key);
        let record = LogRecord {
            key: Some(key),
            value,
            appended: self.now(),
            seq,
        };
        let (at, offset) = self.log.append(topic, record);
        self.summary.changes += usize::from(!wants.is_empty());
        self.summary.expected += wants.len();
        let place = self.expected.entry((topic.to_owned(), at)).or_default();
        place.insert(offset, Expected { seq, wants });
    }

    /// A target carried a purge out.
    pub(crate) fn purged(&mut self, target: &str, family: bool, name: &[u8]) {
        let seq = self.tick(name);
        self.summary.purges += 1;
        let place = (target.to_owned(), family, name.to_vec());
        if target == "main" {
            let now = Instant::now();
            self.unreplicated.push_back((now, place.clone(), seq));
            self.answered.insert(place.clone(), seq);
            let old = |(at, ..): &(Instant, Name, u64)| now - *at > UNREPLICATED;
            while self.unreplicated.front().is_some_and(old) {
                self.unreplicated.pop_front();
            }
        }
        self.done.entry(place).or_default().push(seq);
    }

    /// A replica takes over: what the store was told in its last second never happened, however long ago that was.
    pub(crate) fn fail_over(&mut self) {
        self.takeovers += 1;
        let undone = std::mem::take(&mut self.unreplicated);
        for (_, name, seq) in undone {
            if let Some(seqs) = self.done.get_mut(&name) {
                seqs.retain(|it| *it != seq);
            }
        }
    }

    /// A record of ours is stored.
    pub(crate) fn store(&mut self, record: &OutboxRecord) {
        let seq = self.tick(&record.payload);
        if &*record.topic == DEAD_LETTERS {
            self.summary.dead_letters += 1;
        } else if let Ok(request) = PurgeRequest::decode(&record.payload) {
            if record.topic.starts_with("freshet.backlog.") {
                self.summary.spilled += request.purges.len();
            }
            for (target, purge) in purges_of(&request) {
                self.stored.insert(name_of(target, purge), seq);
            }
        }
        let stored = LogRecord {
            key: Some(record.key.clone()),
            value: Some(record.payload.clone()),
            appended: self.now(),
            seq,
        };
        self.log.append(&record.topic, stored);
    }

    pub(crate) fn note_handed_out(&mut self, group: &str, place: &Place, next: u64) {
        if group != GROUP {
            return;
        }
        let committed = self
            .log
            .groups
            .get(group)
            .and_then(|it| it.committed.get(place));
        let open = next.saturating_sub(committed.copied().unwrap_or(0));
        self.summary.open_max = self.summary.open_max.max(open as usize);
        if open > self.open_allowed {
            self.break_promise(format!("P6: {open} records of {place:?} are open at once"));
        }
    }

    /// P1: looks at everything that this commit lets go of.
    pub(crate) fn commit(&mut self, group: &str, place: &Place, next: u64) {
        let before = {
            let group = self.log.groups.entry(group.to_owned()).or_default();
            group.committed.insert(place.clone(), next).unwrap_or(0)
        };
        self.tick(place.0.as_bytes());
        if next < before {
            self.break_promise(format!(
                "P1: {place:?} was committed back from {before} to {next}"
            ));
        }
        for offset in before..next {
            let missing = if group == GROUP {
                self.missing_of_change(place, offset)
            } else {
                self.missing_of_request(place, offset)
            };
            if let Some(missing) = missing {
                self.break_promise(format!(
                    "P1: {place:?}@{offset} was committed by {group}, and {missing} is neither purged nor stored"
                ));
            }
        }
    }

    fn missing_of_change(&self, place: &Place, offset: u64) -> Option<String> {
        let change = self.expected.get(place)?.get(&offset)?;
        let missing = change.wants.iter().find(|want| {
            !self.is_answered(want, change.seq) && !self.is_stored(want, change.seq)
        })?;
        Some(format!("{missing:?}"))
    }

    fn missing_of_request(&self, place: &Place, offset: u64) -> Option<String> {
        let record = self
            .log
            .topics
            .get(&place.0)?
            .get(place.1)?
            .get(offset as usize)?;
        let request = PurgeRequest::decode(record.value.as_deref()?).ok()?;
        let missing = purges_of(&request).find(|(target, purge)| {
            let name = name_of(target, purge);
            let family = match (*target, purge.family.as_str()) {
                ("edge", _) => crate::rules::ITEM_TAG,
                (_, "catalog.item") => crate::rules::ITEM_SHAPE,
                _ => crate::rules::NOTE_SHAPE,
            };
            let family = ((*target).to_owned(), true, family.as_bytes().to_vec());
            let done = [&name, &family].iter().any(|name| {
                self.last(name) > record.seq || self.answered.get(name) > Some(&record.seq)
            });
            let stored = [&name, &family]
                .iter()
                .any(|name| self.stored.get(name) > Some(&record.seq));
            !done && !stored
        })?;
        Some(format!("{:?}", String::from_utf8_lossy(&missing.1.name)))
    }

    fn last(&self, name: &Name) -> u64 {
        let seqs = self.done.get(name);
        seqs.and_then(|seqs| seqs.last()).copied().unwrap_or(0)
    }

    fn is_done(&self, want: &Want, seq: u64) -> bool {
        names(want).any(|name| self.last(&name) > seq)
    }

    fn is_answered(&self, want: &Want, seq: u64) -> bool {
        let answered = |name: Name| self.answered.get(&name).copied().unwrap_or(0) > seq;
        self.is_done(want, seq) || names(want).any(answered)
    }

    fn is_stored(&self, want: &Want, seq: u64) -> bool {
        names(want).any(|name| self.stored.get(&name).copied().unwrap_or(0) > seq)
    }

    /// The first purge of any change that has not reached its target after it.
    pub(crate) fn unpurged(&self) -> Option<String> {
        for (place, changes) in &self.expected {
            for (offset, change) in changes {
                let missing = change
                    .wants
                    .iter()
                    .find(|want| !self.is_done(want, change.seq));
                if let Some(want) = missing {
                    return Some(format!("{place:?}@{offset}: {want:?}"));
                }
            }
        }
        None
    }

    /// Inside out: when all is done, the edge was purged after the store, for every change.
    pub(crate) fn refilled_from_old(&self) -> Option<String> {
        for (place, changes) in &self.expected {
            for (offset, change) in changes {
                let (edge, store): (Vec<&Want>, Vec<&Want>) =
                    change.wants.iter().partition(|want| want.target == "edge");
                let first = store
                    .iter()
                    .filter_map(|want| self.first_after(want, change.seq))
                    .max();
                let late = edge
                    .iter()
                    .find(|want| !self.is_done(want, first.unwrap_or(0)));
                if let Some(want) = late {
                    return Some(format!(
                        "{place:?}@{offset}: {want:?} was last purged before the store"
                    ));
                }
            }
        }
        None
    }

    fn first_after(&self, want: &Want, seq: u64) -> Option<u64> {
        names(want)
            .filter_map(|name| self.done.get(&name)?.iter().copied().find(|&at| at > seq))
            .min()
    }
}

/// The virtual time.
pub(crate) fn micros(began: Instant) -> WallMicros {
    WallMicros(BEGIN_US + began.elapsed().as_micros() as u64)
}

/// What answers a want: the name itself, or its family's scope.
fn names(want: &Want) -> impl Iterator<Item = Name> {
    let exact = want
        .name
        .iter()
        .map(|name| (want.target.to_owned(), false, name.as_bytes().to_vec()));
    let family = (
        want.target.to_owned(),
        true,
        want.family.as_bytes().to_vec(),
    );
    exact.chain([family])
}

fn name_of(target: &str, purge: &RequestedPurge) -> Name {
    (
        target.to_owned(),
        purge.scope == Scope::Family,
        purge.name.clone(),
    )
}

fn purges_of(request: &PurgeRequest) -> impl Iterator<Item = (&str, &RequestedPurge)> {
    let own = request
        .purges
        .iter()
        .map(|purge| (request.target.as_str(), purge));
    let then = request.then.iter().flat_map(|outer| {
        outer
            .purges
            .iter()
            .map(|purge| (outer.target.as_str(), purge))
    });
    own.chain(then)
}
