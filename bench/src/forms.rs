//! Updates of the recorded fixtures' table `items` in each wire form, about one kilobyte without a schema.

use std::io::Write as _;

use anyhow::Context;

use crate::case::Form;

/// The table, as schemas in the records call it.
pub const TABLE: &str = "shop.public.items";

const RECORDED: &str = include_str!("../../schemas/fixtures/debezium/postgres-json-schema.jsonl");
const SCHEMAS: &str = include_str!("../../schemas/fixtures/debezium/postgres-avro.schemas.json");
const DESCRIPTION: &str = "A sentence about the product, as shops write them. \
                           A sentence about the product, as shops write them. ";
const SKU: &str = "7d0c9a6e-52f3-4a6b-9d0e-0123456789ab";
const UPDATED: &str = "2026-11-22T10:11:12.131415Z";
const SEQUENCE: &str = "[\"26772208\",\"26772512\"]";

/// Ids under which the schema registry knows the writer schemas.
#[derive(Debug, Clone, Copy, Default)]
pub struct SchemaIds {
    /// Of the record's key.
    pub key: u32,
    /// Of the record's value.
    pub value: u32,
}

/// Key and value of an event.
#[derive(Debug, Default)]
pub struct Record {
    /// Names the row.
    pub key: Vec<u8>,
    /// The change.
    pub value: Vec<u8>,
}

/// Writes events.
#[derive(Debug)]
pub struct Events {
    form: Form,
    ids: SchemaIds,
    /// What stands before the payload, schema included.
    wrap_key: String,
    wrap_value: String,
}

/// The writer schemas (key, value) as Debezium registered them.
///
/// # Errors
/// When the fixtures lack them.
pub fn writer_schemas() -> anyhow::Result<(String, String)> {
    let all: serde_json::Value = serde_json::from_str(SCHEMAS)?;
    let find = |name: &str| {
        let mut schemas = all.as_object().context("schemas")?.values();
        let found = schemas
            .find(|it| it["name"] == name && it["namespace"] == TABLE)
            .context(name.to_owned())?;
        anyhow::Ok(found.to_string())
    };
    Ok((find("Key")?, find("Envelope")?))
}

impl Events {
    /// Events in `form`; the ids count for Avro only.
    ///
    /// # Errors
    /// When the fixtures lack the schema.
    pub fn new(form: Form, ids: SchemaIds) -> anyhow::Result<Self> {
        let wrap = |part: &str| {
            let record: serde_json::Value =
                serde_json::from_str(RECORDED.lines().next().context("a recorded line")?)?;
            let text = record[part].as_str().context("a recorded record")?;
            let end = text.find("\"payload\":").context("a payload")? + "\"payload\":".len();
            anyhow::Ok(text[..end].to_owned())
        };
        Ok(Self {
            form,
            ids,
            wrap_key: wrap("key")?,
            wrap_value: wrap("value")?,
        })
    }

    /// Writes an update of `row` over what `record` held.
    pub fn write(&self, row: u32, now_ms: u64, record: &mut Record) {
        let Record { key, value } = record;
        key.clear();
        value.clear();
        match self.form {
            Form::Json => {
                push(key, format_args!("{{\"id\":{row}}}"));
                payload(value, row, now_ms);
            }
            Form::JsonSchema => {
                push(key, format_args!("{}{{\"id\":{row}}}}}", self.wrap_key));
                value.extend_from_slice(self.wrap_value.as_bytes());
                payload(value, row, now_ms);
                value.push(b'}');
            }
            Form::Avro => {
                frame(key, self.ids.key);
                Datum(key).long(i64::from(row));
                frame(value, self.ids.value);
                envelope(&mut Datum(value), row, now_ms as i64);
            }
        }
    }
}

/// The row that a record's key names.
pub fn row_of_key(form: Form, key: &[u8]) -> Option<u32> {
    if form == Form::Avro {
        let mut number = 0_u64;
        for (at, byte) in key.get(5..)?.iter().enumerate() {
            number |= u64::from(byte & 0x7f) << (7 * at);
        }
        return u32::try_from(number >> 1).ok();
    }
    let text = std::str::from_utf8(key).ok()?;
    let digits = text.rsplit("\"id\":").next()?.trim_end_matches('}');
    digits.parse().ok()
}

/// Writing into memory cannot fail.
fn push(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    let _infallible = out.write_fmt(text);
}

