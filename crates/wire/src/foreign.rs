//! Formats of other systems, known by their structure: their records are named, and never read as a flattened row.
//!
//! A field name alone proves nothing, since a table may have a column `data` or `type`. A format is recognised by a set
//! of fields with their kinds of values, of which the leading one is no column that the source file declares.

use freshet_core::table::TableShape;

use crate::avro::schema::{Node, Record, WriterSchema};
use crate::error::DecodeError;
use crate::json::cursor::Cursor;

/// Kinds of values; a field may allow several.
type Kinds = u8;
const NULL: Kinds = 1;
const BOOL: Kinds = 2;
const NUMBER: Kinds = 4;
const TEXT: Kinds = 8;
const OBJECT: Kinds = 16;
const ARRAY: Kinds = 32;
const ANY: Kinds = 63;

/// One format; its first field leads.
struct Format {
    name: &'static str,
    fields: &'static [(&'static str, Kinds)],
}

macro_rules! formats {
    ($($name:literal: $lead:literal $lead_kinds:expr $(, $field:literal $kinds:expr)*;)+) => {
        /// From the special to the general: the first that fits names the record.
        const FORMATS: &[Format] = &[
            $(Format { name: $name, fields: &[($lead, $lead_kinds) $(, ($field, $kinds))*] },)+
        ];

        /// Whether some format is led by a field of this name.
        fn leads(name: &str) -> bool {
            #[allow(unreachable_patterns, reason = "formats may share their leading field")]
            match name {
                $($lead)|+ => true,
                _ => false,
            }
        }
    };
}

formats! {
    "CloudEvents": "specversion" TEXT, "id" TEXT, "source" TEXT, "type" TEXT;
    "TiCDC canal-json": "isDdl" BOOL, "_tidb" OBJECT, "database" TEXT, "table" TEXT, "type" TEXT;
    "Canal": "isDdl" BOOL, "database" TEXT, "table" TEXT, "type" TEXT;
    "TiCDC simple protocol": "commitTs" NUMBER, "buildTs" NUMBER, "type" TEXT;
    "Maxwell": "database" TEXT, "table" TEXT, "type" TEXT, "ts" NUMBER, "data" OBJECT;
    "TiCDC Debezium protocol": "payload" OBJECT, "schema" OBJECT;
    "OpenCDC": "operation" TEXT, "position" ANY, "metadata" OBJECT, "payload" OBJECT;
    "AWS DMS": "metadata" OBJECT, "data" OBJECT | NULL;
    "AWS DMS": "metadata" OBJECT, "control" OBJECT;
    "Oracle GoldenGate": "op_type" TEXT, "op_ts" TEXT, "pos" TEXT | NUMBER;
    "Airbyte": "record" OBJECT, "type" TEXT;
    "Airbyte": "_airbyte_data" ANY;
    "Airbyte": "_airbyte_raw_id" TEXT;
    "Airbyte": "_airbyte_extracted_at" ANY;
    "Sequin": "record" OBJECT, "action" TEXT, "metadata" OBJECT;
    "wal2json": "change" ARRAY;
    "wal2json": "columns" ARRAY, "action" TEXT, "schema" TEXT, "table" TEXT;
    "wal2json": "identity" ARRAY, "action" TEXT, "schema" TEXT, "table" TEXT;
    "Estuary Flow": "_meta" OBJECT;
    "Qlik Replicate": "magic" TEXT, "message" OBJECT;
    "Qlik Replicate": "beforeData" OBJECT | NULL, "data" OBJECT | NULL, "headers" OBJECT;
    "DynamoDB Streams": "eventName" TEXT, "dynamodb" OBJECT;
    "MongoDB change streams": "operationType" TEXT, "ns" OBJECT;
    "SQL Server change tables": "__$operation" ANY;
    "Amazon EventBridge": "detail-type" TEXT, "detail" OBJECT, "source" TEXT;
    "Amazon SNS": "TopicArn" TEXT, "Message" TEXT;
}

