//! Why a record could not be decoded. No variant carries row data: the texts go to logs and dead letters.

/// A record that cannot be decoded: what is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The value (or the writer schema) is not well-formed JSON.
    #[error("bad JSON at byte {at}: {what}")]
    BadJson {
        /// Bytes read so far.
        at: usize,
        /// What was expected.
        what: &'static str,
    },
    /// A string that is needed is not UTF-8.
    #[error("a string is not UTF-8 at byte {at}")]
    BadUtf8 {
        /// Bytes read so far.
        at: usize,
    },
    /// Brackets or nested types go deeper than the limit.
    #[error("nested deeper than {depth_max} at byte {at}")]
    TooDeep {
        /// Bytes read so far.
        at: usize,
        /// The limit.
        depth_max: usize,
    },
    /// Decoding takes more steps than the limit: the writer schema has types that grow without bytes.
    #[error(
        "writer schema {schema} needs more than {steps_max} steps beyond the value's bytes, at byte {at}"
    )]
    TooManySteps {
        /// The writer schema's id.
        schema: u32,
        /// Bytes read so far.
        at: usize,
        /// The limit.
        steps_max: usize,
    },
    /// The value is larger than the limit.
    #[error("the value has {bytes} bytes, the limit is {bytes_max}")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// Neither JSON nor Avro in Confluent framing.
    #[error("bad framing: {what}")]
    BadFraming {
        /// What is wrong.
        what: &'static str,
    },
    /// The bytes do not fit their Avro writer schema.
    #[error("bad Avro under schema {schema} at byte {at}: {what}")]
    BadAvro {
        /// The writer schema's id.
        schema: u32,
        /// Bytes read so far.
        at: usize,
        /// What is wrong.
        what: &'static str,
    },
    /// The writer schema itself cannot be used.
    #[error("writer schema {id} cannot be used: {what}")]
    BadSchema {
        /// Its id.
        id: u32,
        /// What is wrong, in words about the schema.
        what: String,
    },
    /// Well-formed, but not a change in any form that is known.
    #[error("not a change: {what}")]
    BadEnvelope {
        /// What is missing or wrong.
        what: &'static str,
    },
    /// A record of another system's format.
    #[error("not a Debezium record: it has the format of {format}")]
    Foreign {
        /// The format's name.
        format: &'static str,
    },
    /// The change's `op` is none that is known.
    #[error("unknown op: expected one of c, u, d, r, t, m")]
    UnknownOp,
}

impl DecodeError {
    /// Every reason, as it stands in labels and dead letters.
    pub const REASONS: [&'static str; 11] = [
        "bad_json",
        "bad_utf8",
        "too_deep",
        "too_many_steps",
        "too_large",
        "bad_framing",
        "bad_avro",
        "bad_schema",
        "bad_envelope",
        "foreign_format",
        "unknown_op",
    ];

    /// The reason as it stands in labels and dead letters.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::BadJson { .. } => "bad_json",
            Self::BadUtf8 { .. } => "bad_utf8",
            Self::TooDeep { .. } => "too_deep",
            Self::TooManySteps { .. } => "too_many_steps",
            Self::TooLarge { .. } => "too_large",
            Self::BadFraming { .. } => "bad_framing",
            Self::BadAvro { .. } => "bad_avro",
            Self::BadSchema { .. } => "bad_schema",
            Self::BadEnvelope { .. } => "bad_envelope",
            Self::Foreign { .. } => "foreign_format",
            Self::UnknownOp => "unknown_op",
        }
    }
}
