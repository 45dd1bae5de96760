//! Pieces of a registry that memory ports are driven with.
#![allow(dead_code, unreachable_pub, reason = "each program uses its part")]

use std::sync::Arc;
use std::time::Duration;

use freshet_core::ports::{WriterSchemaError, WriterSchemas};
use freshet_core::registry::{
    Binding, Family, FamilyId, Freshness, FreshnessClass, LetterPolicy, OnSnapshot, OnTruncate,
    Place, Registry, RegistryRevision, Table, TargetId,
};
use freshet_core::table::{
    ColumnKind, ColumnShape, ColumnSlot, Engine, ReplicaIdentity, TableId, TableShape,
};
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

/// A registry with a table and a family for each of these topics: rows have an `id`, entries are `shop:v1:<id>`.
pub fn registry_of(topics: &[&str]) -> Registry {
    let table = |(at, topic): (usize, &&str)| Table {
        shape: TableShape {
            id: TableId(at as u32),
            name: Arc::from(*topic),
            topic: Arc::from(*topic),
            engine: Engine::Postgres,
            identity: ReplicaIdentity::Full,
            connector: Arc::default(),
            columns: vec![column("id", true)],
            declared: Arc::default(),
        },
        bindings: vec![Binding {
            family: FamilyId(at as u32),
            when_changed: Vec::new(),
            names: vec![Arc::from([template(NameForm::RedisKey, b"shop:v1:", 0)])],
            version_column: None,
        }],
    };
    let families = topics.iter().map(|topic| family(topic, b"shop:v1:"));
    let families = families.collect();
    let revision = RegistryRevision {
        sequence: 1,
        content_hash: Arc::from("none"),
    };
    let tables = topics.iter().enumerate().map(table).collect();
    Registry::new(revision, families, tables, Vec::new())
}

/// No schema registry.
pub struct NoSchemas;

impl WriterSchemas for NoSchemas {
    fn fetch(&self, id: u32) -> Result<String, WriterSchemaError> {
        Err(WriterSchemaError::NotConfigured { id })
    }
}
