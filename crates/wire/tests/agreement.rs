//! The forms agree with each other, and the compiled Avro plans agree with the reference decoder.

mod shop;

use std::collections::HashMap;
use std::sync::Arc;

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value as Avro;
use apache_avro::writer::datum::GenericDatumWriter;
use freshet_core::change::Change;
use freshet_core::connector::{Connector, TimePrecision};
use freshet_core::image::Column;
use freshet_core::registry::Registry;
use freshet_core::table::{ColumnKind, ColumnSlot, Engine, ReplicaIdentity};
use freshet_wire::{Decoded, Decoder, Limits};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

const TOPIC: &str = "t.public.things";

const COLUMNS: &[(&str, ColumnKind)] = &[
    ("id", ColumnKind::BIGINT),
    ("name", ColumnKind::TEXT),
    ("price", ColumnKind::Decimal { scale: Some(2) }),
    ("free", ColumnKind::Decimal { scale: None }),
    ("active", ColumnKind::Bool),
    ("day", ColumnKind::DATE),
    ("moment", ColumnKind::TIMESTAMP),
    ("zoned", ColumnKind::TIMESTAMPTZ),
];

fn registry(columns: &[(&str, ColumnKind)]) -> Registry {
    let mut table = shop::table(TOPIC, Engine::Postgres, ReplicaIdentity::Full, columns);
    // Without a schema a number is a moment of any year only when its unit is stated.
    table.shape.connector = Arc::new(Connector {
        time_precision: Some(TimePrecision::Adaptive),
        ..Connector::default()
    });
    shop::registry(1, vec![table])
}

/// Decodes one record with schema 1 at hand, into words.
fn decode(registry: &Registry, schema: Option<&str>, value: &[u8]) -> String {
    let mut decoder = Decoder::new(Limits::default());
    if let Some(schema) = schema {
        decoder.add_writer_schema(1, schema).expect("it compiles");
    }
    let mut change = Change::default();
    let record = shop::record(TOPIC, None, Some(value));
    let decoded = decoder.decode(&record, registry, &mut change);
    shop::outcome(registry, decoded.expect("it decodes"), &change)
}

fn framed(datum: &[u8]) -> Vec<u8> {
    [&[0, 0, 0, 0, 1], datum].concat()
}

#[derive(Debug, Clone)]
struct Row {
    id: i64,
    name: Option<String>,
    price: Option<i64>,
    free: Option<(i64, i32)>,
    active: Option<bool>,
    day: Option<i32>,
    moment: Option<i64>,
    zoned: Option<i64>,
}

fn any_row() -> impl Strategy<Value = Row> {
    let years_ms = -60_000_000_000_000i64..200_000_000_000_000;
    (
        any::<i64>(),
        any::<Option<String>>(),
        any::<Option<i64>>(),
        prop::option::of((any::<i64>(), 0i32..20)),
        any::<Option<bool>>(),
        any::<Option<i32>>(),
        any::<Option<i64>>(),
        prop::option::of(years_ms),
    )
        .prop_map(|(id, name, price, free, active, day, moment, zoned)| Row {
            id,
            name,
            price,
            free,
            active,
            day,
            moment,
            zoned,
        })
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let mut word = [0; 4];
        word[1..=group.len()].copy_from_slice(group);
        let word = u32::from_be_bytes(word);
        for digit in 0..4 {
            let six = (word >> (18 - 6 * digit)) & 63;
            text.push(if digit <= group.len() {
                char::from(ALPHABET[six as usize])
            } else {
                '='
            });
        }
    }
    text
}