/// Which fields of each format a record has, one bit a field.
#[derive(Debug)]
struct Found([u8; FORMATS.len()]);

impl Found {
    fn none() -> Self {
        Self([0; FORMATS.len()])
    }

    fn note(&mut self, name: &[u8], kinds: Kinds) {
        for (format, found) in FORMATS.iter().zip(&mut self.0) {
            for (at, (field, allowed)) in format.fields.iter().enumerate() {
                if field.as_bytes() == name && kinds & allowed != 0 {
                    *found |= 1 << at;
                }
            }
        }
    }

    /// The first format of which every field is there, and whose leading one is no column.
    fn format(&self, shape: &TableShape) -> Option<&'static str> {
        let whole = |format: &Format, found: u8| found == (1 << format.fields.len()) - 1;
        let mut formats = FORMATS.iter().zip(self.0);
        let known = formats.find(|(format, found)| {
            whole(format, *found)
                && format
                    .fields
                    .first()
                    .is_some_and(|it| !shape.declares(it.0))
        });
        known.map(|(format, _)| format.name)
    }
}

/// Whether a field that no family binds may be the leading one of a foreign format.
pub(crate) fn may_lead(name: &[u8], shape: &TableShape) -> bool {
    std::str::from_utf8(name).is_ok_and(|name| leads(name) && !shape.declares(name))
}

/// The format of the JSON object at `cursor`, if it is none of Debezium's.
#[cold]
pub(crate) fn of_object(
    mut cursor: Cursor<'_>,
    shape: &TableShape,
) -> Result<Option<&'static str>, DecodeError> {
    let mut found = Found::none();
    cursor.object(|cursor, name| {
        let kinds = match cursor.peek() {
            Some(b'{') => OBJECT,
            Some(b'[') => ARRAY,
            Some(b'"') => TEXT,
            Some(b't' | b'f') => BOOL,
            Some(b'n') => NULL,
            _ => NUMBER,
        };
        found.note(name, kinds);
        cursor.skip()
    })?;
    Ok(found.format(shape))
}

/// The format of a record type of an Avro schema.
pub(crate) fn of_schema(
    schema: &WriterSchema,
    record: &Record,
    shape: &TableShape,
) -> Option<&'static str> {
    let mut found = Found::none();
    for (name, id) in &record.fields {
        found.note(name.as_bytes(), kinds_of(schema.node(*id).0, schema));
    }
    found.format(shape)
}

fn kinds_of(node: &Node, schema: &WriterSchema) -> Kinds {
    match node {
        Node::Null => NULL,
        Node::Bool => BOOL,
        Node::Integer | Node::Float | Node::Double => NUMBER,
        Node::Bytes | Node::Text | Node::Fixed(_) | Node::Enum(_) => TEXT,
        Node::Array(_) => ARRAY,
        Node::Map(_) | Node::Record(_) => OBJECT,
        // A union does not stand in a union.
        Node::Union(branches) => branches.iter().fold(0, |kinds, id| {
            kinds
                | match schema.node(*id).0 {
                    Node::Union(_) => ANY,
                    branch => kinds_of(branch, schema),
                }
        }),
    }
}

/// The format of a value that is neither a JSON object nor Avro in Confluent framing.
#[cold]
pub(crate) fn of_text(value: &[u8]) -> Option<&'static str> {
    let text = |prefix: &[u8]| value.starts_with(prefix);
    let is_change = || value.windows(2).take(256).any(|it| it == b": ");
    (text(b"table ") && is_change()).then_some("test_decoding")
}

/// Whether a value is framed as TiCDC's open protocol does it: a length in eight bytes, then JSON.
#[cold]
pub(crate) fn is_open_protocol(value: &[u8]) -> bool {
    let Some((length, json)) = value.split_first_chunk::<8>() else {
        return false;
    };
    let length = u64::from_be_bytes(*length);
    json.first() == Some(&b'{') && usize::try_from(length).is_ok_and(|it| it <= json.len())
}

#[cfg(test)]
mod tests;
