//! A recording through the decoder: each value is certain, and then what the server prints, or unknown.

use std::collections::BTreeMap;
use std::path::PathBuf;

use freshet_core::change::Change;
use freshet_core::connector::{BigintUnsigned, Connector, DecimalMode, Setting, TimePrecision};
use freshet_core::image::Column;
use freshet_core::ports::{Origin, RawRecord};
use freshet_core::position::{StreamId, StreamPosition, WallMicros};
use freshet_core::registry::Registry;
use freshet_core::table::{ColumnKind, ColumnSlot};
use freshet_registry::at::At;
use freshet_registry::decided::column_type::column_kind;
use freshet_registry::load_files;
use freshet_registry::written::source::{
    ConnectorWritten, EngineName, IdentityName, SourceColumn, SourceFile, SourceTable, TextForm,
};
use freshet_wire::{Decoded, Decoder, Limits};
use serde_json::Value;

use crate::recorded::{CatalogColumn, PrintedRow, Record, Recorded, Variant};

/// How a recording is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reading {
    /// As it was recorded, with its schema; the source file states nothing.
    Whole,
    /// The same; the source file states everything, as `freshet source pull --connect` writes it.
    Both,
    /// JSON without a schema; the source file states the connector's settings, and which columns have a default.
    Stated,
    /// JSON without a schema; the source file states nothing.
    Silent,
}

impl Reading {
    /// Every way.
    pub(crate) const ALL: [Self; 4] = [Self::Whole, Self::Both, Self::Stated, Self::Silent];

    /// Whether the source file states the connector's settings, and which columns have a default.
    fn is_stated(self) -> bool {
        matches!(self, Self::Both | Self::Stated)
    }
}

/// What became of the values of one type.
#[derive(Debug, Default, Clone)]
pub(crate) struct Tally {
    pub(crate) certain: usize,
    pub(crate) doubtful: usize,
    pub(crate) unknown: usize,
    /// The first value that is not NULL: as it arrives, and as the server prints it.
    pub(crate) example: Option<(String, String)>,
}

/// By the column's declared type.
pub(crate) type Tallies = BTreeMap<String, Tally>;

/// The type as a source file has it.
pub(crate) fn declared(column: &CatalogColumn) -> String {
    match column.kind.as_deref() {
        Some("enum") => "enum".to_owned(),
        Some("domain") => column.base.clone().expect("a base"),
        _ => column.declared.clone(),
    }
}

fn engine(name: &str) -> EngineName {
    match name {
        "postgres" => EngineName::Postgres,
        _ => EngineName::Mariadb,
    }
}

/// The `connector:` block that states these settings.
fn stated(engine: &str, variant: &Variant) -> ConnectorWritten {
    let setting = |name: &str, default: &str| {
        let found = variant.settings.get(name).map(String::as_str);
        found.unwrap_or(default).to_owned()
    };
    let time = match engine {
        "postgres" => "adaptive",
        _ => "adaptive_time_microseconds",
    };
    ConnectorWritten {
        time_precision: TimePrecision::named(&setting("time.precision.mode", time)),
        decimal: DecimalMode::named(&setting("decimal.handling.mode", "precise")),
        bigint_unsigned: BigintUnsigned::named(&setting("bigint.unsigned.handling.mode", "long")),
        // The setting of the JSON converter; Apicurio's Avro converter does not know it.
        keeps_nulls: Some(
            variant.form != "avro"
                && setting("value.converter.replace.null.with.default", "true") == "false",
        ),
        ..ConnectorWritten::default()
    }
}

/// A registry with one family that binds every column that can be bound.
fn registry(recorded: &Recorded, variant: &str, reading: Reading) -> Registry {
    let connector = match reading.is_stated() {
        true => stated(recorded.engine, &recorded.variants[variant]),
        false => ConnectorWritten::default(),
    };
    let engine = engine(recorded.engine);
    let prefix = variant.replace('-', "_");
    let schema = match engine {
        EngineName::Postgres => "public",
        _ => "shop",
    };
    let mut tables: BTreeMap<&str, SourceTable> = BTreeMap::new();
    let mut families = String::from(FAMILY);
    let mut bound: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for column in &recorded.columns {
        let name = format!("{prefix}.{schema}.{}", column.table);
        let table = tables.entry(&column.table).or_insert_with(|| SourceTable {
            table: At::nowhere(name.clone()),
            topic: None,
            optional: false,
            replica_identity: IdentityName::Full,
            primary_key: vec![At::nowhere("id".to_owned())],
            columns: Vec::new(),
            foreign_keys: Vec::new(),
        });
        let kind = declared(column);
        let written = SourceColumn {
            default: reading.is_stated().then_some(column.default.is_some()),
            text: kind.starts_with("tinyint(1)").then_some(TextForm::Integer),
            ..SourceColumn::new(&column.column, &kind, column.nullable)
        };
        if column_kind(engine, &Connector::default(), &written) != ColumnKind::Opaque {
            bound.entry(name).or_default().push(column.column.clone());
        }
        table.columns.push(written);
    }
    let all = bound
        .values()
        .flatten()
        .collect::<std::collections::BTreeSet<_>>();
    families.push_str(&format!(
        "redis: {{ target: main, keys: [{}] }}\nsources:\n",
        templates(all.iter().map(|column| column.as_str()))
    ));
    for (table, columns) in &bound {
        let each = all.iter().map(|it| match columns.contains(it) {
            true => format!("{it}: {it}"),
            false => format!("{it}: [none]"),
        });
        let each: Vec<String> = each.collect();
        families.push_str(&format!(
            "  - table: {table}\n    bind: {{ {} }}\n",
            each.join(", ")
        ));
    }
    let file = SourceFile {
        database: At::nowhere(prefix),
        engine,
        connector,
        tables: tables.into_values().collect(),
    };
    let files = vec![
        (PathBuf::from("sources/s.yaml"), file.to_yaml()),
        (PathBuf::from("families/f.yaml"), families),
    ];
    load_files(files)
        .unwrap_or_else(|found| panic!("{}", found.render()))
        .registry
}

