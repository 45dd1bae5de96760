//! One column value as a record carries it, before it becomes the database's own text.

/// A value of a record, borrowed from its bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Scalar<'a> {
    /// NULL.
    Null,
    /// A boolean.
    Bool(bool),
    /// An integer (Avro).
    Integer(i64),
    /// A number as JSON spells it.
    Number(&'a str),
    /// A float (Avro).
    Real(f64),
    /// A string.
    Text(&'a str),
    /// Raw bytes (Avro).
    Bytes(&'a [u8]),
    /// A decimal that carries its own scale, as JSON has it.
    ScaledBase64 {
        /// Digits after the point.
        scale: i32,
        /// The unscaled number, big-endian two's complement, in base64.
        base64: &'a str,
    },
    /// A decimal that carries its own scale, as Avro has it.
    ScaledBytes {
        /// Digits after the point.
        scale: i32,
        /// The unscaled number, big-endian two's complement.
        unscaled: &'a [u8],
    },
    /// An array, a map or a structure: no certain text form.
    Opaque,
}

impl<'a> Scalar<'a> {
    /// The string, if it is one.
    pub(crate) fn as_text(self) -> Option<&'a str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The whole number, if it is one and fits.
    pub(crate) fn as_i64(self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(number),
            Self::Number(digits) => digits.parse().ok(),
            _ => None,
        }
    }

    /// The whole number that is not negative, if it is one and fits.
    pub(crate) fn as_u64(self) -> Option<u64> {
        match self {
            Self::Integer(number) => u64::try_from(number).ok(),
            Self::Number(digits) => digits.parse().ok(),
            _ => None,
        }
    }
}

/// How the capture side wrote a column, where a schema says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Encoding {
    /// The record has no schema.
    #[default]
    Undeclared,
    /// The schema names a plain type: text is text, a number is a number.
    Plain,
    /// Days since the epoch.
    EpochDays,
    /// Milliseconds since the epoch.
    EpochMillis,
    /// Microseconds since the epoch.
    EpochMicros,
    /// Nanoseconds since the epoch.
    EpochNanos,
    /// ISO 8601 text with all digits that the column holds.
    IsoText,
    /// Unscaled bytes of a decimal with this many digits after the point.
    Decimal {
        /// Digits after the point.
        scale: i32,
    },
    /// As a type whose values no column of a certain text has: raw bytes, a time of day, a duration.
    Other,
    /// The connector masked the value or cut it off.
    Altered,
}

impl Encoding {
    /// From the name that Debezium or Kafka Connect gives a logical type.
    pub(crate) fn of_connect_name(name: &str, scale: Option<i32>) -> Self {
        match name {
            "io.debezium.time.Date" | "org.apache.kafka.connect.data.Date" => Self::EpochDays,
            "io.debezium.time.Timestamp" | "org.apache.kafka.connect.data.Timestamp" => {
                Self::EpochMillis
            }
            "io.debezium.time.MicroTimestamp" => Self::EpochMicros,
            "io.debezium.time.NanoTimestamp" => Self::EpochNanos,
            "io.debezium.time.IsoDate"
            | "io.debezium.time.IsoTimestamp"
            | "io.debezium.time.ZonedTimestamp" => Self::IsoText,
            "org.apache.kafka.connect.data.Decimal" => {
                scale.map_or(Self::Plain, |scale| Self::Decimal { scale })
            }
            "io.debezium.time.Year" => Self::Plain,
            "org.apache.kafka.connect.data.Time" => Self::Other,
            _ if name.starts_with("io.debezium.time.") => Self::Other,
            _ => Self::Plain,
        }
    }

    /// What the parameters of Connect's type say, before its name does. `has` tells which there are.
    pub(crate) fn of_connect_parameters(has: impl Fn(&str) -> bool) -> Option<Self> {
        // Debezium names so what `column.mask…` and `column.truncate…` are about.
        let altered = has("masked") || has("truncateLength");
        altered.then_some(Self::Altered)
    }

    /// From the name that the Avro specification gives a logical type.
    pub(crate) fn of_avro_logical_type(name: &str, scale: Option<i32>) -> Self {
        match name {
            "date" => Self::EpochDays,
            "timestamp-millis" | "local-timestamp-millis" => Self::EpochMillis,
            "timestamp-micros" | "local-timestamp-micros" => Self::EpochMicros,
            "timestamp-nanos" | "local-timestamp-nanos" => Self::EpochNanos,
            "decimal" => Self::Decimal {
                scale: scale.unwrap_or(0),
            },
            "time-millis" | "time-micros" | "duration" => Self::Other,
            _ => Self::Plain,
        }
    }
}
