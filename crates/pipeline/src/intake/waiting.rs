//! waiting: records whose writer schema is not here → the same records in the order of their streams, when it has come.

use freshet_core::ports::{RawRecord, WriterSchemas};
use freshet_core::position::Steady;

use crate::intake::parked::Parked;
use crate::intake::schemas::{Blame, Fetches};
use crate::watch::status::Status;

/// Records that wait, and the schemas that are fetched for them.
pub(crate) struct Waiting<W> {
    pub(crate) fetches: Fetches<W>,
    pub(crate) parked: Parked,
    blame: Blame,
    status: Status,
}

impl<W: WriterSchemas + 'static> Waiting<W> {
    /// `part` is what [`Status`] calls the schema registry.
    pub(crate) fn new(fetches: Fetches<W>, part: String, status: Status) -> Self {
        Self {
            fetches,
            parked: Parked::default(),
            blame: Blame::new(part),
            status,
        }
    }

    /// Takes a record in behind those of its stream; false when none of them waits.
    pub(crate) fn take_behind(&mut self, record: &RawRecord<'_>) -> bool {
        let waits = self.parked.holds(record.position.stream);
        if waits {
            self.parked.park(record, 0);
        }
        waits
    }

    /// Takes in the first record of a stream that waits, for the schema `id`.
    pub(crate) fn take_first(&mut self, record: &RawRecord<'_>, id: u32, now: Steady) {
        self.fetches.want(id, now);
        self.parked.park(record, id);
    }

    /// Forgets the schemas that no record waits for any more, and reports those that do not come.
    pub(crate) fn report(&mut self, now: Steady) {
        let parked = &self.parked;
        self.fetches.keep(|id| parked.wants(id));
        self.blame.say(&self.fetches, parked, &self.status, now);
    }
}
