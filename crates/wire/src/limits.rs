//! How much one record, one schema, and what is remembered between records, may take.

/// Limits of a [`Decoder`](crate::Decoder).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Largest value in bytes.
    pub value_bytes_max: usize,
    /// Deepest nesting of a value, at most 128.
    pub depth_max: usize,
    /// Steps that decoding one Avro value may take beyond one for each of its bytes. A type without bytes, such as a
    /// record of nulls, costs time but no bytes.
    pub steps_max: usize,
    /// Memory of the compiled Avro writer schemas in bytes, estimated from above; the one unused for longest goes first.
    pub writer_schemas_bytes_max: usize,
    /// Types, fields, symbols and union branches of one Avro writer schema. A table of 4096 columns has 25 000.
    pub schema_parts_max: usize,
    /// Largest JSON schema prefix that is remembered, in bytes; longer ones are read each time.
    pub schema_prefix_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            value_bytes_max: 16 << 20,
            depth_max: 64,
            steps_max: 1 << 20,
            writer_schemas_bytes_max: 64 << 20,
            schema_parts_max: 1 << 16,
            schema_prefix_bytes_max: 256 << 10,
        }
    }
}
