//! `{"schema":…,"payload":…}`: the schema is most of the bytes and the same from record to record. It is read
//! once and then recognised by comparing bytes.

use freshet_core::table::{ColumnShape, ColumnSlot, TableShape};
use serde_json::Value;

use super::cursor::Cursor;
use super::tree;
use crate::column_text::BoundColumn;
use crate::error::DecodeError;
use crate::field_schema::{FieldSchema, Nulls};
use crate::limits::Limits;
use crate::scalar::{Encoding, Scalar};
use crate::schema_default::SchemaDefault;

/// Schemas of one topic that alternate (old and new while a table changes) without being read again.
const PREFIXES_MAX: usize = 4;

/// A schema that was read: the bytes in front of the payload, and what they say of the bound columns.
#[derive(Debug, Clone, Default)]
pub(crate) struct SchemaPrefix {
    bytes: Box<[u8]>,
    /// One for each bound column.
    pub(crate) columns: Vec<BoundColumn>,
}

/// The schemas last seen in one topic.
#[derive(Debug, Clone, Default)]
pub(crate) struct SchemaPrefixes {
    /// The one last used comes first.
    known: Vec<SchemaPrefix>,
    /// Too long to be remembered.
    oversized: SchemaPrefix,
}

impl SchemaPrefixes {
    /// Where the payload begins and what the schema says, if the record has one.
    pub(crate) fn open(
        &mut self,
        record: &[u8],
        shape: &TableShape,
        limits: &Limits,
    ) -> Result<Option<(usize, &[BoundColumn])>, DecodeError> {
        let hit = self
            .known
            .iter()
            .position(|prefix| record.starts_with(&prefix.bytes));
        if let Some(at) = hit {
            self.known.swap(0, at);
        } else {
            let Some((schema, start)) = split(record, limits)? else {
                return Ok(None);
            };
            let prefix = SchemaPrefix {
                bytes: record.get(..start).unwrap_or_default().into(),
                columns: columns(schema, shape)?,
            };
            if start > limits.schema_prefix_bytes_max {
                self.oversized = prefix;
                return Ok(Some((start, &self.oversized.columns)));
            }
            self.known.truncate(PREFIXES_MAX - 1);
            self.known.insert(0, prefix);
        }
        let first = self.known.first();
        Ok(first.map(|prefix| (prefix.bytes.len(), prefix.columns.as_slice())))
    }
}

/// The schema's bytes and where the payload begins. None when the record has no schema: then `schema` is no
/// structure, or not the first of the two names.
fn split<'a>(record: &'a [u8], limits: &Limits) -> Result<Option<(&'a [u8], usize)>, DecodeError> {
    let mut cursor = Cursor::new(record, limits.depth_max);
    if cursor.peek() != Some(b'{') {
        return Ok(None);
    }
    cursor = cursor.clone().starting_at(cursor.position() + 1, 1);
    if cursor.peek() != Some(b'"') || cursor.name()?.0 != b"schema" {
        return Ok(None);
    }
    if !matches!(cursor.peek(), Some(b'{' | b'n')) {
        return Ok(None);
    }
    let from = cursor.position();
    cursor.skip()?;
    let schema = record.get(from..cursor.position()).unwrap_or_default();
    if cursor.peek() != Some(b',') {
        return Ok(None);
    }
    cursor.demand(b',', "expected ,")?;
    if cursor.name()?.0 != b"payload" {
        return Ok(None);
    }
    let start = cursor.position();
    let wrapped = matches!(cursor.peek(), Some(b'{' | b'n'));
    Ok(wrapped.then_some((schema, start)))
}

/// What a Connect schema says of each bound column. The row's columns are the fields of `after`, or of the
/// record itself in the flattened form and in keys.
fn columns(schema: &[u8], shape: &TableShape) -> Result<Vec<BoundColumn>, DecodeError> {
    let schema = tree::parse(schema).ok_or(DecodeError::BadJson {
        at: 0,
        what: "the schema is not JSON, or has too many parts",
    })?;
    if schema.is_null() {
        return Ok(Vec::new());
    }
    let row = [field(&schema, "after"), field(&schema, "before")]
        .into_iter()
        .flatten()
        .find(|part| part.get("fields").is_some())
        .unwrap_or(&schema);
    let connector = &*shape.connector;
    let field_of = |column: &ColumnShape| {
        let Some(field) = field(row, &column.name) else {
            return FieldSchema {
                encoding: Encoding::Plain,
                nulls: Nulls::Kept,
            };
        };
        let number = field.get("default").map(Value::to_string);
        let default = default(field, number.as_deref().unwrap_or_default());
        default.field(column, connector, encoding(field))
    };
    let columns = (0..).map(ColumnSlot).zip(&shape.columns);
    Ok(columns
        .map(|(slot, column)| BoundColumn::of(slot, column, connector, field_of(column)))
        .collect())
}

fn field<'v>(schema: &'v Value, name: &str) -> Option<&'v Value> {
    let fields = schema.get("fields")?.as_array()?;
    fields
        .iter()
        .find(|field| field.get("field").and_then(Value::as_str) == Some(name))
}

/// The default of a field. `written` is the default as JSON spells it.
fn default<'v>(field: &'v Value, written: &'v str) -> SchemaDefault<'v> {
    let optional = field.get("optional").and_then(Value::as_bool) == Some(true);
    let value = match field.get("default") {
        None | Some(Value::Null) => return SchemaDefault::None,
        Some(Value::Bool(value)) => Scalar::Bool(*value),
        Some(Value::Number(_)) => Scalar::Number(written),
        Some(Value::String(text)) => Scalar::Text(text),
        Some(Value::Array(_) | Value::Object(_)) => Scalar::Opaque,
    };
    match optional {
        true => SchemaDefault::Value(value),
        false => SchemaDefault::OfNotNull(value),
    }
}

fn encoding(column: &Value) -> Encoding {
    let parameter = |name: &str| column.get("parameters")?.get(name);
    if let Some(encoding) = Encoding::of_connect_parameters(|name| parameter(name).is_some()) {
        return encoding;
    }
    let scale = parameter("scale")
        .and_then(Value::as_str)
        .and_then(|scale| scale.parse().ok());
    let encoding = match column.get("name").and_then(Value::as_str) {
        Some(name) => Encoding::of_connect_name(name, scale),
        None => Encoding::Plain,
    };
    let is_bytes = column.get("type").and_then(Value::as_str) == Some("bytes");
    match encoding {
        // They stand in base64, which looks like a text.
        Encoding::Plain if is_bytes => Encoding::Other,
        encoding => encoding,
    }
}

#[cfg(test)]
mod tests;
