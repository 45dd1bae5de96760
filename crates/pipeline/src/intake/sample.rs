//! sample: now and then one exact purge of a change → the auditor; rows that a snapshot read, as it has room.

use std::sync::Arc;
use std::time::Duration;

use freshet_core::change::{Change, Op};
use freshet_core::image::Column;
use freshet_core::intent::NamedPurge;
use freshet_core::position::{Steady, WallMicros};
use freshet_core::purge::{FamilyVerdict, PurgeSet};
use freshet_core::registry::{Family, Place, Registry, Scope};
use freshet_core::resolve::resolve_read;
use freshet_core::sample::{PurgedSample, ReadSample};
use tokio::sync::mpsc;

use crate::metrics::ReadOutcome;
use crate::round::Round;
use crate::rules::Rules;

/// Offers the auditor what it may look at.
#[derive(Debug)]
pub(crate) struct Samples {
    /// One purge per interval at most; none for no auditor.
    every: Option<Duration>,
    next: Steady,
    /// Where rows go that a snapshot read.
    reads: Option<mpsc::Sender<ReadSample>>,
    /// The names that such a row is in.
    names: PurgeSet,
}

impl Samples {
    pub(crate) fn new(every: Option<Duration>, reads: Option<mpsc::Sender<ReadSample>>) -> Self {
        Self {
            every,
            next: Steady(0),
            reads,
            names: PurgeSet::default(),
        }
    }

    /// Offers a row that a snapshot read, for every family of `set` that wants it verified. The auditor looks no faster
    /// than its rate; when its queue is full the row is dropped and counted, before its names are rendered: nothing
    /// waits.
    pub(crate) fn offer_reads(&mut self, rules: &Rules, change: &Change, set: &PurgeSet) {
        for (at, &(id, verdict)) in set.verdicts().iter().enumerate() {
            // A family that binds the table twice has two verdicts and one set of names.
            let again = set.verdicts()[..at].iter().any(|(other, _)| *other == id);
            if verdict != FamilyVerdict::ToVerify || again {
                continue;
            }
            let room = self.reads.as_ref().map(mpsc::Sender::try_reserve);
            let Some(Ok(room)) = room else {
                rules.handles.read(id, ReadOutcome::OverRate);
                continue;
            };
            let registry = &rules.registry;
            let version = resolve_read(registry, change, id, &mut self.names);
            let outcome = match (version, registry.family(id)) {
                (Some(version), Some(family)) => {
                    let row = ReadRow {
                        registry,
                        family,
                        names: &self.names,
                        version,
                    };
                    offer_each(room, self.reads.as_ref(), row.reads())
                }
                _ => ReadOutcome::NoVersion,
            };
            rules.handles.read(id, outcome);
        }
    }

    /// Puts one of the change's exact purges aside for the auditor when it is time for another.
    pub(crate) fn sample(&mut self, round: &mut Round, purged: &Purged<'_>, now: Steady) {
        let Some(every) = self.every else {
            return;
        };
        if now < self.next || purged.change.op == Op::Read {
            return;
        }
        if let Some(sample) = sample_of(&round.rules.registry, purged) {
            self.next = now.plus(every);
            round.samples.push(sample);
        }
    }
}

/// A change that is purged.
pub(crate) struct Purged<'a> {
    pub(crate) change: &'a Change,
    pub(crate) set: &'a PurgeSet,
    /// When it was committed, or stored where the source does not say.
    pub(crate) committed: WallMicros,
}

fn sample_of(registry: &Registry, purged: &Purged<'_>) -> Option<PurgedSample> {
    let Purged {
        change,
        set,
        committed,
    } = *purged;
    let mut purges = set.iter();
    let (purge, name) = purges.find(|(purge, _)| purge.scope == Scope::Keys)?;
    let (family, target) = (
        registry.family(purge.family)?,
        registry.target(purge.target)?,
    );
    let column = registry.table(change.table).and_then(|table| {
        let mut bindings = table.bindings.iter();
        let binding = bindings.find(|binding| binding.family == purge.family)?;
        binding.version_column
    });
    let version = match (
        column.map(|slot| change.after.column(slot)),
        &family.entry_version,
    ) {
        (Some(Column::Known(text)), Some(entry)) => Some((entry.clone(), text.to_owned())),
        _ => None,
    };
    Some(PurgedSample {
        family: Arc::clone(&family.name),
        target: Arc::clone(&target.name),
        name: name.to_vec(),
        committed,
        resolution_us: change.committed.resolution_us,
        purged: WallMicros(0),
        max_ttl: family.max_ttl,
        version,
    })
}

/// Offers the row's entries at each place; `room` is for the first.
fn offer_each(
    room: mpsc::Permit<'_, ReadSample>,
    auditor: Option<&mpsc::Sender<ReadSample>>,
    mut reads: impl Iterator<Item = ReadSample>,
) -> ReadOutcome {
    let Some(first) = reads.next() else {
        return ReadOutcome::NoName;
    };
    room.send(first);
    for read in reads {
        if auditor.is_none_or(|auditor| auditor.try_send(read).is_err()) {
            return ReadOutcome::OverRate;
        }
    }
    ReadOutcome::Offered
}

/// A row that a snapshot read, and the names that it is in.
struct ReadRow<'a> {
    registry: &'a Arc<Registry>,
    family: &'a Family,
    names: &'a PurgeSet,
    version: &'a str,
}

impl<'a> ReadRow<'a> {
    /// What the auditor is sent, for each place where the row is in entries that are known by their names.
    fn reads(self) -> impl Iterator<Item = ReadSample> + 'a {
        let places = self.family.places.iter();
        let stores = places.filter(|place| place.exact == Scope::Keys);
        stores.filter_map(move |store| self.at(store))
    }

    fn at(&self, store: &Place) -> Option<ReadSample> {
        let Self {
            registry,
            family,
            names,
            version,
        } = self;
        let target = registry.target(store.target)?;
        let exact = names
            .iter()
            .filter(|(purge, _)| purge.target == store.target && purge.scope == Scope::Keys);
        let exact: Vec<Vec<u8>> = exact.map(|(_, name)| name.to_vec()).collect();
        if exact.is_empty() {
            return None;
        }
        let outer = names.iter().filter_map(|(purge, name)| {
            let outer = registry.target(purge.target)?;
            let named = (outer.tier > target.tier).then(|| NamedPurge::of(registry, purge, name));
            named.flatten()
        });
        Some(ReadSample {
            family: Arc::clone(&family.name),
            target: Arc::clone(&target.name),
            registry: Arc::clone(registry),
            names: exact,
            entry: family.entry_version.clone()?,
            version: (*version).to_owned(),
            outer: outer.collect(),
        })
    }
}
