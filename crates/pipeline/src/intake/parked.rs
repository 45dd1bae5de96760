//! Records that wait for a writer schema. They hold their own stream and no other.

use std::collections::{BTreeMap, VecDeque};

use freshet_core::ports::RawRecord;
use freshet_core::position::{StreamId, StreamPosition, WallMicros};
use freshet_core::record::StoredRecord;

/// Copies of waiting records take no more than this in bytes; beyond it the whole intake waits. A source that holds a
/// stream at once leaves here only what it had handed out already.
const PARKED_BYTES_MAX: usize = 64 << 20;

/// Memory of a parked record beside its bytes.
const RECORD_BYTES: usize = 256;

/// A record that waits for its writer schema, as an own copy.
pub(crate) struct ParkedRecord {
    pub(crate) position: StreamPosition,
    record: StoredRecord,
}

impl ParkedRecord {
    fn from_raw(record: &RawRecord<'_>) -> Self {
        Self {
            position: record.position,
            record: record.to_stored(),
        }
    }

    pub(crate) fn as_raw(&self) -> RawRecord<'_> {
        self.record.as_raw(self.position)
    }

    fn bytes(&self) -> usize {
        let StoredRecord {
            topic, key, value, ..
        } = &self.record;
        let length = |part: &Option<Vec<u8>>| part.as_ref().map_or(0, Vec::len);
        RECORD_BYTES + topic.len() + length(key) + length(value)
    }
}

/// A stream whose first record waits for a writer schema, and the rest behind that.
pub(crate) struct ParkedStream {
    /// The schema that the first record waits for.
    pub(crate) wants: u32,
    /// Schemas that came for it already.
    pub(crate) came: usize,
    pub(crate) records: VecDeque<ParkedRecord>,
}

/// Streams that wait.
#[derive(Default)]
pub(crate) struct Parked {
    streams: BTreeMap<StreamId, ParkedStream>,
    bytes: usize,
    /// The source does not know yet which streams wait.
    changed: bool,
}

impl Parked {
    pub(crate) fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }

    /// Whether more records wait than may.
    pub(crate) fn is_full(&self) -> bool {
        self.bytes >= PARKED_BYTES_MAX
    }

    pub(crate) fn holds(&self, stream: StreamId) -> bool {
        !self.streams.is_empty() && self.streams.contains_key(&stream)
    }

    /// Puts a record behind those of its stream; the first one waits for the schema `wants`.
    pub(crate) fn park(&mut self, record: &RawRecord<'_>, wants: u32) {
        let stream = record.position.stream;
        self.changed |= !self.holds(stream);
        let held = self.streams.entry(stream).or_insert(ParkedStream {
            wants,
            came: 0,
            records: VecDeque::new(),
        });
        let parked = ParkedRecord::from_raw(record);
        self.bytes += parked.bytes();
        held.records.push_back(parked);
    }

    /// A stream of which the first record waits for this schema.
    pub(crate) fn take_waiting_for(&mut self, id: u32) -> Option<(StreamId, ParkedStream)> {
        let waits = |(_, held): &(&StreamId, &ParkedStream)| held.wants == id;
        let stream = *self.streams.iter().find(waits)?.0;
        let held = self.take(stream)?;
        Some((stream, held))
    }

    /// Puts a stream back that goes on waiting.
    pub(crate) fn put_back(&mut self, stream: StreamId, held: ParkedStream) {
        self.bytes += bytes_of(&held);
        self.streams.insert(stream, held);
        self.changed = true;
    }

    /// Drops what waits of a stream.
    pub(crate) fn forget(&mut self, stream: StreamId) {
        self.take(stream);
    }

    fn take(&mut self, stream: StreamId) -> Option<ParkedStream> {
        let held = self.streams.remove(&stream)?;
        self.bytes -= bytes_of(&held);
        self.changed = true;
        Some(held)
    }

    /// The schema that the record at a position waits for, if that is what it waits for.
    pub(crate) fn wanted_at(&self, position: StreamPosition) -> Option<u32> {
        let held = self.streams.get(&position.stream)?;
        let first = held.records.front()?;
        (first.position == position).then_some(held.wants)
    }

    /// Whether somebody waits for this schema.
    pub(crate) fn wants(&self, id: u32) -> bool {
        self.streams.values().any(|held| held.wants == id)
    }

    /// Topic and partition of a stream that waits for this schema.
    pub(crate) fn place_of(&self, id: u32) -> Option<(&str, i32)> {
        let held = self.streams.values().find(|held| held.wants == id)?;
        let first = &held.records.front()?.record;
        Some((&first.topic, first.partition))
    }

    /// How many streams wait.
    pub(crate) fn len(&self) -> usize {
        self.streams.len()
    }

    /// When the source stored the record that waits for longest.
    pub(crate) fn oldest(&self) -> Option<WallMicros> {
        let first = |held: &ParkedStream| Some(held.records.front()?.record.appended);
        self.streams.values().filter_map(first).min()
    }

    /// The streams that wait, when they are others than those named last.
    pub(crate) fn take_changed(&mut self) -> Option<Vec<StreamId>> {
        let changed = std::mem::take(&mut self.changed);
        changed.then(|| self.streams.keys().copied().collect())
    }
}

fn bytes_of(held: &ParkedStream) -> usize {
    held.records.iter().map(ParkedRecord::bytes).sum()
}

#[cfg(test)]
mod tests;
