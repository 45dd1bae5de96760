//! decode: one record as the source gave it → one change, whatever form it came in.

use freshet_core::change::{Change, Op};
use freshet_core::image::Image;
use freshet_core::ports::RawRecord;
use freshet_core::registry::{Registry, RegistryRevision, Table};
use freshet_core::table::{TableId, TableShape};

use crate::avro::cache::{Planned, SchemaCache};
use crate::avro::datum::{Bounds, Datum};
use crate::avro::unframe;
use crate::boundary::{self, BoundaryRead};
use crate::draft::Draft;
use crate::error::DecodeError;
use crate::facts::{Facts, Part};
use crate::foreign;
use crate::form::{Form, Habit, form_of, needs_row_key};
use crate::images::{self, ImageRules};
use crate::json::cursor::Cursor;
use crate::limits::Limits;
use crate::row_key::KeyReader;
use crate::row_rules::RowRules;
use crate::skipped::Skipped;
use crate::topic_memory::{TopicMemory, memory_of};
use crate::unowned;

const WHAT_BEHIND: &str = "expected } after the payload";

/// A record may name two schemas: its value's and, for a delete without a before-image, its key's. A third would be asked
/// for without end.
pub const SCHEMAS_PER_RECORD: usize = 2;

/// What a record came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decoded {
    /// A change; it stands in the caller's buffer.
    Change,
    /// No family hangs on the topic's table.
    Unowned,
    /// A record that is no change.
    Skipped(Skipped),
    /// The Avro writer schema `id` is not at hand: give it to [`Decoder::add_writer_schema`] and decode the
    /// record again.
    SchemaWanted {
        /// The schema's id.
        id: u32,
    },
}

/// Records → changes. Remembers writer schemas and what it has seen of each topic; one per thread.
#[derive(Debug, Default)]
pub struct Decoder {
    limits: Limits,
    /// Whether a change's place in its transaction is read.
    members: bool,
    /// The registry that plans and prefixes were made for.
    revision: Option<RegistryRevision>,
    schemas: SchemaCache,
    /// By [`TableId`].
    tables: Vec<TopicMemory>,
    /// The table of the last record that had one.
    last: Option<TableId>,
    row_key: Image,
    scratch: String,
}

