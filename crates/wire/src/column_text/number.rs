//! Integers and decimals.

use freshet_core::drift::Drift;
use freshet_core::table::Whole;

use super::verdict::Verdict;
use crate::scalar::{Encoding, Scalar};
use crate::{base64, decimal};

/// Appends an integer.
pub(super) fn push_integer(
    out: &mut String,
    whole: Whole,
    encoding: Encoding,
    value: Scalar<'_>,
) -> Verdict {
    let start = out.len();
    match (value, encoding) {
        (Scalar::Integer(number), _) => out.push_str(itoa::Buffer::new().format(number)),
        (Scalar::Number("-0"), _) => out.push('0'),
        (Scalar::Number(digits), _) if is_integer(digits) => out.push_str(digits),
        // `bigint unsigned` of MySQL, where it is captured precisely.
        (_, Encoding::Decimal { scale: 0 }) => {
            let verdict = push_decimal(out, encoding, Some(0), value);
            if !verdict.certain {
                return verdict;
            }
        }
        _ => return Verdict::UNKNOWN,
    }
    let digits = out.get(start..).unwrap_or_default();
    let negative = digits.starts_with('-');
    // A `bigint unsigned` above the range of a signed number arrives negative.
    if whole.unsigned && negative {
        return match whole.bits {
            64.. => Verdict::UNKNOWN,
            _ => Verdict::contradicted(Drift::Range),
        };
    }
    let drift = (!holds(whole, digits)).then_some(Drift::Range);
    if whole.zerofill > 0 {
        if drift.is_some() {
            return Verdict::UNKNOWN.but(drift);
        }
        let missing = usize::from(whole.zerofill).saturating_sub(digits.len());
        (0..missing).for_each(|_| out.insert(start, '0'));
    }
    Verdict::CERTAIN.but(drift)
}

/// Whether an integer type can hold a number.
fn holds(whole: Whole, digits: &str) -> bool {
    if digits.len() <= digits_that_fit(whole) {
        return true;
    }
    let magnitudes = magnitudes(whole);
    digits
        .parse::<i128>()
        .is_ok_and(|number| number >= -(1 << magnitudes) && number < 1 << magnitudes)
}

/// Bits of the largest number that an integer type holds.
pub(super) fn magnitudes(whole: Whole) -> u32 {
    u32::from(whole.bits) - u32::from(!whole.unsigned)
}

/// So many digits, a sign among them, always fit.
pub(super) fn digits_that_fit(whole: Whole) -> usize {
    match whole.bits {
        0..=8 => 2,
        9..=16 => 4,
        17..=24 => 6,
        25..=32 => 9,
        _ => 18,
    }
}

fn is_integer(number: &str) -> bool {
    let digits = number.strip_prefix('-').unwrap_or(number);
    digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Decimals come in four ways, by the connector's `decimal.handling.mode`: unscaled bytes, with or without a
/// scale of their own, a string of digits, or a double.
pub(super) fn push_decimal(
    out: &mut String,
    encoding: Encoding,
    declared: Option<u8>,
    value: Scalar<'_>,
) -> Verdict {
    let mut buffer = [0; decimal::UNSCALED_BYTES_MAX];
    let certain = match value {
        Scalar::Integer(number) => {
            decimal::push_plain(out, itoa::Buffer::new().format(number), declared)
        }
        Scalar::Number(text) if is_integer(text) => decimal::push_plain(out, text, declared),
        Scalar::Number(text) => text
            .parse()
            .is_ok_and(|number| decimal::push_double(out, number, declared)),
        Scalar::Real(number) => decimal::push_double(out, number, declared),
        Scalar::ScaledBytes { scale, unscaled } => {
            return push_own_scale(out, unscaled, scale, declared);
        }
        Scalar::ScaledBase64 { scale, base64 } => match base64::decode(base64, &mut buffer) {
            Some(unscaled) => return push_own_scale(out, unscaled, scale, declared),
            None => false,
        },
        Scalar::Bytes(unscaled) => match encoding {
            Encoding::Decimal { scale } => return push_scaled(out, unscaled, scale, declared),
            _ => false,
        },
        Scalar::Text(text) => match decimal_text(text, encoding, declared) {
            DecimalText::Digits => return push_digits(out, text, declared),
            DecimalText::Base64 { scale } => match base64::decode(text, &mut buffer) {
                Some(unscaled) => return push_scaled(out, unscaled, scale, declared),
                None => false,
            },
            DecimalText::Unclear => false,
        },
        Scalar::Null | Scalar::Bool(_) | Scalar::Opaque => false,
    };
    certain.into()
}

/// The schema's scale is the column's at that time: where the source file has another, it is out of date.
fn push_scaled(out: &mut String, unscaled: &[u8], scale: i32, declared: Option<u8>) -> Verdict {
    let same = declared.map(i32::from) == Some(scale);
    let certain = decimal::push_unscaled(out, unscaled, scale, None);
    Verdict::from(certain).but((!same).then_some(Drift::Scale))
}

/// Only a column without a declared scale is written with a scale of its own in each value, and without the zeros at its
/// end that the server prints.
fn push_own_scale(out: &mut String, unscaled: &[u8], scale: i32, declared: Option<u8>) -> Verdict {
    match declared {
        None => Verdict::UNKNOWN,
        Some(declared) if i32::from(declared) != scale => Verdict::contradicted(Drift::Scale),
        Some(_) => decimal::push_unscaled(out, unscaled, scale, None).into(),
    }
}

/// A text of digits is written with all that the column holds.
fn push_digits(out: &mut String, text: &str, declared: Option<u8>) -> Verdict {
    let fraction = text.split_once('.').map_or(0, |(_, digits)| digits.len());
    let certain = decimal::push_plain(out, text, None);
    if certain && declared.is_some_and(|declared| usize::from(declared) != fraction) {
        return Verdict::contradicted(Drift::Scale);
    }
    certain.into()
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
