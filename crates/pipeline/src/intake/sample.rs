//! sample: now and then one exact purge of a change → the auditor; rows that a snapshot read, as it has room.

use std::sync::Arc;
use std::time::Duration;

use freshet_core::change::Op;
use freshet_core::image::Column;
use freshet_core::intent::NamedPurge;
use freshet_core::position::{Steady, WallMicros};
use freshet_core::purge::{FamilyVerdict, PurgeSet};
use freshet_core::registry::{Family, FamilyId, Place, Registry, Scope};
use freshet_core::resolve::resolve_read;
use freshet_core::sample::{PurgedSample, ReadSample};
use tokio::sync::mpsc;

use crate::intake::take::TakeChanges;
use crate::metrics::ReadOutcome;
use crate::round::Round;
use crate::rules::Rules;

/// How many purges the auditor is offered: one at most per interval.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sampling {
    pub(crate) every: Option<Duration>,
    pub(crate) next: Steady,
}

/// Where rows that a snapshot read go, and the names they are in.
#[derive(Debug)]
pub(crate) struct Reads {
    auditor: Option<mpsc::Sender<ReadSample>>,
    set: PurgeSet,
}

impl Reads {
    pub(crate) fn new(auditor: Option<mpsc::Sender<ReadSample>>) -> Self {
        Self {
            auditor,
            set: PurgeSet::default(),
        }
    }
}

impl<W> TakeChanges<W> {
    /// Offers the row to the auditor, for every family that wants it verified. The auditor looks no faster than its
    /// rate; when its queue is full the row is dropped and counted, before its names are rendered: nothing waits.
    pub(crate) fn offer_reads(&mut self, rules: &Rules) {
        for (at, &(id, verdict)) in self.set.verdicts().iter().enumerate() {
            // A family that binds the table twice has two verdicts and one set of names.
            let again = self.set.verdicts()[..at].iter().any(|it| it.0 == id);
            if verdict != FamilyVerdict::ToVerify || again {
                continue;
            }
            let room = self.reads.auditor.as_ref().map(mpsc::Sender::try_reserve);
            let Some(Ok(room)) = room else {
                rules.handles.read(id, ReadOutcome::OverRate);
                continue;
            };
            let set = &mut self.reads.set;
            let version = resolve_read(&rules.registry, &self.change, id, set);
            let outcome = match version {
                None => ReadOutcome::NoVersion,
                Some(version) => {
                    let reads = reads_of(&rules.registry, id, (set, version));
                    offer_each(room, self.reads.auditor.as_ref(), reads)
                }
            };
            rules.handles.read(id, outcome);
        }
    }

    /// Offers one of the change's exact purges when it is time for another.
    pub(crate) fn sample(&mut self, round: &mut Round, committed: WallMicros, now: Steady) {
        let Some(every) = self.sampling.every else {
            return;
        };
        if now < self.sampling.next || self.change.op == Op::Read {
            return;
        }
        let registry = &round.rules.registry;
        let wanted = self
            .set
            .iter()
            .find(|(purge, _)| purge.scope == Scope::Keys);
        let Some((purge, name)) = wanted else { return };
        let (Some(family), Some(target)) =
            (registry.family(purge.family), registry.target(purge.target))
        else {
            return;
        };
        let column = registry.table(self.change.table).and_then(|table| {
            table
                .bindings
                .iter()
                .find(|binding| binding.family == purge.family)?
                .version_column
        });
        let version = match (
            column.map(|slot| self.change.after.column(slot)),
            &family.entry_version,
        ) {
            (Some(Column::Known(text)), Some(entry)) => Some((entry.clone(), text.to_owned())),
            _ => None,
        };
        self.sampling.next = now.plus(every);
        round.samples.push(PurgedSample {
            family: Arc::clone(&family.name),
            target: Arc::clone(&target.name),
            name: name.to_vec(),
            committed,
            resolution_us: self.change.committed.resolution_us,
            purged: WallMicros(0),
            max_ttl: family.max_ttl,
            version,
        });
    }
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

/// What the auditor is told, for each place where the row is in entries that are known by their names.
fn reads_of<'a>(
    registry: &'a Arc<Registry>,
    id: FamilyId,
    (set, version): (&'a PurgeSet, &'a str),
) -> impl Iterator<Item = ReadSample> + 'a {
    let family = registry.family(id).into_iter();
    family.flat_map(move |family| {
        let stores = family.places.iter();
        let stores = stores.filter(|place| place.exact == Scope::Keys);
        stores.filter_map(move |store| read_at(registry, (family, store), (set, version)))
    })
}

fn read_at(
    registry: &Arc<Registry>,
    (family, store): (&Family, &Place),
    (set, version): (&PurgeSet, &str),
) -> Option<ReadSample> {
    let target = registry.target(store.target)?;
    let exact = set
        .iter()
        .filter(|(purge, _)| purge.target == store.target && purge.scope == Scope::Keys);
    let names: Vec<Vec<u8>> = exact.map(|(_, name)| name.to_vec()).collect();
    if names.is_empty() {
        return None;
    }
    let outer = set.iter().filter_map(|(purge, name)| {
        let outer = registry.target(purge.target)?;
        let named = (outer.tier > target.tier).then(|| NamedPurge::of(registry, purge, name));
        named.flatten()
    });
    Some(ReadSample {
        family: Arc::clone(&family.name),
        target: Arc::clone(&target.name),
        registry: Arc::clone(registry),
        names,
        entry: family.entry_version.clone()?,
        version: version.to_owned(),
        outer: outer.collect(),
    })
}
