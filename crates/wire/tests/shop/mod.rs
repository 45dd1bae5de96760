//! The shop's tables as a registry, built by hand, and readable texts of what records decode to.

#![allow(dead_code, reason = "each test binary uses its own part")]

pub(crate) mod recording;
pub(crate) mod stand;

use std::fmt::Write as _;
use std::sync::Arc;

use freshet_core::change::Change;
use freshet_core::image::{Column, Image};
use freshet_core::ports::{Origin, RawRecord};
use freshet_core::position::{StreamId, StreamPosition, WallMicros};
use freshet_core::registry::{Binding, FamilyId, Registry, RegistryRevision, Table};
use freshet_core::table::{
    ColumnKind, ColumnShape, ColumnSlot, Engine, ReplicaIdentity, TableId, TableShape,
};
use freshet_wire::Decoded;

/// The columns of `items`, all bound.
pub(crate) const ITEMS: &[(&str, ColumnKind)] = &[
    ("id", ColumnKind::BIGINT),
    ("category_id", ColumnKind::BIGINT),
    ("tenant", ColumnKind::BIGINT),
    ("name", ColumnKind::TEXT),
    ("price", ColumnKind::Decimal { scale: Some(2) }),
    ("description", ColumnKind::TEXT),
    ("sku", ColumnKind::Uuid),
    ("active", ColumnKind::Bool),
    ("updated_at", ColumnKind::TIMESTAMPTZ),
    ("released", ColumnKind::DATE),
];

/// The columns of `notes`, all bound.
pub(crate) const NOTES: &[(&str, ColumnKind)] = &[
    ("id", ColumnKind::BIGINT),
    ("item_id", ColumnKind::BIGINT),
    ("tenant", ColumnKind::BIGINT),
    ("body", ColumnKind::TEXT),
];

/// One table of which a family binds `columns`; `id` is its key.
pub(crate) fn table(
    topic: &str,
    engine: Engine,
    identity: ReplicaIdentity,
    columns: &[(&str, ColumnKind)],
) -> Table {
    let columns = columns
        .iter()
        .map(|(name, kind)| ColumnShape::new(name, *kind, *name == "id"));
    Table {
        shape: TableShape {
            id: TableId(0),
            name: Arc::from(topic),
            topic: Arc::from(topic),
            engine,
            identity,
            connector: Arc::default(),
            columns: columns.collect(),
            declared: Arc::default(),
        },
        bindings: vec![Binding {
            family: FamilyId(0),
            when_changed: Vec::new(),
            names: Vec::new(),
            version_column: None,
        }],
    }
}

/// A registry of these tables.
pub(crate) fn registry(sequence: u64, tables: Vec<Table>) -> Registry {
    let revision = RegistryRevision {
        sequence,
        content_hash: Arc::from("0123456789abcdef"),
    };
    let number = |(at, mut table): (usize, Table)| {
        table.shape.id = TableId(at as u32);
        table
    };
    let tables = tables.into_iter().enumerate().map(number).collect();
    Registry::new(revision, Vec::new(), tables, Vec::new())
}

/// The shop as Postgres has it, and as MariaDB has it.
pub(crate) fn shop() -> Registry {
    use Engine::{MySql, Postgres};
    use ReplicaIdentity::{Default, Full};
    registry(
        1,
        vec![
            table("shop.public.items", Postgres, Full, ITEMS),
            table("shop.public.notes", Postgres, Default, NOTES),
            table("shop.shop.items", MySql, Full, ITEMS),
            table("shop.shop.notes", MySql, Full, NOTES),
        ],
    )
}

/// A record of `topic`.
pub(crate) fn record<'a>(
    topic: &'a str,
    key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
) -> RawRecord<'a> {
    RawRecord {
        position: StreamPosition {
            stream: StreamId(0),
            ordinal: 0,
        },
        origin: Origin {
            topic,
            partition: 0,
            offset: 0,
        },
        key,
        value,
        appended: WallMicros(0),
    }
}

/// The same record at a place of its own.
pub(crate) fn at(mut record: RawRecord<'_>, partition: i32, offset: i64) -> RawRecord<'_> {
    (record.origin.partition, record.origin.offset) = (partition, offset);
    record
}

/// The images in words: `after id=1 name=Kettle description=? sku=NULL`.
pub(crate) fn images(registry: &Registry, change: &Change) -> String {
    let mut text = String::new();
    for (side, image) in [("before", &change.before), ("after", &change.after)] {
        if image.is_present() {
            text.push_str(side);
            push_image(&mut text, registry, change.table, image);
        }
    }
    text.trim_end().to_owned()
}

fn push_image(text: &mut String, registry: &Registry, table: TableId, image: &Image) {
    let table = registry.table(table).expect("the change's table");
    for (at, column) in table.shape.columns.iter().enumerate() {
        write!(text, " {}=", column.name).expect("writing to a string");
        match image.column(ColumnSlot(at as u16)) {
            Column::Unknown => text.push('?'),
            Column::Null => text.push_str("NULL"),
            Column::Known(value) if value.len() > 60 => {
                write!(text, "<{} bytes>", value.len()).expect("writing to a string");
            }
            Column::Known(value) => write!(text, "{value:?}").expect("writing to a string"),
        }
    }
    text.push(' ');
}

/// What a record came to, in one line.
pub(crate) fn outcome(registry: &Registry, decoded: Decoded, change: &Change) -> String {
    if decoded != Decoded::Change {
        return format!("{decoded:?}");
    }
    let (commit, event) = (change.version.0 >> 64, change.version.0 as u64);
    format!(
        "{:?} version={commit:x}/{event:x} committed={}us±{} captured={}us{} {}",
        change.op,
        change.committed.at.0,
        change.committed.resolution_us,
        change.captured.0,
        if change.identity_drift { " drift" } else { "" },
        images(registry, change),
    )
}

/// Bytes of standard base64.
pub(crate) fn base64(text: &str) -> Vec<u8> {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bytes = Vec::new();
    let (mut bits, mut count) = (0u32, 0);
    for byte in text.bytes().filter(|byte| *byte != b'=') {
        let digit = alphabet.iter().position(|digit| *digit == byte);
        bits = (bits << 6) | digit.expect("base64") as u32;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    bytes
}
