//! sample: now and then one exact purge of a change → the auditor.

use std::sync::Arc;
use std::time::Duration;

use freshet_core::change::Op;
use freshet_core::image::Column;
use freshet_core::position::UnixMicros;
use freshet_core::registry::Scope;
use freshet_core::sample::PurgedSample;

use crate::round::Round;
use crate::take::TakeChanges;

/// How many purges the auditor is offered: one at most per interval.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sampling {
    pub(crate) every: Option<Duration>,
    pub(crate) next: UnixMicros,
}

impl<W> TakeChanges<W> {
    /// Offers one of the change's exact purges when it is time for another.
    pub(crate) fn sample(&mut self, round: &mut Round, committed: UnixMicros, now: UnixMicros) {
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
        self.sampling.next = UnixMicros(now.0 + every.as_micros() as u64);
        round.samples.push(PurgedSample {
            family: Arc::clone(&family.name),
            target: Arc::clone(&target.name),
            name: name.to_vec(),
            committed,
            resolution_us: self.change.committed.resolution_us,
            purged: UnixMicros(0),
            max_ttl: family.max_ttl,
            version,
        });
    }
}
