//! Freshet's decode and resolve on records in memory: a stage probe, and what `decode_cost` counts.

use anyhow::{Context, bail};
use freshet_core::change::Change;
use freshet_core::ports::{Origin, RawRecord};
use freshet_core::position::{StreamId, StreamPosition, WallMicros};
use freshet_core::purge::PurgeSet;
use freshet_core::registry::Registry;
use freshet_core::resolve::resolve;
use freshet_wire::{Decoded, Decoder, Limits};

use crate::case::Form;
use crate::forms::{Events, Record, SchemaIds, writer_schemas};
use crate::registry;

/// Under which the probes know the writer schemas.
pub(crate) const IDS: SchemaIds = SchemaIds { key: 1, value: 2 };
const TOPIC: &str = "bench";

/// Records of one form, and all that is needed to decode them.
#[derive(Debug)]
pub struct Probe {
    records: Vec<Record>,
    registry: Registry,
    decoder: Decoder,
    change: Change,
    set: PurgeSet,
}

impl Probe {
    /// So many distinct records.
    ///
    /// # Errors
    /// When the fixtures lack the schemas.
    pub fn new(form: Form, families: &[&str], records: u32) -> anyhow::Result<Self> {
        let events = Events::new(form, IDS)?;
        let records = (0..records).map(|row| {
            let mut record = Record::default();
            events.write(row, 1_795_000_000_000, &mut record);
            record
        });
        let mut decoder = Decoder::new(Limits::default());
        let (key, value) = writer_schemas()?;
        decoder.add_writer_schema(IDS.key, &key)?;
        decoder.add_writer_schema(IDS.value, &value)?;
        Ok(Self {
            records: records.collect(),
            registry: registry::compiled(TOPIC, families)?,
            decoder,
            change: Change::default(),
            set: PurgeSet::default(),
        })
    }

    /// Decodes every record, and resolves it when asked to; says how many names came of it.
    ///
    /// # Errors
    /// When a record is no change.
    pub fn pass(&mut self, resolving: bool) -> anyhow::Result<usize> {
        let mut names = 0;
        for (at, record) in self.records.iter().enumerate() {
            let record = raw(at, record);
            let decoded = self
                .decoder
                .decode(&record, &self.registry, &mut self.change);
            if decoded.context("decode")? != Decoded::Change {
                bail!("a record of the bench is no change");
            }
            if resolving {
                resolve(&self.registry, &self.change, &mut self.set);
                names += self.set.len();
            }
        }
        Ok(names)
    }
}

fn raw(at: usize, record: &Record) -> RawRecord<'_> {
    RawRecord {
        position: StreamPosition {
            stream: StreamId(0),
            ordinal: at as u64,
        },
        origin: Origin {
            topic: TOPIC,
            partition: 0,
            offset: at as i64,
        },
        key: Some(&record.key),
        value: Some(&record.value),
        appended: WallMicros(0),
    }
}

#[cfg(test)]
mod tests {
    use super::Probe;
    use crate::case::Form;

    #[test]
    fn every_form_resolves_to_one_name_a_family() {
        for form in Form::ALL {
            let mut probe = Probe::new(form, &["product", "card"], 50).expect("a probe");
            assert_eq!(probe.pass(true).expect("it decodes"), 100, "{form:?}");
            assert_eq!(probe.pass(false).expect("it decodes"), 0, "{form:?}");
        }
    }
}
