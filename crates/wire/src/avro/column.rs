//! The fields of a writer schema that are bound columns.

use freshet_core::table::ColumnSlot;
use serde_json::Value;

use super::read::Read;
use super::schema::{Node, Record, WriterSchema};
use crate::column_text::BoundColumn;
use crate::row_rules::RowRules;
use crate::scalar::Scalar;
use crate::schema_default::SchemaDefault;

/// The bound column that a field is, with what the schema says of it.
pub(super) fn column_of(
    schema: &WriterSchema,
    record: &Record,
    rules: RowRules<'_>,
    name: &[u8],
) -> Option<BoundColumn> {
    let slot = u16::try_from(rules.place(name)?).ok()?;
    let column = rules.shape.columns.get(usize::from(slot))?;
    let mut fields = record.fields.iter();
    let (_, id) = fields.find(|(field, _)| field.as_bytes() == name)?;
    let mut defaults = record.defaults.iter();
    let default = defaults.find(|(field, _)| field.as_bytes() == name);
    let mut bytes = Vec::new();
    let default = match (schema.optional(*id), default) {
        (Some((_, value)), Some((_, default))) => {
            SchemaDefault::Value(default_value(schema.node(value).0, default, &mut bytes))
        }
        (None, Some((_, default))) => {
            SchemaDefault::OfNotNull(default_value(schema.node(*id).0, default, &mut bytes))
        }
        (_, None) => SchemaDefault::None,
    };
    let connector = &*rules.shape.connector;
    let encoding = Read::of(schema, *id).encoding;
    let field = default.field(column, connector, encoding);
    Some(BoundColumn::of(ColumnSlot(slot), column, connector, field))
}

/// A default as JSON writes it, read as the type that it is of; opaque where that is not certain.
fn default_value<'a>(node: &Node, default: &'a Value, bytes: &'a mut Vec<u8>) -> Scalar<'a> {
    match (node, default) {
        (Node::Bool, Value::Bool(value)) => Scalar::Bool(*value),
        (Node::Integer, Value::Number(number)) => {
            number.as_i64().map_or(Scalar::Opaque, Scalar::Integer)
        }
        (Node::Float | Node::Double, Value::Number(number)) => {
            number.as_f64().map_or(Scalar::Opaque, Scalar::Real)
        }
        (Node::Text | Node::Enum(_), Value::String(text)) => Scalar::Text(text),
        // One character for each byte.
        (Node::Bytes, Value::String(text)) => {
            let each: Result<Vec<u8>, _> = text.chars().map(u8::try_from).collect();
            match each {
                Ok(each) => {
                    *bytes = each;
                    Scalar::Bytes(bytes)
                }
                Err(_) => Scalar::Opaque,
            }
        }
        _ => Scalar::Opaque,
    }
}
