//! One value of a record → the text that the database itself would print, or unknown. Never a guess.

use freshet_core::image::Image;
use freshet_core::table::{ColumnKind, ColumnSlot, Engine};

use crate::scalar::{Encoding, Scalar};
use crate::{base64, calendar, decimal};

/// What Debezium writes for a column that the log does not hold (an unchanged TOAST value).
const UNAVAILABLE: &str = "__debezium_unavailable_value";
/// The same as JSON has it for `bytea`.
const UNAVAILABLE_BASE64: &str = "X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==";

/// Where a value goes and how it is to be read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BoundColumn {
    /// Where.
    pub(crate) slot: ColumnSlot,
    /// What the registry declares.
    pub(crate) kind: ColumnKind,
    /// What the record's schema says.
    pub(crate) encoding: Encoding,
    /// Who wrote the log.
    pub(crate) engine: Engine,
}

/// Sets a column of `image` from a record's value.
pub(crate) fn set(image: &mut Image, column: BoundColumn, value: Scalar<'_>) {
    // Known also for NULL: an opaque column is always unknown.
    if column.kind == ColumnKind::Opaque || is_unavailable(value) {
        image.set_unknown(column.slot);
        return;
    }
    if value == Scalar::Null {
        image.set_null(column.slot);
        return;
    }
    let mut certain = false;
    image.write(column.slot, |out| certain = push(out, column, value));
    if !certain {
        image.set_unknown(column.slot);
    }
}

fn is_unavailable(value: Scalar<'_>) -> bool {
    match value {
        Scalar::Text(text) => text == UNAVAILABLE || text == UNAVAILABLE_BASE64,
        Scalar::Bytes(bytes) => bytes == UNAVAILABLE.as_bytes(),
        _ => false,
    }
}

/// Appends the text. False when it is not certain; what was appended then is of no use.
fn push(out: &mut String, column: BoundColumn, value: Scalar<'_>) -> bool {
    match column.kind {
        ColumnKind::Integer => push_integer(out, column.encoding, value),
        ColumnKind::Text => push_text(out, value),
        ColumnKind::Uuid => push_uuid(out, value),
        ColumnKind::Bool => push_bool(out, value),
        ColumnKind::Decimal { scale } => push_decimal(out, (column.encoding, scale), value),
        ColumnKind::Date => push_date(out, column.encoding, value),
        ColumnKind::Timestamp => match timestamp_micros(column, value) {
            Some(micros) => calendar::push_timestamp(out, micros),
            None => false,
        },
        ColumnKind::TimestampTz => match timestamptz_micros(column.encoding, value) {
            Some(micros) => {
                let printed = calendar::push_timestamp(out, micros);
                out.push_str("+00");
                printed
            }
            None => false,
        },
        ColumnKind::Opaque => false,
    }
}

fn push_integer(out: &mut String, encoding: Encoding, value: Scalar<'_>) -> bool {
    match (value, encoding) {
        (Scalar::Integer(number), _) => out.push_str(itoa::Buffer::new().format(number)),
        (Scalar::Number("-0"), _) => out.push('0'),
        (Scalar::Number(digits), _) if is_integer(digits) => out.push_str(digits),
        // `bigint unsigned` of MySQL, where it is captured precisely.
        (_, Encoding::Decimal { scale: 0 }) => {
            return push_decimal(out, (encoding, Some(0)), value);
        }
        _ => return false,
    }
    true
}

fn is_integer(number: &str) -> bool {
    let digits = number.strip_prefix('-').unwrap_or(number);
    digits.bytes().all(|byte| byte.is_ascii_digit())
}

fn push_text(out: &mut String, value: Scalar<'_>) -> bool {
    match value {
        Scalar::Text(text) => {
            out.push_str(text);
            true
        }
        _ => false,
    }
}

fn push_uuid(out: &mut String, value: Scalar<'_>) -> bool {
    let Scalar::Text(text) = value else {
        return false;
    };
    let well_formed = text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        });
    if well_formed {
        out.extend(text.chars().map(|digit| digit.to_ascii_lowercase()));
    }
    well_formed
}

/// MySQL has no boolean of its own: `tinyint(1)` comes as 0 or 1.
fn push_bool(out: &mut String, value: Scalar<'_>) -> bool {
    let truth = match value {
        Scalar::Bool(truth) => truth,
        _ => match value.as_i64() {
            Some(0) => false,
            Some(1) => true,
            _ => return false,
        },
    };
    out.push_str(if truth { "true" } else { "false" });
    true
}

