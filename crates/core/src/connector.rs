//! Settings of the connector, as stated in a source file. A setting that is not stated is unknown.

use std::sync::Arc;

use crate::setting;
pub use crate::setting::Setting;

setting! {
    /// Debezium's `time.precision.mode`.
    TimePrecision {
        /// The unit follows from the column's digits.
        Adaptive = "adaptive",
        /// The same; times of day are always microseconds.
        AdaptiveTimeMicroseconds = "adaptive_time_microseconds",
        /// Kafka Connect's own types: milliseconds, whatever the column holds.
        Connect = "connect",
        /// ISO 8601 text.
        IsoString = "isostring",
        /// Microseconds for every column.
        Microseconds = "microseconds",
        /// Nanoseconds for every column.
        Nanoseconds = "nanoseconds",
    }
}

setting! {
    /// Debezium's `decimal.handling.mode`.
    DecimalMode {
        /// Unscaled bytes.
        Precise = "precise",
        /// The number as text.
        String = "string",
        /// A double.
        Double = "double",
    }
}

setting! {
    /// Debezium's `bigint.unsigned.handling.mode`.
    BigintUnsigned {
        /// A signed number: values above its range become negative.
        Long = "long",
        /// Unscaled bytes.
        Precise = "precise",
    }
}

setting! {
    /// Debezium's `binary.handling.mode`.
    BinaryMode {
        /// Bytes.
        Bytes = "bytes",
        /// Text in base64.
        Base64 = "base64",
        /// Text in base64 with `-` and `_`.
        Base64UrlSafe = "base64-url-safe",
        /// Text in hexadecimal digits.
        Hex = "hex",
    }
}

setting! {
    /// What a record with a key and no value means.
    Tombstones {
        /// It follows the record of the delete and adds nothing.
        AfterDelete = "after_delete",
        /// It is the delete.
        AsDelete = "as_delete",
        /// The connector writes none.
        None = "none",
    }
}

setting! {
    /// Debezium's `field.name.adjustment.mode`.
    FieldNames {
        /// Columns keep their names.
        AsIs = "as_is",
        /// What Avro does not allow becomes `_`.
        Avro = "avro",
        /// What Avro does not allow becomes `_uxxxx`.
        AvroUnicode = "avro_unicode",
    }
}

setting! {
    /// Whether MySQL's zero dates (`0000-00-00`) may be in a table. Debezium writes them as the epoch or as NULL.
    ZeroDates {
        /// The server refuses them and none was stored before.
        Never = "never",
        /// They may occur.
        Possible = "possible",
    }
}

/// Settings of one connector, as stated in its source file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Connector {
    /// How dates and times are written.
    pub time_precision: Option<TimePrecision>,
    /// How decimals are written.
    pub decimal: Option<DecimalMode>,
    /// How MySQL's `bigint unsigned` is written.
    pub bigint_unsigned: Option<BigintUnsigned>,
    /// How binary columns are written.
    pub binary: Option<BinaryMode>,
    /// Placeholder for a value that is not in the log.
    pub unavailable_placeholder: Option<Arc<str>>,
    /// Whether the converter writes NULL as NULL even if the column has a default.
    pub keeps_nulls: bool,
    /// Meaning of a record without a value.
    pub tombstones: Option<Tombstones>,
    /// How column names are adjusted.
    pub field_names: Option<FieldNames>,
    /// Whether zero dates may occur.
    pub zero_dates: Option<ZeroDates>,
}
