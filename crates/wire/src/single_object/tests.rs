use apache_avro::types::Value;

use super::{Fields, RecordError, RecordSchema, avro_field};

const OLD: &str = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"long"}]}"#;
const NEW: &str = r#"{"type":"record","name":"R","fields":[
    {"name":"a","type":"long"},{"name":"b","type":"string","default":"none"}]}"#;

const LETTER: &str = include_str!("../../../../schemas/dead_letter.avsc");
const RESOLUTION: &str = include_str!("../../../../schemas/dead_letter_resolution.avsc");
const POSITION: &str = include_str!("../../../../schemas/position.avsc");
const REQUEST: &str = include_str!("../../../../schemas/purge_request.avsc");

const REQUEST_3: &str = include_str!("../../../../schemas/earlier/purge_request.3.avsc");
const INTENT: &str = include_str!("../../../../schemas/intent.avsc");
const REQUEST_2: &str = include_str!("../../../../schemas/earlier/purge_request.2.avsc");

const PUBLISHED: [(&str, &str, u64); 6] = [
    ("letter", LETTER, 0xc883_6faf_e3d8_0e1c),
    ("resolution", RESOLUTION, 0x4621_2a98_39b9_53dc),
    ("position", POSITION, 0x98b9_8754_563e_1eba),
    ("request", REQUEST, 0x8c9a_600f_a963_3788),
    ("intent", INTENT, 0x9e62_d705_db63_8fac),
    ("third request", REQUEST_3, 0xa2b0_dada_eb37_e5c5),
];

const FIRST_RELEASES: [(&str, &str, u64); 4] = [
    ("letter", LETTER, 0x7436_71b4_8391_a8f6),
    ("resolution", RESOLUTION, 0xe15b_2d94_5dd3_9234),
    ("position", POSITION, 0x1549_0bc1_6cd7_eec8),
    ("earlier request", REQUEST_2, 0xbd00_1aac_2b78_3b32),
];

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

/// The fingerprints that another implementation (`fastavro`) gives the published schemas, as they stand in the header.
#[test]
fn records_name_the_fingerprint_that_the_specification_gives_their_schema() {
    for (name, json, wanted) in PUBLISHED {
        let writer = RecordSchema::new(json, &[]);
        let found = u64::from_be_bytes(writer.header[2..].try_into().expect("eight bytes"));
        assert_eq!(found, wanted, "{name}: {found:016x} for {wanted:016x}");
    }
}

/// Releases up to 0.1 named their letters, positions and requests by another fingerprint; topics still hold them.
#[test]
fn a_record_that_carries_the_fingerprint_of_the_first_releases_is_read() {
    for (name, json, earlier) in FIRST_RELEASES {
        let schema = RecordSchema::new(json, &[]);
        let named = schema.writers[0].is_named(&u64::to_be_bytes(earlier));
        assert!(named, "{name}: {earlier:016x} is not known");
    }
    let json = r#"{"type":"record","name":"R","fields":[
        {"name":"at","type":{"type":"long","logicalType":"timestamp-micros"}}]}"#;
    let schema = RecordSchema::new(json, &[]);
    let value = fields(&[("at", Value::TimestampMicros(7))]);
    let mut record = schema.encode(Value::Record(value.clone()));
    record[2..10].copy_from_slice(&schema.writers[0].first_releases);
    assert_ne!(record, schema.encode(Value::Record(value.clone())));
    assert_eq!(schema.decode(&record), Ok(value));
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
    assert_eq!(long, Err(RecordError::Malformed("trailing bytes")));
}
