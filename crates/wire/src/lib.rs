//! Bytes ↔ values: Debezium's records in every form that it writes, and Freshet's own records.
//!
//! Pure: no socket, no runtime, no clock. A [`Decoder`] turns a raw record into a
//! [`Change`](freshet_core::change::Change); [`PurgeRequest`], [`DeadLetter`], [`DeadLetterResolution`] and
//! [`ReadPosition`] are what Freshet itself writes to Kafka, an [`Intent`](freshet_core::intent::Intent) is what others ask
//! it for. Parsers here read what others wrote: they never panic, and
//! what they cannot tell is unknown.

mod asked;
mod avro;
mod base64;
mod boundary;
mod calendar;
mod column_text;
mod dead_letter;
mod dead_letter_resolution;
mod decimal;
mod decode;
mod draft;
mod error;
mod facts;
mod field_schema;
mod foreign;
mod form;
mod images;
mod intent;
mod json;
mod limits;
mod position;
mod purge_request;
mod requests;
mod row_key;
mod row_rules;
mod scalar;
mod schema_default;
mod single_object;
mod skipped;
mod topic_memory;
mod unowned;

pub use boundary::BoundaryRead;
pub use dead_letter::{DeadLetter, RowBytes};
pub use dead_letter_resolution::{DeadLetterResolution, ResolutionAction};
pub use decode::{Decoded, Decoder, SCHEMAS_PER_RECORD};
pub use error::DecodeError;
pub use intent::{decode_intent, encode_intent};
pub use limits::Limits;
pub use position::ReadPosition;
pub use purge_request::{OuterPurges, PurgeRequest, RequestedPurge};
pub use requests::requests_of;
pub use single_object::RecordError;
pub use skipped::Skipped;
