//! How much one record, and what is remembered between records, may take.

/// Limits of a [`Decoder`](crate::Decoder).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Largest value in bytes.
    pub value_bytes_max: usize,
    /// Deepest nesting of a value, at most 128.
    pub depth_max: usize,
    /// Avro writer schemas kept; the one unused for longest goes first.
    pub writer_schemas_max: usize,
    /// Largest JSON schema prefix that is remembered, in bytes; longer ones are read each time.
    pub schema_prefix_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            value_bytes_max: 16 << 20,
            depth_max: 64,
            writer_schemas_max: 1024,
            schema_prefix_bytes_max: 256 << 10,
        }
    }
}
