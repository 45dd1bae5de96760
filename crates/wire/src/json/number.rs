//! Runs of digits, eight at a time: a record has a dozen of sixteen and more.

const LOW: u64 = u64::from_ne_bytes([0x0f; 8]);
const ZEROS: u64 = u64::from_ne_bytes([b'0'; 8]);
const SIXES: u64 = u64::from_ne_bytes([6; 8]);

/// Eighteen digits always fit.
const WHOLE_DIGITS_MAX: usize = 18;

/// How many digits are next.
pub(crate) fn digits(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Some(chunk) = bytes.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        if !are_digits(u64::from_le_bytes(*chunk)) {
            break;
        }
        at += 8;
    }
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest
        .iter()
        .position(|byte| !byte.is_ascii_digit())
        .unwrap_or(rest.len())
}

/// The whole number that is next and the length of its text. None where something else is next, or a number that is
/// negative, has a fraction or an exponent, a zero in front or more digits than always fit.
pub(crate) fn whole(bytes: &[u8]) -> Option<(i64, usize)> {
    let (mut value, mut at) = (0_i64, 0);
    while let Some(chunk) = bytes.get(at..).and_then(<[u8]>::first_chunk::<8>)
        && at < WHOLE_DIGITS_MAX - 8
    {
        let word = u64::from_le_bytes(*chunk);
        if !are_digits(word) {
            break;
        }
        value = value * 100_000_000 + i64::from(value_of(word));
        at += 8;
    }
    while let Some(digit @ b'0'..=b'9') = bytes.get(at) {
        if at == WHOLE_DIGITS_MAX {
            return None;
        }
        value = value * 10 + i64::from(digit - b'0');
        at += 1;
    }
    let plain = at == 1 || bytes.first() != Some(&b'0');
    let more = matches!(bytes.get(at), Some(b'.' | b'e' | b'E'));
    (at > 0 && plain && !more).then_some((value, at))
}

/// Whether all eight bytes are digits: their upper halves are 3, and stay so when 6 is added.
fn are_digits(word: u64) -> bool {
    let upper = |word: u64| word & !LOW;
    upper(word) == ZEROS && upper(word.wrapping_add(SIXES)) == ZEROS
}

/// The number that eight digits spell, the first of them in the lowest byte.
fn value_of(word: u64) -> u32 {
    let pairs = (word & LOW).wrapping_mul(2_561) >> 8;
    let fours = (pairs & 0x00ff_00ff_00ff_00ff).wrapping_mul(6_553_601) >> 16;
    ((fours & 0x0000_ffff_0000_ffff).wrapping_mul(42_949_672_960_001) >> 32) as u32
}

#[cfg(test)]
mod tests;
