//! inspect: what records reveal beside their change: gaps in the log, source files that are out of date, transactions.

use std::sync::Arc;

use freshet_core::change::Change;
use freshet_core::ports::RawRecord;
use freshet_core::position::{Steady, StreamId};
use freshet_core::registry::Registry;
use freshet_wire::{BoundaryRead, DecodeError, Decoded, Decoder};

use crate::intake::drift::Drifts;
use crate::intake::open::{Gap, Noticed, Open};
use crate::intake::order::Order;
use crate::intake::transactions::{Transactions, Watch};
use crate::metrics::DriftHandles;

/// Inspects what an intake takes.
pub(crate) struct Inspect {
    /// The registry that tables are numbered by.
    revision: u64,
    order: Order,
    drifts: Drifts,
    /// Counts the changes of transactions, when asked to.
    pub(crate) watch: Option<Box<Watch>>,
    counters: DriftHandles,
}

impl Inspect {
    pub(crate) fn new(transactions: Transactions, counters: DriftHandles) -> Self {
        Self {
            revision: 0,
            order: Order::default(),
            drifts: Drifts::default(),
            watch: Watch::new(transactions).map(Box::new),
            counters,
        }
    }

    /// Table ids belong to one registry.
    #[inline]
    pub(crate) fn follow(&mut self, registry: &Registry) {
        if self.revision != registry.revision.sequence {
            self.revision = registry.revision.sequence;
            self.order.follow(registry);
            self.drifts.forget();
        }
    }

    /// Whether the records of a topic tell where transactions begin and end.
    #[inline]
    pub(crate) fn is_boundaries(&self, topic: &str, registry: &Registry) -> bool {
        let watch = self.watch.as_ref();
        watch.is_some_and(|watch| watch.tells_boundaries(topic))
            && registry.table_of_topic(topic).is_none()
    }

    /// Notes where a transaction begins or ends. Returns the schema that the record waits for, if it does. One that
    /// cannot be read only means that its transaction is not judged.
    pub(crate) fn boundary(
        &mut self,
        record: &RawRecord<'_>,
        decoder: &mut Decoder,
        now: Steady,
    ) -> Option<u32> {
        match (decoder.decode_boundary(record), &mut self.watch) {
            (Ok(BoundaryRead::SchemaWanted { id }), _) => return Some(id),
            (Ok(BoundaryRead::Boundary(boundary)), Some(watch)) => {
                watch.note_boundary(record.origin, boundary, now);
            }
            (Ok(_), _) => {}
            (Err(error), _) => {
                tracing::debug!(origin = %record.origin, error = %error, "not a boundary of a transaction");
            }
        }
        None
    }

    /// Counts a record of a table's topic for its transaction, whatever it is.
    #[inline]
    pub(crate) fn decoded(
        &mut self,
        record: &RawRecord<'_>,
        decoded: &Result<Decoded, DecodeError>,
        change: &Change,
        now: impl FnOnce() -> Steady,
    ) {
        if let Some(watch) = &mut self.watch {
            watch.note_decoded(record.origin, decoded, change, now());
        }
    }

    /// Notes what a change reveals.
    #[inline]
    pub(crate) fn change(
        &mut self,
        record: &RawRecord<'_>,
        change: &Change,
        registry: &Registry,
        noticed: &mut Noticed,
    ) {
        self.drifts.note(registry, change, &self.counters);
        if let Some(cause) = self.order.look(change, record.position) {
            noticed.gaps.push(Gap {
                topic: Arc::from(record.origin.topic),
                cause,
                detail: format!("detected at {}", record.origin),
            });
        }
    }

    /// Judges the transactions that can be judged now.
    pub(crate) fn judge(&mut self, open: &mut Open, now: impl FnOnce() -> Steady) {
        if let Some(watch) = &mut self.watch {
            let registry = &open.round.rules.registry;
            watch.look(registry, &mut open.noticed.gaps, now());
        }
    }

    /// A partition is read here from now on.
    pub(crate) fn assigned(
        &mut self,
        stream: StreamId,
        topic: &Arc<str>,
        partition: i32,
        now: Steady,
    ) {
        if let Some(watch) = &mut self.watch {
            watch.assigned(stream, topic, partition, now);
        }
    }

    /// The group reads a stream for the first time.
    pub(crate) fn begins(&mut self, stream: StreamId) {
        self.order.begins(stream);
    }

    /// Another process reads the stream now.
    pub(crate) fn forget(&mut self, stream: StreamId, now: Steady) {
        self.order.ended(stream);
        if let Some(watch) = &mut self.watch {
            watch.revoked(stream, now);
        }
    }

    /// Records of a topic are lost.
    pub(crate) fn spoil(&mut self, topic: &str, now: Steady) {
        if let Some(watch) = &mut self.watch {
            watch.spoil(topic, now);
        }
    }
}
