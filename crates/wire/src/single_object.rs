//! Avro single-object encoding of our own records: `C3 01`, the CRC-64-AVRO fingerprint of the writer schema's Parsing
//! Canonical Form, the datum. A record that another release wrote is resolved to the schema of this one.

use apache_avro::Schema;
use apache_avro::rabin::Rabin;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;
use apache_avro::writer::datum::GenericDatumWriter;
use freshet_core::position::WallMicros;
use serde_json::Value as Json;

const MARKER: [u8; 2] = [0xc3, 0x01];
const FINGERPRINT_BYTES: usize = 8;

/// Why one of our own records could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Not Avro single-object encoding.
    #[error("not a record of Freshet: {0}")]
    Framing(&'static str),
    /// Written under a schema that this release does not know. A newer release can read it.
    #[error("the record's schema {fingerprint:016x} is not known to this release")]
    UnknownSchema {
        /// The schema's CRC-64-AVRO fingerprint.
        fingerprint: u64,
    },
    /// The bytes do not fit the schema that they name.
    #[error("the record does not fit its schema: {0}")]
    Malformed(&'static str),
}

/// A schema of ours: the one we write, and all that we can read.
#[derive(Debug)]
pub(crate) struct RecordSchema {
    current: Schema,
    header: Vec<u8>,
    writers: Vec<Writer>,
}

/// A schema that records may have been written under, and the fingerprints that name it.
#[derive(Debug)]
struct Writer {
    schema: Schema,
    fingerprint: Fingerprint,
    /// Releases up to 0.1 took the fingerprint of a form in which `{"type":"long"}` was not simplified to `"long"`.
    first_releases: Fingerprint,
}

type Fingerprint = [u8; FINGERPRINT_BYTES];

impl RecordSchema {
    /// From the JSON of the current schema and of the earlier ones. They are part of this program, so one that
    /// cannot be parsed is a bug in it.
    pub(crate) fn new(current: &str, earlier: &[&str]) -> Self {
        let writers: Vec<Writer> = std::iter::once(&current)
            .chain(earlier)
            .map(|json| Writer::new(json))
            .collect();
        let current_schema = writers[0].schema.clone();
        let header = [&MARKER[..], &writers[0].fingerprint].concat();
        Self {
            current: current_schema,
            header,
            writers,
        }
    }

    /// Encodes a value that was built for the current schema.
    pub(crate) fn encode(&self, value: Value) -> Vec<u8> {
        let mut out = self.header.clone();
        let writer = GenericDatumWriter::builder(&self.current)
            .build()
            .expect("our own schemas resolve");
        writer
            .write_value(&mut out, value)
            .expect("the value is built for this schema");
        out
    }

    /// Decodes a record of any schema that is known, as a value of the current one.
    pub(crate) fn decode(&self, record: &[u8]) -> Result<Vec<(String, Value)>, RecordError> {
        let Some(rest) = record.strip_prefix(&MARKER) else {
            return Err(RecordError::Framing("the marker C3 01 is missing"));
        };
        let Some((fingerprint, mut datum)) = rest.split_first_chunk::<FINGERPRINT_BYTES>() else {
            return Err(RecordError::Framing("shorter than its header"));
        };
        let writer = self.writers.iter().position(|it| it.is_named(fingerprint));
        let Some(at) = writer else {
            return Err(RecordError::UnknownSchema {
                fingerprint: u64::from_le_bytes(*fingerprint),
            });
        };
        let resolving = GenericDatumReader::builder(&self.writers[at].schema);
        let reader = if at == 0 {
            resolving.build()
        } else {
            resolving.reader_schema(&self.current).build()
        };
        let reader = reader.map_err(|_| RecordError::Malformed("its schema does not resolve"))?;
        let value = reader
            .read_value(&mut datum)
            .map_err(|_| RecordError::Malformed("it cannot be read under its schema"))?;
        if !datum.is_empty() {
            return Err(RecordError::Malformed("trailing bytes"));
        }
        match value {
            Value::Record(fields) => Ok(fields),
            _ => Err(RecordError::Malformed("it is not an Avro record")),
        }
    }
}

impl Writer {
    fn new(json: &str) -> Self {
        let schema = Schema::parse_str(json).expect("our own schemas are valid Avro");
        let mut plain: Json = serde_json::from_str(json).expect("our own schemas are valid JSON");
        strip_logical_types(&mut plain);
        let plain = Schema::parse(&plain).expect("a schema stays valid without its logical types");
        Self {
            fingerprint: fingerprint_of(&plain),
            first_releases: fingerprint_of(&schema),
            schema,
        }
    }

    fn is_named(&self, fingerprint: &Fingerprint) -> bool {
        [self.fingerprint, self.first_releases].contains(fingerprint)
    }
}

/// Takes the logical types away, which the specification's Parsing Canonical Form does not have. The Avro library drops
/// their names and leaves `{"type":"long"}` where the form has `"long"`, so that its fingerprint is not the
/// specification's.
fn strip_logical_types(schema: &mut Json) {
    match schema {
        Json::Object(fields) => {
            fields.remove("logicalType");
            fields.values_mut().for_each(strip_logical_types);
        }
        Json::Array(items) => items.iter_mut().for_each(strip_logical_types),
        _ => {}
    }
}

/// CRC-64-AVRO, in the byte order of the header.
fn fingerprint_of(schema: &Schema) -> Fingerprint {
    let fingerprint = schema.fingerprint::<Rabin>();
    let mut bytes = [0; FINGERPRINT_BYTES];
    for (to, from) in bytes.iter_mut().zip(fingerprint.bytes) {
        *to = from;
    }
    bytes
}

/// The fields of a decoded record, taken one by one.
pub(crate) struct Fields(Vec<(String, Value)>);

impl Fields {
    /// Of a record.
    pub(crate) fn of(value: Value) -> Result<Self, RecordError> {
        match value {
            Value::Record(fields) => Ok(Self(fields)),
            _ => Err(RecordError::Malformed("it is not an Avro record")),
        }
    }

    /// Takes a field.
    pub(crate) fn take(&mut self, name: &str) -> Result<Value, RecordError> {
        let at = self.0.iter().position(|(field, _)| field == name);
        let at = at.ok_or(RecordError::Malformed("a field is missing"))?;
        Ok(self.0.swap_remove(at).1)
    }

    /// Takes a string.
    pub(crate) fn text(&mut self, name: &str) -> Result<String, RecordError> {
        match self.take(name)? {
            Value::String(text) | Value::Enum(_, text) => Ok(text),
            _ => Err(RecordError::Malformed("a field is not a string")),
        }
    }

    /// Takes bytes.
    pub(crate) fn bytes(&mut self, name: &str) -> Result<Vec<u8>, RecordError> {
        match self.take(name)? {
            Value::Bytes(bytes) => Ok(bytes),
            _ => Err(RecordError::Malformed("a field is not bytes")),
        }
    }

    /// Takes bytes that may be missing.
    pub(crate) fn optional_bytes(&mut self, name: &str) -> Result<Option<Vec<u8>>, RecordError> {
        let value = match self.take(name)? {
            Value::Union(_, inner) => *inner,
            other => other,
        };
        match value {
            Value::Null => Ok(None),
            Value::Bytes(bytes) => Ok(Some(bytes)),
            _ => Err(RecordError::Malformed("a field is not bytes")),
        }
    }

    /// Takes a flag.
    pub(crate) fn flag(&mut self, name: &str) -> Result<bool, RecordError> {
        match self.take(name)? {
            Value::Boolean(flag) => Ok(flag),
            _ => Err(RecordError::Malformed("a field is not a boolean")),
        }
    }

    /// Takes an array.
    pub(crate) fn array(&mut self, name: &str) -> Result<Vec<Value>, RecordError> {
        match self.take(name)? {
            Value::Array(items) => Ok(items),
            _ => Err(RecordError::Malformed("a field is not an array")),
        }
    }

    /// Takes an array of strings.
    pub(crate) fn texts(&mut self, name: &str) -> Result<Vec<String>, RecordError> {
        let texts = self.array(name)?.into_iter().map(|item| match item {
            Value::String(text) => Ok(text),
            _ => Err(RecordError::Malformed("an item is not a string")),
        });
        texts.collect()
    }

    /// Takes a whole number.
    pub(crate) fn long(&mut self, name: &str) -> Result<i64, RecordError> {
        match self.take(name)? {
            Value::Int(number) => Ok(i64::from(number)),
            Value::Long(number) | Value::TimestampMicros(number) => Ok(number),
            _ => Err(RecordError::Malformed("a field is not a number")),
        }
    }

    /// Takes a time; one before the epoch counts as not known.
    pub(crate) fn micros(&mut self, name: &str) -> Result<WallMicros, RecordError> {
        let micros = self.long(name)?;
        Ok(WallMicros(u64::try_from(micros).unwrap_or_default()))
    }
}

impl From<Vec<(String, Value)>> for Fields {
    fn from(fields: Vec<(String, Value)>) -> Self {
        Self(fields)
    }
}

/// A time as Avro has it.
pub(crate) fn avro_micros(at: WallMicros) -> Value {
    Value::TimestampMicros(i64::try_from(at.0).unwrap_or(i64::MAX))
}

/// A named field of a record value.
pub(crate) fn avro_field(name: &str, value: Value) -> (String, Value) {
    (name.to_owned(), value)
}

#[cfg(test)]
mod tests;
