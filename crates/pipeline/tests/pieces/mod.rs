//! Pieces of a registry that memory ports are driven with.
#![allow(dead_code, unreachable_pub, reason = "each program uses its part")]

use std::sync::Arc;
use std::time::Duration;

use freshet_core::ports::{WriterSchemaError, WriterSchemas};
use freshet_core::registry::{
    Family, Freshness, FreshnessClass, LetterPolicy, OnSnapshot, OnTruncate, Place, TargetId,
};
use freshet_core::table::{ColumnKind, ColumnShape, ColumnSlot};
use freshet_core::template::{Fold, NameForm, Segment, Template};

/// A whole number.
pub fn column(name: &str, in_key: bool) -> ColumnShape {
    ColumnShape::new(name, ColumnKind::BIGINT, in_key)
}

/// A text and a column behind it.
pub fn template(form: NameForm, literal: &[u8], slot: u16) -> Template {
    Template {
        form,
        segments: vec![
            Segment::Literal(literal.into()),
            Segment::Column(ColumnSlot(slot), Fold::NONE),
        ],
    }
}

/// A family at the first target, a Redis, whose entries begin with `prefix`.
pub fn family(name: &str, prefix: &[u8]) -> Family {
    Family {
        name: Arc::from(name),
        owner: Arc::from("catalog"),
        freshness: Freshness {
            class: FreshnessClass::Strict,
            within: Duration::from_secs(1),
            objective: 0.999,
            window: Duration::from_secs(3600),
        },
        max_ttl: Duration::from_secs(3600),
        places: vec![Place::of_keys(
            TargetId(0),
            [[prefix, b"*"].concat().into()],
        )],
        fan_out_max: 64,
        on_truncate: OnTruncate::Family,
        on_snapshot: OnSnapshot::Ignore,
        dead_letters: LetterPolicy::None,
        entry_version: None,
        beacon: None,
    }
}

/// No schema registry.
pub struct NoSchemas;

impl WriterSchemas for NoSchemas {
    fn fetch(&self, id: u32) -> Result<String, WriterSchemaError> {
        Err(WriterSchemaError::NotConfigured { id })
    }
}