/// Templates that have each column once, each as many as one may have.
fn templates<'a>(columns: impl Iterator<Item = &'a str>) -> String {
    let places: Vec<String> = columns.map(|column| format!("{{{column}}}")).collect();
    let parts = places.chunks(32).zip(0..);
    let keys = parts.map(|(places, part)| format!("\"t:v1:part{part}:{}\"", places.join(":")));
    keys.collect::<Vec<_>>().join(", ")
}

const FAMILY: &str = "family: t.x
schema_version: 1
owner: { team: t }
lifecycle: active
freshness: { class: strict, within: 2s, objective: 99.9%, window: 28d }
max_ttl: 1h
";

/// Reads a recording. Faults are values that are taken for certain and are not what the server prints.
pub(crate) fn read(recorded: &Recorded, variant: &str, reading: Reading) -> (Tallies, Vec<String>) {
    let registry = registry(recorded, variant, reading);
    let mut decoder = Decoder::new(Limits::default());
    let (mut tallies, mut faults) = (Tallies::new(), Vec::new());
    let schemas = match recorded.variants[variant].form.as_str() {
        "avro" => recorded.schemas(variant),
        _ => BTreeMap::new(),
    };
    for record in recorded.records(variant) {
        let value = match (reading, &record.payload) {
            (Reading::Stated | Reading::Silent, Some(payload)) => payload.clone().into_bytes(),
            _ => record.value.clone(),
        };
        let mut change = Change::default();
        let raw = raw(&record, &value);
        let decoded = loop {
            match decoder.decode(&raw, &registry, &mut change) {
                Ok(Decoded::SchemaWanted { id }) => {
                    decoder
                        .add_writer_schema(id, &schemas[&id])
                        .expect("a schema");
                }
                decoded => break decoded,
            }
        };
        assert_eq!(decoded, Ok(Decoded::Change), "{}", record.topic);
        let told = Told {
            recorded,
            registry: &registry,
            change: &change,
            record: &record,
        };
        told.compare(&mut tallies, &mut faults);
    }
    (tallies, faults)
}

fn raw<'a>(record: &'a Record, value: &'a [u8]) -> RawRecord<'a> {
    RawRecord {
        position: StreamPosition {
            stream: StreamId(0),
            ordinal: 0,
        },
        origin: Origin {
            topic: &record.topic,
            partition: 0,
            offset: 0,
        },
        key: Some(&record.key),
        value: Some(value),
        appended: WallMicros(0),
    }
}

/// A decoded row beside what is printed.
struct Told<'a> {
    recorded: &'a Recorded,
    registry: &'a Registry,
    change: &'a Change,
    record: &'a Record,
}

impl Told<'_> {
    fn compare(&self, tallies: &mut Tallies, faults: &mut Vec<String>) {
        let shape = &self
            .registry
            .table(self.change.table)
            .expect("its table")
            .shape;
        let slot_of = |name: &str| {
            let at = shape.columns.iter().position(|it| &*it.name == name)?;
            Some(ColumnSlot(u16::try_from(at).expect("few")))
        };
        let id = slot_of("id").expect("an id");
        let Column::Known(id) = self.change.after.column(id) else {
            panic!("a row without id");
        };
        let table = shape.name.rsplit('.').next().expect("a table");
        let mut rows = self.recorded.rows.iter();
        let row = rows
            .find(|row| row.table == table && row.id == id)
            .unwrap_or_else(|| panic!("nothing is printed for {table} {id}"));
        let after = self.payload();
        for column in self.recorded.columns.iter().filter(|it| it.table == table) {
            let printed = printed(row, column);
            let tally = tallies.entry(declared(column)).or_default();
            if let (Some(printed), None) = (&printed, &tally.example) {
                let arrives = after.as_ref().map(|it| it[&column.column].to_string());
                tally.example = Some((arrives.unwrap_or_default(), printed.clone()));
            }
            let Some(slot) = slot_of(&column.column) else {
                tally.unknown += 1;
                continue;
            };
            let proves = self.change.after.proven(slot) != Column::Unknown;
            let told = match self.change.after.column(slot) {
                Column::Unknown => {
                    tally.unknown += 1;
                    continue;
                }
                Column::Null => None,
                Column::Known(text) => Some(text.to_owned()),
            };
            match proves {
                true => tally.certain += 1,
                false => tally.doubtful += 1,
            }
            // A value that may be NULL proves nothing; its name is purged beside what NULL asks for, which is nothing.
            if told != printed && (proves || printed.is_some()) {
                faults.push(format!(
                    "{table}.{} ({}) of row {id}: {told:?}, printed: {printed:?}",
                    column.column,
                    declared(column)
                ));
            }
        }
    }

    /// The row as JSON has it.
    fn payload(&self) -> Option<Value> {
        let payload: Value = serde_json::from_str(self.record.payload.as_deref()?).expect("JSON");
        Some(payload["after"].clone())
    }
}

/// What readers see: a boolean as `true`, as its cast has it.
fn printed(row: &PrintedRow, column: &CatalogColumn) -> Option<String> {
    let cast = row
        .cast
        .get(&column.column)
        .filter(|_| column.declared == "boolean");
    let text = cast.or_else(|| row.printed.get(&column.column));
    text.cloned().flatten()
}