fn payload(out: &mut Vec<u8>, row: u32, now_ms: u64) {
    for (name, price) in [("{\"before\":", "BEI="), (",\"after\":", "BKY=")] {
        push(
            out,
            format_args!(
                "{name}{{\"id\":{row},\"category_id\":{},\"tenant\":7,\"name\":\"Product number {row}\",\
                 \"price\":\"{price}\",\"description\":\"{DESCRIPTION}\",\"sku\":\"{SKU}\",\"active\":true,\
                 \"updated_at\":\"{UPDATED}\",\"released\":19876}}",
                row % 1000
            ),
        );
    }
    push(
        out,
        format_args!(
            ",\"source\":{{\"version\":\"3.6.1.Final\",\"connector\":\"postgresql\",\"name\":\"shop\",\
             \"ts_ms\":{now_ms},\"snapshot\":\"false\",\"db\":\"shop\",\
             \"sequence\":\"[\\\"26772208\\\",\\\"26772512\\\"]\",\"ts_us\":{now_ms}000,\
             \"ts_ns\":{now_ms}000000,\"schema\":\"public\",\"table\":\"items\",\"txId\":766,\"lsn\":26772512,\
             \"xmin\":null,\"origin\":null,\"origin_lsn\":null}},\"transaction\":null,\"op\":\"u\",\
             \"ts_ms\":{now_ms},\"ts_us\":{now_ms}000,\"ts_ns\":{now_ms}000000}}"
        ),
    );
}

fn frame(out: &mut Vec<u8>, id: u32) {
    out.push(0);
    out.extend_from_slice(&id.to_be_bytes());
}

/// Avro's binary encoding, as far as the envelope needs it.
struct Datum<'a>(&'a mut Vec<u8>);

impl Datum<'_> {
    fn long(&mut self, value: i64) {
        let mut rest = ((value << 1) ^ (value >> 63)) as u64;
        while rest >= 0x80 {
            self.0.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        self.0.push(rest as u8);
    }

    fn bytes(&mut self, value: &[u8]) {
        self.long(value.len() as i64);
        self.0.extend_from_slice(value);
    }

    /// Chooses the branch of a union.
    fn branch(&mut self, at: i64) -> &mut Self {
        self.long(at);
        self
    }
}

fn envelope(out: &mut Datum<'_>, row: u32, now_ms: i64) {
    for price in [[4, 66], [4, 166]] {
        out.branch(1).long(i64::from(row));
        out.long(i64::from(row % 1000));
        out.long(7);
        out.bytes(format!("Product number {row}").as_bytes());
        out.branch(1).bytes(&price);
        out.branch(1).bytes(DESCRIPTION.as_bytes());
        out.branch(1).bytes(SKU.as_bytes());
        out.branch(1).0.push(1);
        out.branch(1).bytes(UPDATED.as_bytes());
        out.branch(1).long(19876);
    }
    for text in ["3.6.1.Final", "postgresql", "shop"] {
        out.bytes(text.as_bytes());
    }
    out.long(now_ms);
    out.branch(0).bytes(b"false");
    out.bytes(b"shop");
    out.branch(1).bytes(SEQUENCE.as_bytes());
    out.branch(1).long(now_ms * 1000);
    out.branch(1).long(now_ms * 1_000_000);
    out.bytes(b"public");
    out.bytes(b"items");
    out.branch(1).long(766);
    out.branch(1).long(26_772_512);
    for _ in ["xmin", "origin", "origin_lsn", "transaction"] {
        out.branch(0);
    }
    out.bytes(b"u");
    out.branch(1).long(now_ms);
    out.branch(1).long(now_ms * 1000);
    out.branch(1).long(now_ms * 1_000_000);
}

#[cfg(test)]
mod tests {
    use apache_avro::Schema;
    use apache_avro::reader::datum::GenericDatumReader;

    use super::{Events, Record, SchemaIds, row_of_key, writer_schemas};
    use crate::case::Form;

    fn event(form: Form, row: u32) -> Record {
        let ids = SchemaIds { key: 1, value: 2 };
        let mut record = Record::default();
        let events = Events::new(form, ids).expect("the fixtures have the schemas");
        events.write(row, 1_795_000_000_000, &mut record);
        record
    }

    #[test]
    fn every_form_is_what_its_schema_says_and_names_its_row() {
        for row in [0, 63, 64, 5_000_000] {
            for form in Form::ALL {
                let Record { key, value } = event(form, row);
                assert_eq!(row_of_key(form, &key), Some(row), "{form:?}");
                if form != Form::Avro {
                    let json: serde_json::Value = serde_json::from_slice(&value).expect("JSON");
                    let body = json.get("payload").unwrap_or(&json);
                    assert_eq!(body["before"]["id"], row);
                    assert_eq!(body["op"], "u");
                }
            }
        }
    }

    #[test]
    fn the_reference_reads_the_avro_form_to_its_end() {
        let (_, schema) = writer_schemas().expect("schemas");
        let schema = Schema::parse_str(&schema).expect("a schema");
        let Record { value, .. } = event(Form::Avro, 77);
        let mut rest = &value[5..];
        let reader = GenericDatumReader::builder(&schema)
            .build()
            .expect("a reader");
        let read = reader.read_value(&mut rest).expect("it reads");
        assert!(rest.is_empty());
        assert!(format!("{read:?}").contains("Long(77)"));
    }
}
