use super::{Node, WriterSchema};
use crate::scalar::Encoding;

fn compile(json: &str) -> Result<WriterSchema, String> {
    WriterSchema::compile(json, 1 << 16)
}

#[test]
fn a_broken_schema_says_what_is_wrong() {
    for (json, wanted) in [
        ("", "not JSON"),
        ("1", "neither a name"),
        ("{}", "without `type`"),
        (r#""Missing""#, "\"Missing\" is not defined"),
        (r#"{"type":"record","name":"A"}"#, "without fields"),
        (
            r#"{"type":"record","name":"A","fields":[{"type":"int"}]}"#,
            "without a name",
        ),
        (
            r#"{"type":"record","name":"A","fields":[{"name":"a"}]}"#,
            "without a type",
        ),
        (r#"{"type":"fixed","name":"A"}"#, "without size"),
        (r#"{"type":"enum","name":"A"}"#, "without symbols"),
        (r#"{"type":"array"}"#, "without items"),
        (r#"{"type":"map"}"#, "without values"),
    ] {
        let err = compile(json).expect_err("it is broken");
        assert!(err.contains(wanted), "{json}: {err}");
    }
}

#[test]
fn named_types_are_found_by_name_within_their_namespace() {
    let schema = compile(
        r#"{"type":"record","name":"Envelope","namespace":"a.b","fields":[
            {"name":"before","type":["null",{"type":"record","name":"Value","fields":[]}]},
            {"name":"after","type":["null","Value"]},
            {"name":"full","type":"a.b.Value"},
            {"name":"self","type":["null","Envelope"]}]}"#,
    );
    let schema = schema.expect("valid");
    let (root, record) = schema.record(schema.root()).expect("a record");
    let target = |at: usize| schema.record(record.fields[at].1).expect("a record").0;
    assert_eq!(target(0), target(1));
    assert_eq!(target(0), target(2));
    assert_eq!(target(3), root);
}

#[test]
fn a_name_that_its_namespace_does_not_have_is_looked_for_without_one() {
    let schema = compile(
        r#"{"type":"record","name":"Plain","fields":[
            {"name":"inner","type":{"type":"record","name":"a.Inner","fields":[
                {"name":"back","type":["null","Plain"]}]}}]}"#,
    );
    assert!(schema.is_ok(), "{schema:?}");
}

#[test]
fn a_schema_has_as_many_parts_and_as_long_names_as_are_allowed() {
    // A record, two fields, a union of two branches, an enum of three symbols.
    let json = r#"{"type":"record","name":"R","fields":[{"name":"a","type":["null","long"]},
        {"name":"b","type":{"type":"enum","name":"E","symbols":["x","y","z"]}}]}"#;
    let parts = 1 + 2 + (1 + 2 + 2) + (1 + 3);
    assert_eq!(
        WriterSchema::compile(json, parts).map(|schema| schema.parts()),
        Ok(parts)
    );
    for parts_max in [parts - 1, parts / 2] {
        assert!(WriterSchema::compile(json, parts_max).is_err());
    }
    for (name, namespace, fits) in [(1000, 24, true), (1000, 25, false), (1024, 0, true)] {
        let (name, namespace) = ("n".repeat(name), "s".repeat(namespace));
        let json =
            format!(r#"{{"type":"fixed","size":1,"name":"{name}","namespace":"{namespace}"}}"#);
        assert_eq!(compile(&json).is_ok(), fits, "{}", json.len());
    }
}

#[test]
fn what_connect_says_of_a_primitive_type_is_kept() {
    for (json, wanted) in [
        (r#""long""#, Encoding::Plain),
        (
            r#"{"type":"long","connect.name":"io.debezium.time.MicroTimestamp"}"#,
            Encoding::EpochMicros,
        ),
        (
            r#"{"type":"long","logicalType":"timestamp-millis"}"#,
            Encoding::EpochMillis,
        ),
        (
            r#"{"type":"bytes","scale":2,"precision":10,"logicalType":"decimal",
                "connect.name":"org.apache.kafka.connect.data.Decimal"}"#,
            Encoding::Decimal { scale: 2 },
        ),
        (
            r#"{"type":"bytes","connect.parameters":{"scale":"3"},
                "connect.name":"org.apache.kafka.connect.data.Decimal"}"#,
            Encoding::Decimal { scale: 3 },
        ),
        (
            r#"{"type":"int","connect.name":"io.debezium.time.Date"}"#,
            Encoding::EpochDays,
        ),
        (
            r#"{"type":"int","connect.name":"io.debezium.time.Year"}"#,
            Encoding::Plain,
        ),
        (
            r#"{"type":"long","connect.name":"io.debezium.time.MicroTime"}"#,
            Encoding::Other,
        ),
        (
            r#"{"type":"int","logicalType":"time-millis"}"#,
            Encoding::Other,
        ),
        (
            r#"{"type":"string","connect.parameters":{"masked":"true"}}"#,
            Encoding::Altered,
        ),
        (
            r#"{"type":"string","connect.parameters":{"truncateLength":"6"}}"#,
            Encoding::Altered,
        ),
    ] {
        let schema = compile(json).expect("valid");
        assert_eq!(schema.node(schema.root()).1, wanted, "{json}");
    }
}

#[test]
fn a_scaled_decimal_is_one_only_with_plain_fields() {
    let of = |value: &str| {
        let json = format!(
            r#"{{"type":"record","name":"V","connect.name":"io.debezium.data.VariableScaleDecimal",
                "fields":[{{"name":"scale","type":"int"}},{{"name":"value","type":{value}}}]}}"#
        );
        let schema = compile(&json).expect("valid");
        matches!(schema.node(schema.root()).0, Node::Record(record) if record.is_scaled_decimal)
    };
    assert!(of(r#""bytes""#));
    assert!(!of(r#""V""#), "a type inside itself has no end");
}
