//! Records written by Kafka Connect's JSON converter.

pub(crate) mod cursor;
pub(crate) mod envelope;
pub(crate) mod flattened;
pub(crate) mod number;
pub(crate) mod row;
pub(crate) mod schema_prefix;
pub(crate) mod text;
pub(crate) mod track;
pub(crate) mod tree;
