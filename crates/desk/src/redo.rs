//! One letter → the purges of its record, with the current registry.

use std::sync::Arc;

use freshet_core::change::Change;
use freshet_core::intent::{Asked, NamedPurge};
use freshet_core::ports::{OutboxRecord, ScanError, TopicScan, WriterSchemaError, WriterSchemas};
use freshet_core::position::{StreamId, StreamPosition};
use freshet_core::purge::PurgeSet;
use freshet_core::record::{Found, StoredRecord};
use freshet_core::registry::Registry;
use freshet_core::resolve::resolve;
use freshet_wire::{Decoded, Decoder, PurgeRequest, SCHEMAS_PER_RECORD};

use crate::fault::DeskError;
use crate::letter::Letter;

/// Result for a letter's record.
#[derive(Debug)]
pub(crate) enum Redone {
    /// Purges.
    Purges(Asked),
    /// A request for a lane, as it stands.
    Request(OutboxRecord, u64),
    /// Nothing, since it is no change.
    Nothing(String),
    /// It is unknown, with the reason.
    Unknown(String),
}

/// Reads records again. Keeps the schemas that it fetched.
pub(crate) struct Redo<'a, S, W> {
    pub(crate) registry: &'a Registry,
    pub(crate) scan: &'a S,
    pub(crate) schemas: &'a W,
    pub(crate) decoder: Decoder,
}

impl<S: TopicScan, W: WriterSchemas> Redo<'_, S, W> {
    /// The purges of the record of `letter`.
    pub(crate) fn redo(&mut self, letter: &Letter) -> Result<Redone, DeskError> {
        let content = &letter.content;
        if !letter.has_record() {
            let why = "there is no record behind a refused purge".to_owned();
            return Ok(Redone::Unknown(why));
        }
        let found = self
            .scan
            .read_one(&content.topic, content.partition, content.offset);
        let record = match found {
            Ok(Found::Record(record)) => record,
            Ok(Found::Gone { oldest, end }) => {
                return Ok(Redone::Unknown(format!(
                    "its record is gone: {}[{}] now has offsets {oldest} to {end}",
                    content.topic, content.partition
                )));
            }
            // Nothing else can be read either.
            Err(error @ ScanError::Unreachable { .. }) => return Err(DeskError::Scan(error)),
            Err(error) => return Ok(Redone::Unknown(error.to_string())),
        };
        if content.reason == "bad_request" {
            return Ok(request_again(&record));
        }
        Ok(self.decode(&record))
    }

    fn decode(&mut self, record: &StoredRecord) -> Redone {
        let mut change = Change::default();
        // Its stream is that of nobody's assignment.
        let position = StreamPosition {
            stream: StreamId(0),
            ordinal: u64::try_from(record.offset).unwrap_or_default(),
        };
        let record = record.as_raw(position);
        for _ in 0..=SCHEMAS_PER_RECORD {
            match self.decoder.decode(&record, self.registry, &mut change) {
                Ok(Decoded::Change) => return self.resolve(&change),
                Ok(Decoded::Unowned) => {
                    return Redone::Unknown("no family uses its topic any more".to_owned());
                }
                Ok(Decoded::Skipped(skipped)) => {
                    return Redone::Nothing(format!("it is not a change: {}", skipped.name()));
                }
                Ok(Decoded::SchemaWanted { id }) => {
                    if let Err(error) = self.fetch(id) {
                        return Redone::Unknown(error.to_string());
                    }
                }
                Err(error) => return Redone::Unknown(format!("still {}: {error}", error.reason())),
            }
        }
        Redone::Unknown("it needs more than one writer schema".to_owned())
    }

    fn fetch(&mut self, id: u32) -> Result<(), WriterSchemaError> {
        let json = self.schemas.fetch(id)?;
        // The decoder remembers a schema that cannot be used and says so of the record.
        let _ = self.decoder.add_writer_schema(id, &json);
        Ok(())
    }

    fn resolve(&self, change: &Change) -> Redone {
        let mut set = PurgeSet::default();
        resolve(self.registry, change, &mut set);
        if set.is_empty() {
            return Redone::Nothing("it changes nothing that a family depends on".to_owned());
        }
        let names = set.iter();
        let names = names.filter_map(|(purge, name)| NamedPurge::of(self.registry, purge, name));
        Redone::Purges(Asked::Names(names.collect()))
    }
}

/// A record of a lane goes to its end again as it is, if this release can read it.
fn request_again(record: &StoredRecord) -> Redone {
    let value = record.value.clone().unwrap_or_default();
    match PurgeRequest::decode(&value) {
        Err(error) => Redone::Unknown(format!("still bad_request: {error}")),
        Ok(request) => {
            let after: usize = request.then.iter().map(|it| it.purges.len()).sum();
            let again = OutboxRecord {
                topic: Arc::from(record.topic.as_str()),
                key: record.key.clone().unwrap_or_default(),
                payload: value,
            };
            Redone::Request(again, (request.purges.len() + after) as u64)
        }
    }
}