/// An ISO text of milliseconds, by way of the seconds of its day.
fn iso(ms: i64) -> String {
    let days = ms.div_euclid(86_400_000);
    let rest = ms.rem_euclid(86_400_000);
    let (seconds, fraction) = (rest / 1000, rest % 1000);
    format!(
        "{}T{:02}:{:02}:{:02}.{fraction:03}Z",
        date(days),
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}

/// Counts days up from 0001-01-01, independently of the code under test.
fn date(days: i64) -> String {
    let mut days = days + 719_162;
    let leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let mut year = 1;
    while days >= 365 + i64::from(leap(year)) {
        days -= 365 + i64::from(leap(year));
        year += 1;
    }
    let february = 28 + i64::from(leap(year));
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    format!("{year:04}-{month:02}-{:02}", days + 1)
}

fn row_json(row: &Row) -> Json {
    let free = row
        .free
        .map(|(unscaled, scale)| json!({"scale": scale, "value": base64(&unscaled.to_be_bytes())}));
    json!({
        "id": row.id,
        "ignored": {"nested": [1, "two", null]},
        "name": row.name,
        "price": row.price.map(|price| base64(&price.to_be_bytes())),
        "free": free,
        "active": row.active,
        "day": row.day,
        "moment": row.moment,
        "zoned": row.zoned.map(iso),
    })
}

fn connect_schema() -> Json {
    let row = |field: &str| {
        json!({"type": "struct", "optional": true, "field": field, "fields": [
            {"type": "int64", "field": "id"},
            {"type": "struct", "field": "ignored", "fields": []},
            {"type": "string", "field": "name"},
            {"type": "bytes", "name": "org.apache.kafka.connect.data.Decimal",
             "parameters": {"scale": "2"}, "field": "price"},
            {"type": "struct", "name": "io.debezium.data.VariableScaleDecimal", "field": "free"},
            {"type": "boolean", "field": "active"},
            {"type": "int32", "name": "io.debezium.time.Date", "field": "day"},
            {"type": "int64", "name": "io.debezium.time.MicroTimestamp", "field": "moment"},
            {"type": "string", "name": "io.debezium.time.ZonedTimestamp", "field": "zoned"},
        ]})
    };
    json!({"type": "struct", "name": "Envelope", "fields": [row("before"), row("after")]})
}

fn avro_schema() -> String {
    let optional = |kind: Json| json!(["null", kind]);
    json!({"type": "record", "name": "Envelope", "namespace": "t", "fields": [
        {"name": "before", "type": ["null", {"type": "record", "name": "Value", "fields": [
            {"name": "id", "type": "long"},
            {"name": "ignored", "type": {"type": "map", "values": ["null", "string"]}},
            {"name": "name", "type": optional(json!("string"))},
            {"name": "price", "type": optional(json!({"type": "bytes", "scale": 2,
                "precision": 20, "connect.name": "org.apache.kafka.connect.data.Decimal"}))},
            {"name": "free", "type": optional(json!({"type": "record", "name": "VariableScaleDecimal",
                "namespace": "io.debezium.data", "connect.name": "io.debezium.data.VariableScaleDecimal",
                "fields": [{"name": "scale", "type": "int"}, {"name": "value", "type": "bytes"}]}))},
            {"name": "active", "type": optional(json!("boolean"))},
            {"name": "day", "type": optional(json!({"type": "int",
                "connect.name": "io.debezium.time.Date"}))},
            {"name": "moment", "type": optional(json!({"type": "long",
                "connect.name": "io.debezium.time.MicroTimestamp"}))},
            {"name": "zoned", "type": optional(json!({"type": "string",
                "connect.name": "io.debezium.time.ZonedTimestamp"}))},
        ]}]},
        {"name": "after", "type": ["null", "Value"]},
        {"name": "source", "type": {"type": "record", "name": "Source", "fields": [
            {"name": "ts_us", "type": "long"}, {"name": "db", "type": "string"},
            {"name": "sequence", "type": ["null", "string"]}, {"name": "lsn", "type": ["null", "long"]},
        ]}},
        {"name": "op", "type": "string"},
        {"name": "ts_ms", "type": ["null", "long"]},
    ]})
    .to_string()
}

fn some(value: Option<Avro>) -> Avro {
    match value {
        Some(value) => Avro::Union(1, Box::new(value)),
        None => Avro::Union(0, Box::new(Avro::Null)),
    }
}

fn record(fields: Vec<(&str, Avro)>) -> Avro {
    let named = |(name, value): (&str, Avro)| (name.to_owned(), value);
    Avro::Record(fields.into_iter().map(named).collect())
}

fn row_avro(row: &Row) -> Avro {
    let bytes = |number: i64| Avro::Bytes(number.to_be_bytes().to_vec());
    let ignored = HashMap::from([("key".to_owned(), some(Some(Avro::String("x".into()))))]);
    let free = row.free.map(|(unscaled, scale)| {
        record(vec![
            ("scale", Avro::Int(scale)),
            ("value", bytes(unscaled)),
        ])
    });
    record(vec![
        ("id", Avro::Long(row.id)),
        ("ignored", Avro::Map(ignored)),
        ("name", some(row.name.clone().map(Avro::String))),
        ("price", some(row.price.map(bytes))),
        ("free", some(free)),
        ("active", some(row.active.map(Avro::Boolean))),
        ("day", some(row.day.map(Avro::Int))),
        ("moment", some(row.moment.map(Avro::Long))),
        ("zoned", some(row.zoned.map(|ms| Avro::String(iso(ms))))),
    ])
}

fn write(schema: &str, value: Avro) -> Vec<u8> {
    let schema = Schema::parse_str(schema).expect("the reference takes the schema");
    let writer = GenericDatumWriter::builder(&schema)
        .build()
        .expect("the schema resolves");
    let mut datum = Vec::new();
    writer
        .write_value(&mut datum, value)
        .expect("the value fits");
    datum
}

proptest! {
    #[test]
    fn one_change_is_the_same_in_every_form(before in any_row(), after in any_row()) {
        let registry = registry(COLUMNS);
        let envelope = json!({
            "before": row_json(&before),
            "after": row_json(&after),
            "source": {"ts_us": 1_717_156_800_123_456u64, "db": "d",
                "sequence": "[\"200\",\"300\"]", "lsn": 300},
            "op": "u",
            "ts_ms": 1_717_156_800_200u64,
        });
        let plain = decode(&registry, None, envelope.to_string().as_bytes());
        // Connect writes the schema first.
        let wrapped = format!(r#"{{"schema":{},"payload":{envelope}}}"#, connect_schema());
        prop_assert_eq!(&decode(&registry, None, wrapped.as_bytes()), &plain);
        let value = record(vec![
            ("before", some(Some(row_avro(&before)))),
            ("after", some(Some(row_avro(&after)))),
            ("source", record(vec![
                ("ts_us", Avro::Long(1_717_156_800_123_456)),
                ("db", Avro::String("d".into())),
                ("sequence", some(Some(Avro::String("[\"200\",\"300\"]".into())))),
                ("lsn", some(Some(Avro::Long(300)))),
            ])),
            ("op", Avro::String("u".into())),
            ("ts_ms", some(Some(Avro::Long(1_717_156_800_200)))),
        ]);
        let schema = avro_schema();
        let datum = framed(&write(&schema, value));
        prop_assert_eq!(&decode(&registry, Some(&schema), &datum), &plain);
    }

    /// Schemas and values of every type, nested: bound columns are what the reference decoder says, and
    /// nothing is left over.
    #[test]
    fn a_compiled_plan_reads_what_the_reference_reads(seed: u64) {
        let mut dice = Dice(seed | 1);
        let kinds: Vec<Kind> = (0..dice.below(8) + 1).map(|_| dice.kind(0)).collect();
        let mut names = 0;
        let mut fields = vec![json!({"name": "id", "type": "long"})];
        let mut values = vec![("id".to_owned(), Avro::Long(dice.next() as i64))];
        for (at, kind) in kinds.iter().enumerate() {
            fields.push(json!({"name": format!("f{at}"), "type": kind.schema(&mut names)}));
            values.push((format!("f{at}"), kind.value(&mut dice)));
        }
        let schema = json!({"type": "record", "name": "Root", "fields": fields}).to_string();
        let datum = write(&schema, Avro::Record(values));
        let parsed = Schema::parse_str(&schema).expect("the reference takes the schema");
        let reader = GenericDatumReader::builder(&parsed).build().expect("it resolves");
        let reference = reader.read_value(&mut &datum[..]).expect("the reference reads it");
        let Avro::Record(reference) = reference else { panic!("a record") };

        let names: Vec<String> = (0..kinds.len()).map(|at| format!("f{at}")).collect();
        let mut columns = vec![("id", ColumnKind::BIGINT)];
        let kind_of = kinds.iter().map(Kind::column);
        columns.extend(names.iter().map(String::as_str).zip(kind_of));
        let registry = registry(&columns);
        let mut decoder = Decoder::new(Limits::default());
        decoder.add_writer_schema(1, &schema).expect("it compiles");
        let mut change = Change::default();
        let bytes = framed(&datum);
        let answer = decoder.decode(&shop::record(TOPIC, None, Some(&bytes)), &registry, &mut change);
        prop_assert_eq!(answer, Ok(Decoded::Change));
        for (at, (name, value)) in reference.iter().enumerate() {
            let told = change.after.column(ColumnSlot(at as u16));
            let wanted = expected(columns[at].1, value);
            prop_assert_eq!(told, wanted.as_column(), "{} of {}", name, schema);
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), kind in 0u8..4) {
        let registry = registry(COLUMNS);
        let mut decoder = Decoder::new(Limits::default());
        decoder.add_writer_schema(1, &avro_schema()).expect("it compiles");
        let mut value = match kind {
            0 => framed(&[]),
            1 => b"{\"after\":{\"id\":".to_vec(),
            2 => b"{\"schema\":".to_vec(),
            _ => Vec::new(),
        };
        value.extend(&bytes);
        let record = shop::record(TOPIC, Some(&bytes), Some(&value));
        let _ = decoder.decode(&record, &registry, &mut Change::default());
        let _ = decoder.add_writer_schema(2, &String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn a_damaged_datum_never_panics(row in any_row(), at in any::<prop::sample::Index>(), byte: u8) {
        let registry = registry(COLUMNS);
        let schema = avro_schema();
        let value = record(vec![
            ("before", some(None)),
            ("after", some(Some(row_avro(&row)))),
            ("source", record(vec![
                ("ts_us", Avro::Long(1)),
                ("db", Avro::String("d".into())),
                ("sequence", some(None)),
                ("lsn", some(None)),
            ])),
            ("op", Avro::String("c".into())),
            ("ts_ms", some(None)),
        ]);
        let mut bytes = framed(&write(&schema, value));
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let mut decoder = Decoder::new(Limits::default());
        decoder.add_writer_schema(1, &schema).expect("it compiles");
        let mut change = Change::default();
        let _ = decoder.decode(&shop::record(TOPIC, None, Some(&bytes)), &registry, &mut change);
        bytes.truncate(at);
        let cut = decoder.decode(&shop::record(TOPIC, None, Some(&bytes)), &registry, &mut change);
        prop_assert!(!matches!(cut, Ok(Decoded::Change)), "a cut datum is no change");
    }
}

#[test]
fn an_avro_delete_without_a_before_image_asks_for_the_key_s_schema() {
    let registry = registry(COLUMNS);
    let mut decoder = Decoder::new(Limits::default());
    let schema = avro_schema();
    decoder.add_writer_schema(1, &schema).expect("it compiles");
    let value = record(vec![
        ("before", some(None)),
        ("after", some(None)),
        (
            "source",
            record(vec![
                ("ts_us", Avro::Long(1)),
                ("db", Avro::String("d".into())),
                ("sequence", some(None)),
                ("lsn", some(None)),
            ]),
        ),
        ("op", Avro::String("d".into())),
        ("ts_ms", some(None)),
    ]);
    let value = framed(&write(&schema, value));
    let key = [0, 0, 0, 0, 9, 14];
    let mut change = Change::default();
    let record = shop::record(TOPIC, Some(&key), Some(&value));
    let decoded = decoder.decode(&record, &registry, &mut change);
    assert_eq!(decoded, Ok(Decoded::SchemaWanted { id: 9 }));
    let key_schema = r#"{"type":"record","name":"Key","fields":[{"name":"id","type":"long"}]}"#;
    decoder
        .add_writer_schema(9, key_schema)
        .expect("it compiles");
    let decoded = decoder.decode(&record, &registry, &mut change);
    assert_eq!(decoded, Ok(Decoded::Change));
    assert_eq!(change.before.column(ColumnSlot(0)), Column::Known("7"));
    assert_eq!(change.before.column(ColumnSlot(1)), Column::Unknown);
}

#[test]
fn types_inside_themselves_and_endless_blocks_come_to_an_end() {
    let registry = registry(&COLUMNS[..1]);
    let of = |kind: &str| {
        format!(
            r#"{{"type":"record","name":"R","fields":[{{"name":"x","type":{kind}}},{{"name":"id","type":"long"}}]}}"#
        )
    };
    let nulls = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x20, 0, 2];
    for (kind, datum, wanted) in [
        (r#""R""#, &b""[..], Err("too_deep")),
        (r#"["null","R"]"#, &[2; 5000], Err("too_deep")),
        // A block of 2^59 nulls, then the end of the array and an id.
        (
            r#"{"type":"array","items":"null"}"#,
            &nulls,
            Ok(Decoded::Change),
        ),
        (
            r#"{"type":"array","items":"long"}"#,
            &nulls,
            Err("bad_avro"),
        ),
        // A block of a negative count with its size, then one of a positive count.
        (
            r#"{"type":"array","items":"long"}"#,
            &[3, 4, 2, 4, 2, 6, 0, 2],
            Ok(Decoded::Change),
        ),
        (r#""null""#, &[2, 0], Err("bad_avro")),
        // A block of a negative count whose size is beyond the end, and one that is negative.
        (
            r#"{"type":"array","items":"long"}"#,
            &[1, 100, 0, 2],
            Err("bad_avro"),
        ),
        (
            r#"{"type":"array","items":"long"}"#,
            &[1, 1, 0, 2],
            Err("bad_avro"),
        ),
        (r#""string""#, &[1, 2], Err("bad_avro")),
        (r#""boolean""#, &[2, 2], Err("bad_avro")),
        (r#"["null"]"#, &[2, 2], Err("bad_avro")),
        (r#""long""#, &[0xff; 12], Err("bad_avro")),
    ] {
        let mut decoder = Decoder::new(Limits::default());
        let schema = of(kind);
        decoder.add_writer_schema(1, &schema).expect("it compiles");
        let bytes = framed(datum);
        let record = shop::record(TOPIC, None, Some(&bytes));
        let decoded = decoder.decode(&record, &registry, &mut Change::default());
        assert_eq!(decoded.map_err(|err| err.reason()), wanted, "{kind}");
    }
}

/// What a column must hold by the reference's value.
#[derive(Debug)]
enum Expected {
    Unknown,
    Null,
    Known(String),
}

impl Expected {
    fn as_column(&self) -> Column<'_> {
        match self {
            Self::Unknown => Column::Unknown,
            Self::Null => Column::Null,
            Self::Known(text) => Column::Known(text),
        }
    }
}

fn expected(kind: ColumnKind, value: &Avro) -> Expected {
    match (kind, value) {
        (ColumnKind::Opaque, _) => Expected::Unknown,
        (_, Avro::Union(_, value)) => expected(kind, value),
        (_, Avro::Null) => Expected::Null,
        (ColumnKind::BIGINT, Avro::Int(number)) => Expected::Known(number.to_string()),
        (ColumnKind::BIGINT, Avro::Long(number)) => Expected::Known(number.to_string()),
        (ColumnKind::TEXT, Avro::String(text) | Avro::Enum(_, text)) => {
            Expected::Known(text.clone())
        }
        (ColumnKind::Bool, Avro::Boolean(truth)) => Expected::Known(truth.to_string()),
        _ => Expected::Unknown,
    }
}

/// Deterministic chance (SplitMix64), so that a schema and its value come from one seed.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn kind(&mut self, depth: usize) -> Kind {
        let choices = if depth > 3 { 10 } else { 14 };
        match self.below(choices) {
            0 => Kind::Null,
            1 => Kind::Bool,
            2 => Kind::Int,
            3 => Kind::Long,
            4 => Kind::Float,
            5 => Kind::Double,
            6 => Kind::Bytes,
            7 => Kind::Text,
            8 => Kind::Fixed(self.below(9) as usize + 1),
            9 => Kind::Enum,
            10 => Kind::Array(Box::new(self.kind(depth + 1))),
            11 => Kind::Map(Box::new(self.kind(depth + 1))),
            12 => match self.kind(depth + 1) {
                Kind::Null | Kind::Optional(..) => Kind::Optional(Box::new(Kind::Text), true),
                inner => Kind::Optional(Box::new(inner), self.below(2) == 0),
            },
            _ => {
                let fields = self.below(4);
                Kind::Record((0..fields).map(|_| self.kind(depth + 1)).collect())
            }
        }
    }

    fn text(&mut self) -> String {
        let length = self.below(12);
        (0..length)
            .map(|_| ['a', 'Ä', '"', '\n', '🧀', ':'][self.below(6) as usize])
            .collect()
    }
}

#[derive(Debug)]
enum Kind {
    Null,
    Bool,
    Int,
    Long,
    Float,
    Double,
    Bytes,
    Text,
    Fixed(usize),
    Enum,
    Array(Box<Kind>),
    Map(Box<Kind>),
    /// With null, which comes first or last.
    Optional(Box<Kind>, bool),
    Record(Vec<Kind>),
}

impl Kind {
    fn schema(&self, names: &mut u32) -> Json {
        *names += 1;
        let name = format!("N{names}");
        match self {
            Self::Null => json!("null"),
            Self::Bool => json!("boolean"),
            Self::Int => json!("int"),
            Self::Long => json!("long"),
            Self::Float => json!("float"),
            Self::Double => json!("double"),
            Self::Bytes => json!("bytes"),
            Self::Text => json!("string"),
            Self::Fixed(size) => json!({"type": "fixed", "name": name, "size": size}),
            Self::Enum => json!({"type": "enum", "name": name, "symbols": ["A", "B", "C"]}),
            Self::Array(items) => json!({"type": "array", "items": items.schema(names)}),
            Self::Map(values) => json!({"type": "map", "values": values.schema(names)}),
            Self::Optional(inner, true) => json!(["null", inner.schema(names)]),
            Self::Optional(inner, false) => json!([inner.schema(names), "null"]),
            Self::Record(fields) => {
                let fields = fields.iter().enumerate().map(
                    |(at, field)| json!({"name": format!("g{at}"), "type": field.schema(names)}),
                );
                json!({"type": "record", "name": name, "fields": fields.collect::<Vec<_>>()})
            }
        }
    }

    fn value(&self, dice: &mut Dice) -> Avro {
        match self {
            Self::Null => Avro::Null,
            Self::Bool => Avro::Boolean(dice.below(2) == 1),
            Self::Int => Avro::Int(dice.next() as i32),
            Self::Long => {
                let shift = dice.below(64);
                Avro::Long((dice.next() as i64) >> shift)
            }
            Self::Float => Avro::Float(dice.next() as i32 as f32),
            Self::Double => Avro::Double(dice.next() as i64 as f64),
            Self::Bytes => Avro::Bytes(dice.text().into_bytes()),
            Self::Text => Avro::String(dice.text()),
            Self::Fixed(size) => Avro::Fixed(*size, vec![dice.next() as u8; *size]),
            Self::Enum => {
                let at = dice.below(3) as u32;
                Avro::Enum(at, ["A", "B", "C"][at as usize].to_owned())
            }
            Self::Array(items) => {
                let count = dice.below(5);
                Avro::Array((0..count).map(|_| items.value(dice)).collect())
            }
            Self::Map(values) => {
                let count = dice.below(5);
                let entries = (0..count).map(|_| (dice.text(), values.value(dice)));
                Avro::Map(entries.collect())
            }
            Self::Optional(inner, null_first) => {
                let is_null = dice.below(3) == 0;
                let at = u32::from(is_null != *null_first);
                let value = if is_null {
                    Avro::Null
                } else {
                    inner.value(dice)
                };
                Avro::Union(at, Box::new(value))
            }
            Self::Record(fields) => Avro::Record(
                fields
                    .iter()
                    .enumerate()
                    .map(|(at, field)| (format!("g{at}"), field.value(dice)))
                    .collect(),
            ),
        }
    }

    /// What the registry would declare.
    fn column(&self) -> ColumnKind {
        match self {
            Self::Bool => ColumnKind::Bool,
            Self::Int | Self::Long => ColumnKind::BIGINT,
            Self::Text | Self::Enum => ColumnKind::TEXT,
            Self::Optional(inner, _) => inner.column(),
            _ => ColumnKind::Opaque,
        }
    }
}
