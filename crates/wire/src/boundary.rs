//! Records of a transaction topic: where a transaction begins, and where it ends with how many changes.

use freshet_core::ports::RawRecord;
use freshet_core::transaction::{Boundary, TransactionId};
use serde_json::Value;

use crate::avro::bytes::Bad;
use crate::avro::cache::SchemaCache;
use crate::avro::datum::{Bounds, Datum};
use crate::avro::schema::{Node, NodeId};
use crate::avro::unframe;
use crate::error::DecodeError;
use crate::json::tree;
use crate::limits::Limits;

/// What a record of a transaction topic came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BoundaryRead {
    /// A transaction begins or ends.
    Boundary(Boundary),
    /// No value: left over from compaction.
    Nothing,
    /// The Avro writer schema `id` is not at hand: give it to
    /// [`Decoder::add_writer_schema`](crate::Decoder::add_writer_schema) and read the record again.
    SchemaWanted {
        /// The schema's id.
        id: u32,
    },
}

/// Tables of one transaction. A record that names more is no boundary.
const TABLES_MAX: usize = 1 << 16;

const NEITHER: DecodeError = DecodeError::BadEnvelope {
    what: "neither the begin nor the end of a transaction",
};

/// What stands in the record.
#[derive(Debug, Default)]
struct Written {
    status: String,
    id: String,
    counts: Vec<(String, u64)>,
}

/// Reads a record.
pub(crate) fn read(
    record: &RawRecord<'_>,
    limits: &Limits,
    schemas: &mut SchemaCache,
) -> Result<BoundaryRead, DecodeError> {
    let Some(value) = record.value else {
        return Ok(BoundaryRead::Nothing);
    };
    if value.len() > limits.value_bytes_max {
        return Err(DecodeError::TooLarge {
            bytes: value.len(),
            bytes_max: limits.value_bytes_max,
        });
    }
    let written = if value.first() == Some(&0) {
        let (id, bytes) = unframe(value)?;
        let Some(compiled) = schemas.get(id)? else {
            return Ok(BoundaryRead::SchemaWanted { id });
        };
        let schema = &compiled.schema;
        let mut datum = Datum::new(schema, id, bytes, Bounds::of(limits));
        let read = read_avro(&mut datum, schema.root());
        read.map_err(|bad| datum.explain(bad))?.ok_or(NEITHER)?
    } else {
        read_json(value)?
    };
    let counts = match written.status.as_str() {
        "BEGIN" => None,
        "END" => Some(written.counts),
        _ => return Err(NEITHER),
    };
    Ok(BoundaryRead::Boundary(Boundary {
        transaction: TransactionId::of(&written.id),
        text: written.id,
        counts,
    }))
}

/// There is one such record for a whole transaction, so a tree of it costs nothing that counts.
fn read_json(value: &[u8]) -> Result<Written, DecodeError> {
    let value = tree::parse(value).ok_or(NEITHER)?;
    let payload = value.get("payload").unwrap_or(&value);
    let text = |of: &Value, name: &str| of.get(name).and_then(Value::as_str).map(str::to_owned);
    let count_of = |it: &Value| {
        let count = it.get("event_count").and_then(Value::as_u64)?;
        Some((text(it, "data_collection")?, count))
    };
    let counts = match payload.get("data_collections").and_then(Value::as_array) {
        Some(collections) => collections.iter().map(count_of).collect(),
        None => Some(Vec::new()),
    };
    Ok(Written {
        status: text(payload, "status").ok_or(NEITHER)?,
        id: text(payload, "id").ok_or(NEITHER)?,
        counts: counts.ok_or(NEITHER)?,
    })
}

/// None when it is neither a begin nor an end.
fn read_avro(datum: &mut Datum<'_>, root: NodeId) -> Result<Option<Written>, Bad> {
    let mut written = Written::default();
    let id = datum.branch(root)?;
    let Node::Record(record) = datum.node(id) else {
        return Ok(None);
    };
    for (name, id) in &record.fields {
        let read = match &**name {
            "status" => text_of(datum, *id)?.map(|it| written.status = it),
            "id" => text_of(datum, *id)?.map(|it| written.id = it),
            "data_collections" => counts_of(datum, *id)?.map(|it| written.counts = it),
            _ => Some(datum.skip(*id)?),
        };
        if read.is_none() {
            return Ok(None);
        }
    }
    datum.end()?;
    Ok(Some(written))
}

fn text_of(datum: &mut Datum<'_>, id: NodeId) -> Result<Option<String>, Bad> {
    Ok(datum.scalar(id)?.0.as_text().map(str::to_owned))
}

fn counts_of(datum: &mut Datum<'_>, id: NodeId) -> Result<Option<Vec<(String, u64)>>, Bad> {
    let id = datum.branch(id)?;
    let item = match datum.node(id) {
        Node::Null => return Ok(Some(Vec::new())),
        Node::Array(item) => *item,
        _ => return Ok(None),
    };
    let mut counts = Some(Vec::new());
    datum.items(|datum| {
        let id = datum.branch(item)?;
        let Node::Record(record) = datum.node(id) else {
            counts = None;
            return datum.skip(id);
        };
        let (mut collection, mut count) = (None, None);
        for (name, id) in &record.fields {
            match &**name {
                "data_collection" => collection = text_of(datum, *id)?,
                "event_count" => count = datum.scalar(*id)?.0.as_u64(),
                _ => datum.skip(*id)?,
            }
        }
        match (collection.zip(count), &mut counts) {
            (Some(one), Some(counts)) if counts.len() < TABLES_MAX => counts.push(one),
            _ => counts = None,
        }
        Ok(())
    })?;
    Ok(counts)
}