/// Decimals come in four ways, by the connector's `decimal.handling.mode`: unscaled bytes, with or without a
/// scale of their own, a string of digits, or a double.
fn push_decimal(
    out: &mut String,
    (encoding, declared): (Encoding, Option<u8>),
    value: Scalar<'_>,
) -> bool {
    let mut buffer = [0; decimal::UNSCALED_BYTES_MAX];
    match value {
        Scalar::Integer(number) => {
            decimal::push_plain(out, itoa::Buffer::new().format(number), declared)
        }
        Scalar::Number(text) if is_integer(text) => decimal::push_plain(out, text, declared),
        Scalar::Number(text) => text
            .parse()
            .is_ok_and(|number| decimal::push_double(out, number, declared)),
        Scalar::Real(number) => decimal::push_double(out, number, declared),
        Scalar::ScaledBytes { scale, unscaled } => {
            decimal::push_unscaled(out, unscaled, scale, declared)
        }
        Scalar::ScaledBase64 { scale, base64 } => match base64::decode(base64, &mut buffer) {
            Some(unscaled) => decimal::push_unscaled(out, unscaled, scale, declared),
            None => false,
        },
        Scalar::Bytes(unscaled) => match encoding {
            Encoding::Decimal { scale } => decimal::push_unscaled(out, unscaled, scale, declared),
            _ => false,
        },
        Scalar::Text(text) => match decimal_text(text, encoding, declared) {
            DecimalText::Digits => decimal::push_plain(out, text, declared),
            DecimalText::Base64 { scale } => match base64::decode(text, &mut buffer) {
                Some(unscaled) => decimal::push_unscaled(out, unscaled, scale, declared),
                None => false,
            },
            DecimalText::Unclear => false,
        },
        Scalar::Null | Scalar::Bool(_) | Scalar::Opaque => false,
    }
}

enum DecimalText {
    Digits,
    Base64 { scale: i32 },
    Unclear,
}

/// What a decimal's string is. Without a schema `1234` may be a number or the base64 of three bytes: told apart
/// by the point, which a number with a declared scale always has.
fn decimal_text(text: &str, encoding: Encoding, declared: Option<u8>) -> DecimalText {
    match (encoding, declared) {
        (Encoding::Decimal { scale }, _) => DecimalText::Base64 { scale },
        (Encoding::Undeclared, Some(scale)) => {
            let is_base64 =
                text.len().is_multiple_of(4) && !text.is_empty() && !text.contains(['.', '-']);
            match (is_base64, scale) {
                (false, _) => DecimalText::Digits,
                (true, 0) if is_integer(text) => DecimalText::Unclear,
                (true, _) => DecimalText::Base64 {
                    scale: i32::from(scale),
                },
            }
        }
        _ => DecimalText::Digits,
    }
}

fn push_date(out: &mut String, encoding: Encoding, value: Scalar<'_>) -> bool {
    let days = match (value, encoding) {
        (Scalar::Text(text), _) => calendar::parse_days(text.strip_suffix('Z').unwrap_or(text)),
        (_, Encoding::Undeclared | Encoding::EpochDays) => value.as_i64(),
        _ => None,
    };
    days.is_some_and(|days| calendar::push_date(out, days))
}

fn timestamp_micros(column: BoundColumn, value: Scalar<'_>) -> Option<i64> {
    match (value, column.encoding) {
        (Scalar::Text(text), _) => calendar::parse_timestamp(text),
        // MySQL columns of up to three digits come in milliseconds: without a schema nothing tells.
        (_, Encoding::Undeclared) if column.engine == Engine::Postgres => value.as_i64(),
        (_, encoding) => epoch_micros(encoding, value),
    }
}

fn timestamptz_micros(encoding: Encoding, value: Scalar<'_>) -> Option<i64> {
    match value {
        Scalar::Text(text) => calendar::parse_timestamp(text),
        _ => epoch_micros(encoding, value),
    }
}

fn epoch_micros(encoding: Encoding, value: Scalar<'_>) -> Option<i64> {
    let number = value.as_i64()?;
    match encoding {
        Encoding::EpochMillis => number.checked_mul(1000),
        Encoding::EpochMicros => Some(number),
        Encoding::EpochNanos if number % 1000 == 0 => Some(number / 1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
