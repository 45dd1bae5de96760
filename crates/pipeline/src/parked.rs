//! Records that wait for a writer schema while the schema registry is away.

use freshet_core::ports::{Origin, RawRecord, WriterSchemas};
use freshet_core::position::{StreamPosition, UnixMicros};

use crate::backoff::Backoff;
use crate::take::TakeChanges;

/// A record that waits for its writer schema, as an own copy.
pub(crate) struct ParkedRecord {
    pub(crate) position: StreamPosition,
    topic: String,
    partition: i32,
    offset: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    appended: UnixMicros,
}

impl ParkedRecord {
    pub(crate) fn from_raw(record: &RawRecord<'_>) -> Self {
        Self {
            position: record.position,
            topic: record.origin.topic.to_owned(),
            partition: record.origin.partition,
            offset: record.origin.offset,
            key: record.key.map(<[u8]>::to_vec),
            value: record.value.map(<[u8]>::to_vec),
            appended: record.appended,
        }
    }

    pub(crate) fn as_raw(&self) -> RawRecord<'_> {
        RawRecord {
            position: self.position,
            origin: Origin {
                topic: &self.topic,
                partition: self.partition,
                offset: self.offset,
            },
            key: self.key.as_deref(),
            value: self.value.as_deref(),
            appended: self.appended,
        }
    }
}

impl<W: WriterSchemas> TakeChanges<W> {
    /// Keeps a record until the schema registry is back.
    pub(crate) fn park(&mut self, record: &RawRecord<'_>, reason: &str) {
        let now = self.clock.now();
        if self.status.not_ready("schema registry", reason, now) {
            tracing::warn!(reason, "schema registry does not answer, records wait");
        }
        self.parked.push_back(ParkedRecord::from_raw(record));
        self.parked_until = self.pause_until(now);
    }

    fn pause_until(&self, now: UnixMicros) -> UnixMicros {
        let wait = Backoff::default().wait(self.parked_attempts, self.dice.roll());
        UnixMicros(now.0 + wait.as_micros() as u64)
    }
}