impl Decoder {
    /// A decoder without any memory.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            ..Self::default()
        }
    }

    /// The same, which also reads the place of each change in its transaction.
    #[must_use]
    pub fn reading_members(self) -> Self {
        Self {
            members: true,
            ..self
        }
    }

    /// Reads the begin or the end of a transaction from a record of a transaction topic.
    ///
    /// # Errors
    /// The record is neither.
    pub fn decode_boundary(&mut self, record: &RawRecord<'_>) -> Result<BoundaryRead, DecodeError> {
        boundary::read(record, &self.limits, &mut self.schemas)
    }

    /// Decodes `record` into `change`. What `change` holds counts only when the answer is
    /// [`Decoded::Change`]. A registry is known by its revision.
    ///
    /// # Errors
    /// The record is poison: decoding it again gives the same error.
    pub fn decode(
        &mut self,
        record: &RawRecord<'_>,
        registry: &Registry,
        change: &mut Change,
    ) -> Result<Decoded, DecodeError> {
        let topic = record.origin.topic;
        if unowned::is_heartbeat(topic) {
            return Ok(Decoded::Skipped(Skipped::Heartbeat));
        }
        let table = self.table_of(registry, topic);
        let Some(table) = table.filter(|table| !table.bindings.is_empty()) else {
            let skipped = unowned::recognise(record, &self.limits);
            return Ok(skipped.map_or(Decoded::Unowned, Decoded::Skipped));
        };
        self.follow(registry);
        let shape = &table.shape;
        change.reset(shape.id, Op::Read);
        let Some(value) = record.value else {
            return self.tombstone(record, shape, change);
        };
        if value.len() > self.limits.value_bytes_max {
            return Err(DecodeError::TooLarge {
                bytes: value.len(),
                bytes_max: self.limits.value_bytes_max,
            });
        }
        match value.first() {
            Some(0) => self.decode_avro(record, value, shape, change),
            Some(b'{' | b' ' | b'\t' | b'\r' | b'\n' | b'n') => {
                self.decode_json(record, value, shape, change)
            }
            _ => match foreign::of_text(value) {
                Some(format) => Err(DecodeError::Foreign { format }),
                None => Err(DecodeError::BadFraming {
                    what: "neither a JSON object nor Avro in Confluent framing",
                }),
            },
        }
    }

    /// Takes a writer schema that [`Decoded::SchemaWanted`] asked for. One that cannot be used is remembered too:
    /// every record that names it is poison.
    ///
    /// # Errors
    /// The schema cannot be used.
    pub fn add_writer_schema(&mut self, id: u32, json: &str) -> Result<(), DecodeError> {
        self.schemas.add(id, json, &self.limits)
    }

    /// The table whose changes a topic carries. Neighbours mostly share it, and comparing is quicker than looking up.
    fn table_of<'r>(&mut self, registry: &'r Registry, topic: &str) -> Option<&'r Table> {
        let last = self.last.and_then(|it| registry.table(it));
        if let Some(table) = last.filter(|it| *it.shape.topic == *topic) {
            return Some(table);
        }
        let table = registry.table_of_topic(topic)?;
        self.last = Some(table.shape.id);
        Some(table)
    }

    /// Forgets what was made for an earlier registry.
    fn follow(&mut self, registry: &Registry) {
        if self.revision.as_ref() == Some(&registry.revision) {
            return;
        }
        self.revision = Some(registry.revision.clone());
        self.schemas.forget_plans();
        let tables = registry.tables.iter();
        let tables = tables.map(|table| TopicMemory::of(&table.shape));
        self.tables = tables.collect();
    }

    fn decode_json(
        &mut self,
        record: &RawRecord<'_>,
        value: &[u8],
        shape: &TableShape,
        change: &mut Change,
    ) -> Result<Decoded, DecodeError> {
        let memory = memory_of(&mut self.tables, shape);
        let opened = memory.prefixes.open(value, shape, &self.limits)?;
        let wrapped = opened.is_some();
        let (start, columns) = opened.unwrap_or((0, &memory.undeclared));
        let depth = usize::from(wrapped);
        let mut cursor = Cursor::new(value, self.limits.depth_max).starting_at(start, depth);
        let mut ahead = cursor.clone();
        if ahead.null()? {
            if wrapped {
                // Anything else is a row with columns of these names.
                ahead.demand(b'}', WHAT_BEHIND)?;
            }
            ahead.end()?;
            return self.tombstone(record, shape, change);
        }
        let rules = RowRules {
            shape,
            columns,
            members: self.members,
        };
        let habit = Habit {
            form: memory.form,
            tracks: &mut memory.tracks,
        };
        let facts = &mut Facts::default();
        let mut draft = Draft { change, facts };
        let form = habit.read(&mut cursor, rules, draft.again(), &mut self.scratch)?;
        if wrapped {
            cursor.demand(b'}', WHAT_BEHIND)?;
        }
        cursor.end()?;
        self.finish(record, form, shape, draft)
    }

    fn decode_avro(
        &mut self,
        record: &RawRecord<'_>,
        value: &[u8],
        shape: &TableShape,
        change: &mut Change,
    ) -> Result<Decoded, DecodeError> {
        let (id, bytes) = unframe(value)?;
        // No schema has this id.
        if id == 0 && foreign::is_open_protocol(value) {
            let format = "TiCDC open protocol";
            return Err(DecodeError::Foreign { format });
        }
        let Some(compiled) = self.schemas.get(id)? else {
            return Ok(Decoded::SchemaWanted { id });
        };
        let rules = RowRules {
            shape,
            columns: &[],
            members: self.members,
        };
        let not_a_record = DecodeError::BadEnvelope {
            what: "the writer schema is not a record",
        };
        let Planned {
            schema,
            plan,
            fresh,
        } = compiled.plan(rules, false).ok_or(not_a_record)?;
        let mut datum = Datum::new(schema, id, bytes, Bounds::of(&self.limits));
        let mut facts = Facts::default();
        let columns = shape.columns.len();
        let read = plan.run(&mut datum, change, &mut facts, columns);
        if fresh {
            self.schemas.make_room(self.limits.writer_schemas_bytes_max);
        }
        read?;
        let form = form_of(&facts, shape, &change.after)?;
        let facts = &mut facts;
        self.finish(record, form, shape, Draft { change, facts })
    }

    /// From what a record says to what is certain.
    fn finish(
        &mut self,
        record: &RawRecord<'_>,
        form: Form,
        shape: &TableShape,
        draft: Draft<'_>,
    ) -> Result<Decoded, DecodeError> {
        let Draft { change, facts } = draft;
        if form == Form::Envelope
            && let Some(skipped) = facts.skipped()
        {
            if skipped != Skipped::SchemaChange {
                return Ok(Decoded::Skipped(skipped));
            }
            // In the topic of a table it is the only trace of what it did to the rows: `TRUNCATE`, a partition dropped.
            change.reset(shape.id, Op::Truncate);
            facts.stamp(shape.engine, change);
            return Ok(Decoded::Change);
        }
        let before = match form {
            Form::Envelope => {
                change.op = facts.envelope_op()?;
                Some(facts.before)
            }
            Form::Flattened => {
                change.op = facts.flattened_op()?;
                if change.op == Op::Delete {
                    std::mem::swap(&mut change.before, &mut change.after);
                }
                None
            }
        };
        if change.op == Op::Delete
            && (before.is_some_and(|part| part != Part::Read)
                || needs_row_key(shape, &change.before))
            && let Some(id) = self.read_row_key(record, shape)
        {
            return Ok(Decoded::SchemaWanted { id });
        }
        let memory = memory_of(&mut self.tables, shape);
        if memory.has_lists {
            images::check_listed(&mut change.before, shape);
            images::check_listed(&mut change.after, shape);
        }
        memory.form = form;
        if before == Some(Part::Read) && !memory.full_seen {
            memory.full_seen = images::proves_full(change, shape);
        }
        let rules = ImageRules {
            shape,
            before,
            full_seen: memory.full_seen,
            row_key: &self.row_key,
        };
        images::settle(change, rules);
        memory.full_seen &= !change.identity_drift;
        if change.op == Op::Delete {
            memory.last_delete.note(record);
        }
        facts.stamp(shape.engine, change);
        Ok(Decoded::Change)
    }

    /// A tombstone says that the row with this key is gone. Only one that directly follows the delete of the same key
    /// says nothing new. Everywhere else nothing proves that another record has announced, or will announce, the
    /// delete: a transform may have turned it into the tombstone, and compaction may have removed it.
    fn tombstone(
        &mut self,
        record: &RawRecord<'_>,
        shape: &TableShape,
        change: &mut Change,
    ) -> Result<Decoded, DecodeError> {
        let memory = memory_of(&mut self.tables, shape);
        if memory.last_delete.is_repeated_by(record) {
            return Ok(Decoded::Skipped(Skipped::Tombstone));
        }
        if let Some(id) = self.read_row_key(record, shape) {
            return Ok(Decoded::SchemaWanted { id });
        }
        change.reset(shape.id, Op::Delete);
        change.before.begin(shape.columns.len());
        let rules = ImageRules {
            shape,
            before: None,
            full_seen: false,
            row_key: &self.row_key,
        };
        images::settle(change, rules);
        Ok(Decoded::Change)
    }

    /// Reads the record's key into `self.row_key`. A key that cannot be read leaves its columns unknown, so that
    /// the purge widens. Some when a writer schema is needed first.
    fn read_row_key(&mut self, record: &RawRecord<'_>, shape: &TableShape) -> Option<u32> {
        self.row_key.begin(shape.columns.len());
        let key = record.key?;
        let memory = memory_of(&mut self.tables, shape);
        let reader = KeyReader {
            shape,
            limits: &self.limits,
            image: &mut self.row_key,
        };
        let read = match key.first() {
            Some(0) => reader.read_avro(key, &mut self.schemas),
            _ => {
                let TopicMemory {
                    key_prefixes,
                    undeclared,
                    ..
                } = memory;
                let read = reader.read_json(key, undeclared, key_prefixes, &mut self.scratch);
                read.map(|()| None)
            }
        };
        match read {
            Ok(wanted) => wanted,
            Err(_) => {
                self.row_key.begin(shape.columns.len());
                None
            }
        }
    }
}
