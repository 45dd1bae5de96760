//! Decimals as the database prints them: plain digits, with exactly the declared digits after the point.

/// A number with more unscaled bytes than this is not rendered (the column is unknown).
pub(crate) const UNSCALED_BYTES_MAX: usize = 256;

/// A number with more digits after the point than this, or zeros before it, is not rendered.
const SCALE_MAX: u32 = 1000;
/// A double holds every decimal of so many digits exactly enough to print it back.
const DOUBLE_DIGITS: u8 = 15;

/// Appends the number `unscaled × 10^-scale` (`unscaled` is big-endian two's complement), with `declared`
/// digits after the point when the column declares them. False when it has no certain text.
pub(crate) fn push_unscaled(
    out: &mut String,
    unscaled: &[u8],
    scale: i32,
    declared: Option<u8>,
) -> bool {
    if unscaled.is_empty() || unscaled.len() > UNSCALED_BYTES_MAX {
        return false;
    }
    let negative = unscaled.first().is_some_and(|byte| *byte >= 0x80);
    if unscaled.len() > 16 {
        let digits = long_digits(unscaled, negative);
        return push_digits(
            out,
            Integer {
                negative,
                digits: &digits,
            },
            scale,
            declared,
        );
    }
    let mut wide = [if negative { 0xff } else { 0 }; 16];
    for (to, from) in wide.iter_mut().rev().zip(unscaled.iter().rev()) {
        *to = *from;
    }
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(i128::from_be_bytes(wide).unsigned_abs());
    push_digits(out, Integer { negative, digits }, scale, declared)
}

/// Appends a decimal that came as text (`-12.5`), with `declared` digits after the point. False when it is
/// not a plain number, or has more digits than the column declares.
pub(crate) fn push_plain(out: &mut String, text: &str, declared: Option<u8>) -> bool {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let point_alone = fraction.is_empty() && digits.len() > whole.len();
    if whole.is_empty() || point_alone || !is_number(whole) || !is_number(fraction) {
        return false;
    }
    let padding = match declared.map(usize::from) {
        Some(declared) if declared < fraction.len() => return false,
        Some(declared) => declared - fraction.len(),
        None => 0,
    };
    if negative && digits.bytes().any(|byte| matches!(byte, b'1'..=b'9')) {
        out.push('-');
    }
    let whole = whole.trim_start_matches('0');
    out.push_str(if whole.is_empty() { "0" } else { whole });
    if fraction.len() + padding > 0 {
        out.push('.');
        out.push_str(fraction);
        push_zeros(out, padding);
    }
    true
}

/// Appends a decimal that came as a double. Only a declared scale, and a number that a double holds without
/// loss, give a certain text.
pub(crate) fn push_double(out: &mut String, number: f64, declared: Option<u8>) -> bool {
    use std::fmt::Write as _;
    let Some(scale) = declared.filter(|scale| *scale <= DOUBLE_DIGITS) else {
        return false;
    };
    let exact = number.is_finite()
        && number.abs() * 10f64.powi(i32::from(scale)) < 10f64.powi(i32::from(DOUBLE_DIGITS));
    if !exact {
        return false;
    }
    let start = out.len();
    if write!(out, "{number:.*}", usize::from(scale)).is_err() {
        return false;
    }
    // The database has no negative zero.
    let printed = out.get(start..).unwrap_or_default();
    if printed.starts_with('-') && !printed.bytes().any(|byte| matches!(byte, b'1'..=b'9')) {
        out.remove(start);
    }
    true
}

/// A number as its sign and the digits behind that.
#[derive(Debug, Clone, Copy)]
struct Integer<'a> {
    negative: bool,
    digits: &'a str,
}

/// Appends digits with a point `scale` places from the right.
fn push_digits(
    out: &mut String,
    Integer { negative, digits }: Integer<'_>,
    scale: i32,
    declared: Option<u8>,
) -> bool {
    if scale.unsigned_abs() > SCALE_MAX {
        return false;
    }
    let digits = digits.trim_start_matches('0');
    // A negative scale (1E+3) stands for zeros behind the digits.
    let appended = scale.min(0).unsigned_abs() as usize;
    let scale = scale.max(0) as usize;
    let padding = match declared.map(usize::from) {
        Some(declared) if declared < scale => return false,
        Some(declared) => declared - scale,
        None => 0,
    };
    if negative && !digits.is_empty() {
        out.push('-');
    }
    let whole = digits.len().saturating_sub(scale);
    if whole == 0 {
        out.push('0');
    } else {
        out.push_str(digits.get(..whole).unwrap_or_default());
        push_zeros(out, appended);
    }
    if scale + padding > 0 {
        out.push('.');
        push_zeros(out, scale.saturating_sub(digits.len()));
        out.push_str(digits.get(whole..).unwrap_or_default());
        push_zeros(out, padding);
    }
    true
}

fn push_zeros(out: &mut String, count: usize) {
    out.extend(std::iter::repeat_n('0', count));
}

/// Divides by 10^9 again and again; only numbers beyond 38 digits come here.
fn long_digits(unscaled: &[u8], negative: bool) -> String {
    let mut limbs: Vec<u32> = Vec::with_capacity(unscaled.len() / 4 + 1);
    let mut carry = u32::from(negative);
    for chunk in unscaled.rchunks(4) {
        let mut wide = [if negative { 0xff } else { 0 }; 4];
        for (to, from) in wide.iter_mut().rev().zip(chunk.iter().rev()) {
            *to = *from;
        }
        let limb = u32::from_be_bytes(wide);
        let magnitude = if negative { !limb } else { limb };
        let (sum, over) = magnitude.overflowing_add(carry);
        carry = u32::from(over);
        limbs.push(sum);
    }
    limbs.push(carry);
    let mut groups = Vec::new();
    while limbs.iter().any(|limb| *limb != 0) {
        let mut rest = 0u64;
        for limb in limbs.iter_mut().rev() {
            let dividend = (rest << 32) | u64::from(*limb);
            *limb = (dividend / 1_000_000_000) as u32;
            rest = dividend % 1_000_000_000;
        }
        groups.push(rest);
    }
    groups
        .iter()
        .rev()
        .map(|group| format!("{group:09}"))
        .collect()
}

#[cfg(test)]
mod tests;
