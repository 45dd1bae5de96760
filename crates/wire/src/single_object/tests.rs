use apache_avro::types::Value;

use super::{Fields, RecordError, RecordSchema, avro_field};

const OLD: &str = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"long"}]}"#;
const NEW: &str = r#"{"type":"record","name":"R","fields":[
    {"name":"a","type":"long"},{"name":"b","type":"string","default":"none"}]}"#;

fn fields(pairs: &[(&str, Value)]) -> Vec<(String, Value)> {
    let fields = pairs.iter();
    fields
        .map(|(name, value)| avro_field(name, value.clone()))
        .collect()
}

#[test]
fn a_record_begins_with_the_marker_and_the_fingerprint_of_its_schema() {
    // The specification's own example: the fingerprint of "null" is 63dd24e7cc258f8a, little-endian.
    let schema = RecordSchema::new(r#""null""#, &[]);
    let wanted = [0xc3, 0x01, 0x8a, 0x8f, 0x25, 0xcc, 0xe7, 0x24, 0xdd, 0x63];
    assert_eq!(schema.encode(Value::Null), wanted);
}

#[test]
fn an_older_record_is_read_with_the_defaults_of_the_newer_schema() {
    let old = RecordSchema::new(OLD, &[]);
    let new = RecordSchema::new(NEW, &[OLD]);
    let record = old.encode(Value::Record(fields(&[("a", Value::Long(7))])));
    let wanted = fields(&[("a", Value::Long(7)), ("b", Value::String("none".into()))]);
    assert_eq!(new.decode(&record), Ok(wanted));
}

#[test]
fn a_newer_record_is_read_where_its_schema_is_known_and_else_said_to_be_unknown() {
    let new = RecordSchema::new(NEW, &[]);
    let value = fields(&[("a", Value::Long(7)), ("b", Value::String("x".into()))]);
    let record = new.encode(Value::Record(value));
    let told = RecordSchema::new(OLD, &[NEW]);
    assert_eq!(told.decode(&record), Ok(fields(&[("a", Value::Long(7))])));
    let untold = RecordSchema::new(OLD, &[]);
    let answer = untold.decode(&record);
    assert!(
        matches!(answer, Err(RecordError::UnknownSchema { .. })),
        "{answer:?}"
    );
}

#[test]
fn damaged_records_are_refused() {
    let schema = RecordSchema::new(NEW, &[]);
    let value = fields(&[("a", Value::Long(7)), ("b", Value::String("x".into()))]);
    let record = schema.encode(Value::Record(value));
    assert!(matches!(schema.decode(b""), Err(RecordError::Framing(_))));
    assert!(matches!(schema.decode(b"{}"), Err(RecordError::Framing(_))));
    assert!(matches!(
        schema.decode(&record[..9]),
        Err(RecordError::Framing(_))
    ));
    // The Avro library reads a string that ends too early as null: the field's type tells.
    let short = schema.decode(&record[..record.len() - 1]);
    let short = short.and_then(|fields| Fields::from(fields).text("b"));
    assert!(matches!(short, Err(RecordError::Malformed(_))));
    let long = schema.decode(&[&record[..], &[0]].concat());
    assert_eq!(long, Err(RecordError::Malformed("bytes are left over")));
}
