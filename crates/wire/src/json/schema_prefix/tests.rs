use freshet_core::table::ColumnKind;

use super::{PREFIXES_MAX, SchemaPrefixes};
use crate::field_schema::{FieldSchema, Nulls, hash};
use crate::limits::Limits;
use crate::row_rules::tests::shape;
use crate::scalar::Encoding;

const COLUMNS: [(&str, ColumnKind); 2] =
    [("price", ColumnKind::BIGINT), ("at", ColumnKind::BIGINT)];

/// A record whose schema has these fields in its row.
fn record_of(fields: &str) -> String {
    format!(
        r#"{{"schema":{{"type":"struct","fields":[{{"type":"struct","fields":[{fields}],"field":"after"}}]}},"payload":{{"op":"c"}}}}"#
    )
}

fn record(type_of_at: &str) -> String {
    record_of(&format!(
        r#"{{"type":"bytes","name":"org.apache.kafka.connect.data.Decimal","parameters":{{"scale":"2"}},"field":"price"}},{{"type":"int64","name":"{type_of_at}","field":"at"}}"#
    ))
}

#[test]
fn a_schema_says_how_a_column_is_written_and_what_may_stand_for_null() {
    let (shape, limits) = (shape(&COLUMNS), Limits::default());
    let seven = Nulls::Default(hash("7"));
    for (field, encoding, nulls) in [
        (r#""type":"int64""#, Encoding::Plain, Nulls::Kept),
        (r#""type":"bytes""#, Encoding::Other, Nulls::Kept),
        (
            r#""type":"int64","optional":true,"default":7"#,
            Encoding::Plain,
            seven,
        ),
        (
            r#""type":"int64","optional":false,"default":7"#,
            Encoding::Plain,
            Nulls::Kept,
        ),
        (
            r#""type":"int64","default":7"#,
            Encoding::Plain,
            Nulls::Kept,
        ),
    ] {
        let text = record_of(&format!(r#"{{{field},"field":"price"}}"#));
        let mut prefixes = SchemaPrefixes::default();
        let opened = prefixes.open(text.as_bytes(), &shape, &limits);
        let (_, columns) = opened.expect("valid").expect("it has a schema");
        let wanted = FieldSchema { encoding, nulls };
        assert_eq!(columns[0].field, wanted, "{field}");
    }
}

#[test]
fn a_schema_is_read_once_and_then_recognised() {
    let (shape, limits) = (shape(&COLUMNS), Limits::default());
    let mut prefixes = SchemaPrefixes::default();
    let text = record("io.debezium.time.MicroTimestamp");
    for _ in 0..3 {
        let opened = prefixes
            .open(text.as_bytes(), &shape, &limits)
            .expect("valid");
        let (start, columns) = opened.expect("it has a schema");
        let encodings: Vec<_> = columns.iter().map(|it| it.field.encoding).collect();
        assert_eq!(&text[start..], r#"{"op":"c"}}"#);
        let wanted = [Encoding::Decimal { scale: 2 }, Encoding::EpochMicros];
        assert_eq!(encodings, wanted);
        assert_eq!(prefixes.known.len(), 1);
    }
}

#[test]
fn alternating_schemas_stay_apart_and_are_bounded() {
    let (shape, limits) = (shape(&COLUMNS), Limits::default());
    let mut prefixes = SchemaPrefixes::default();
    let milli = record("io.debezium.time.Timestamp");
    let micro = record("io.debezium.time.MicroTimestamp");
    for _ in 0..3 {
        for (text, wanted) in [
            (&milli, Encoding::EpochMillis),
            (&micro, Encoding::EpochMicros),
        ] {
            let opened = prefixes
                .open(text.as_bytes(), &shape, &limits)
                .expect("valid");
            assert_eq!(opened.expect("it has a schema").1[1].field.encoding, wanted);
        }
    }
    assert_eq!(prefixes.known.len(), 2);
    for at in 0..20 {
        let text = record(&format!("some.other.Type{at}"));
        prefixes
            .open(text.as_bytes(), &shape, &limits)
            .expect("valid");
    }
    assert_eq!(prefixes.known.len(), PREFIXES_MAX);
}

#[test]
fn a_schema_of_exactly_the_limit_is_kept() {
    let (shape, mut limits) = (shape(&COLUMNS), Limits::default());
    let text = record("io.debezium.time.MicroTimestamp");
    let length = text.find("{\"op\"").expect("a payload");
    for (bytes_max, kept) in [(length, 1), (length - 1, 0)] {
        limits.schema_prefix_bytes_max = bytes_max;
        let mut prefixes = SchemaPrefixes::default();
        let opened = prefixes.open(text.as_bytes(), &shape, &limits);
        assert!(opened.expect("valid").is_some());
        assert_eq!(prefixes.known.len(), kept, "{bytes_max}");
    }
}

#[test]
fn an_oversized_schema_is_used_and_not_kept() {
    let (shape, mut limits) = (shape(&COLUMNS), Limits::default());
    limits.schema_prefix_bytes_max = 10;
    let mut prefixes = SchemaPrefixes::default();
    let text = record("io.debezium.time.MicroTimestamp");
    for _ in 0..2 {
        let opened = prefixes
            .open(text.as_bytes(), &shape, &limits)
            .expect("valid");
        assert_eq!(
            opened.expect("it has a schema").1[1].field.encoding,
            Encoding::EpochMicros
        );
    }
    assert!(prefixes.known.is_empty());
}

#[test]
fn what_has_no_schema_is_left_alone() {
    let (shape, limits) = (shape(&COLUMNS), Limits::default());
    for text in [
        "null",
        "{}",
        r#"{"op":"c"}"#,
        r#"{"schema":"public","payload":{}}"#,
        r#"{"schema":{},"other":{}}"#,
        r#"{"schema":{},"payload":"text"}"#,
        r#"{"schema":{}}"#,
        r#"{"payload":{},"schema":{}}"#,
    ] {
        let mut prefixes = SchemaPrefixes::default();
        let opened = prefixes.open(text.as_bytes(), &shape, &limits);
        assert_eq!(opened.map(|opened| opened.is_some()), Ok(false), "{text}");
    }
    let null = r#"{"schema":null,"payload":{"op":"c"}}"#;
    let mut prefixes = SchemaPrefixes::default();
    let opened = prefixes.open(null.as_bytes(), &shape, &limits);
    let (_, columns) = opened.expect("valid").expect("wrapped");
    assert!(columns.is_empty());
}
