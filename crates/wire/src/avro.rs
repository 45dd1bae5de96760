//! Records in Confluent framing: a zero byte, the writer schema's id, the Avro datum.
//!
//! Each writer schema is compiled once into a plan that reads bound columns from the bytes and skips the rest.
//! `apache-avro` is the reference that it is tested against; it builds a value for every field instead.

pub(crate) mod bytes;
pub(crate) mod cache;
mod column;
pub(crate) mod datum;
pub(crate) mod plan;
pub(crate) mod read;
pub(crate) mod schema;
pub(crate) mod skip;
mod usual;

use crate::error::DecodeError;

const HEADER_BYTES: usize = 5;

/// Splits a framed record into the writer schema's id and the datum.
pub(crate) fn unframe(record: &[u8]) -> Result<(u32, &[u8]), DecodeError> {
    let Some((header, datum)) = record.split_first_chunk::<HEADER_BYTES>() else {
        return Err(DecodeError::BadFraming {
            what: "shorter than the Confluent header of five bytes",
        });
    };
    let [magic, id @ ..] = *header;
    if magic != 0 {
        return Err(DecodeError::BadFraming {
            what: "the first byte is not zero",
        });
    }
    Ok((u32::from_be_bytes(id), datum))
}
