//! The elements that a datum is made of: numbers, lengths, bytes. Each takes what it reads from the front.
//!
//! Inlined by force, so that `rest` is two registers; a call would cost more than most of what is done here.

/// What is wrong with a datum, small enough to come back in a register with every value that is read:
/// `Datum::explain` makes the error of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bad {
    Short,
    LongNumber,
    NegativeLength,
    Boolean,
    Branch,
    Symbol,
    EmptyItem,
    LeftOver,
    TooDeep,
    TooManySteps,
    /// The datum stands where the string stops being one.
    Utf8,
}

impl Bad {
    pub(super) fn what(self) -> &'static str {
        match self {
            Self::Short => "the datum ends too early",
            Self::LongNumber => "a number is longer than ten bytes",
            Self::NegativeLength => "a length is negative",
            Self::Boolean => "a boolean is neither 0 nor 1",
            Self::Branch => "unknown branch of a union",
            Self::Symbol => "unknown symbol of an enum",
            Self::EmptyItem => "an item without bytes",
            Self::LeftOver => "trailing bytes",
            Self::TooDeep => "nested too deep",
            Self::TooManySteps => "too many steps",
            Self::Utf8 => "a string is not UTF-8",
        }
    }
}

#[inline(always)]
pub(super) fn boolean(rest: &mut &[u8]) -> Result<bool, Bad> {
    let (&byte, behind) = rest.split_first().ok_or(Bad::Short)?;
    *rest = behind;
    match byte {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Bad::Boolean),
    }
}

#[inline(always)]
pub(super) fn take<'a>(rest: &mut &'a [u8], length: usize) -> Result<&'a [u8], Bad> {
    let (taken, behind) = rest.split_at_checked(length).ok_or(Bad::Short)?;
    *rest = behind;
    Ok(taken)
}

/// A length and so many bytes.
#[inline(always)]
pub(super) fn sized<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], Bad> {
    let length = usize::try_from(long(rest)?).map_err(|_| Bad::NegativeLength)?;
    take(rest, length)
}

/// Whether a union of two has its other branch than `null` here.
#[inline(always)]
pub(super) fn is_there(rest: &mut &[u8], null: u8) -> Result<bool, Bad> {
    match long(rest)? {
        branch if branch == i64::from(null) => Ok(false),
        branch if branch == i64::from(1 - null) => Ok(true),
        _ => Err(Bad::Branch),
    }
}

/// A zigzag number of up to ten bytes. Lengths, branches and most numbers have one.
#[inline(always)]
pub(super) fn long(rest: &mut &[u8]) -> Result<i64, Bad> {
    if let Some((&byte, behind)) = rest.split_first()
        && byte < 0x80
    {
        *rest = behind;
        return Ok(zigzag(u64::from(byte)));
    }
    let (number, behind) = long_of_many(rest)?;
    *rest = behind;
    Ok(number)
}

/// Steps over a number.
#[inline(always)]
pub(super) fn pass_long(rest: &mut &[u8]) -> Result<(), Bad> {
    let behind = match short_length(rest) {
        Some((_, length)) => rest.get(length..).unwrap_or_default(),
        None => long_by_byte(rest)?.1,
    };
    *rest = behind;
    Ok(())
}

#[inline(never)]
fn long_of_many(rest: &[u8]) -> Result<(i64, &[u8]), Bad> {
    let Some((word, length)) = short_length(rest) else {
        return long_by_byte(rest);
    };
    Ok((
        short_value(word, length),
        rest.get(length..).unwrap_or_default(),
    ))
}

/// The number that the first `length` bytes of `word` are.
#[inline(always)]
fn short_value(word: u64, length: usize) -> i64 {
    let mut bits = word & !HIGHEST & (u64::MAX >> (64 - 8 * length));
    bits = (bits & 0x007f_007f_007f_007f) | ((bits & 0x7f00_7f00_7f00_7f00) >> 1);
    bits = (bits & 0x0000_3fff_0000_3fff) | ((bits & 0x3fff_0000_3fff_0000) >> 2);
    bits = (bits & 0x0000_0000_0fff_ffff) | ((bits & 0x0fff_ffff_0000_0000) >> 4);
    zigzag(bits)
}

/// The highest bit of a number's byte says that another one follows.
const HIGHEST: u64 = 0x8080_8080_8080_8080;

/// The next eight bytes and how many of them are the number's, where it ends within them: a time in microseconds does.
#[inline(always)]
fn short_length(rest: &[u8]) -> Option<(u64, usize)> {
    let word = u64::from_le_bytes(*rest.first_chunk::<8>()?);
    ends_within(word).map(|length| (word, length))
}

/// How many bytes of `word` are the number's that it begins with, where it ends within them.
#[inline(always)]
fn ends_within(word: u64) -> Option<usize> {
    let ends = !word & HIGHEST;
    (ends != 0).then(|| ends.trailing_zeros() as usize / 8 + 1)
}

#[inline(never)]
fn long_by_byte(rest: &[u8]) -> Result<(i64, &[u8]), Bad> {
    let mut bits = 0u64;
    let mut rest = rest;
    for shift in (0..64).step_by(7) {
        let (&byte, behind) = rest.split_first().ok_or(Bad::Short)?;
        rest = behind;
        bits |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok((zigzag(bits), rest));
        }
    }
    Err(Bad::LongNumber)
}

fn zigzag(bits: u64) -> i64 {
    (bits >> 1) as i64 ^ -((bits & 1) as i64)
}

/// The next sixteen bytes, read at once: what is as usual is told from them without another look at the datum. Behind the
/// end there are zeros, so a place that was reached by way of them has to be compared with the end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window(u128);

impl Window {
    /// At `at`, which is not behind the end.
    #[inline(always)]
    pub(super) fn of(bytes: &[u8], at: usize) -> Option<Self> {
        let rest = bytes.get(at..)?;
        match rest.first_chunk::<16>() {
            Some(chunk) => Some(Self(u128::from_le_bytes(*chunk))),
            None => Some(Self::at_the_end(rest)),
        }
    }

    #[cold]
    #[inline(never)]
    fn at_the_end(rest: &[u8]) -> Self {
        let mut chunk = [0; 16];
        for (to, from) in chunk.iter_mut().zip(rest) {
            *to = *from;
        }
        Self(u128::from_le_bytes(chunk))
    }

    /// The first byte.
    #[inline(always)]
    pub(super) fn byte(self) -> u8 {
        self.0 as u8
    }

    /// Without the first byte.
    #[inline(always)]
    pub(super) fn behind_branch(self) -> Self {
        Self(self.0 >> 8)
    }

    /// A length of one or two bytes: how many it has itself, and what it says.
    #[inline(always)]
    pub(super) fn length(self) -> Option<(usize, usize)> {
        let (low, high) = (self.0 as u8, (self.0 >> 8) as u8);
        if low & 0x81 == 0 {
            return Some((1, usize::from(low >> 1)));
        }
        let length = usize::from((low & 0x7f) >> 1) + (usize::from(high) << 6);
        (low & 1 == 0 && high < 0x80).then_some((2, length))
    }

    /// How many bytes a number has, of up to nine.
    #[inline(always)]
    pub(super) fn number_bytes(self) -> Option<usize> {
        match ends_within(self.0 as u64) {
            Some(length) => Some(length),
            // Times in nanoseconds have nine bytes.
            None => (((self.0 >> 64) as u8) < 0x80).then_some(9),
        }
    }

    /// A number of up to eight bytes, and how many it has.
    #[inline(always)]
    pub(super) fn number(self) -> Option<(i64, usize)> {
        let length = ends_within(self.0 as u64)?;
        Some((short_value(self.0 as u64, length), length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(number: i64) -> Vec<u8> {
        let mut bits = ((number << 1) ^ (number >> 63)) as u64;
        let mut bytes = Vec::new();
        while bits >= 0x80 {
            bytes.push(bits as u8 | 0x80);
            bits >>= 7;
        }
        bytes.push(bits as u8);
        bytes
    }

    /// Numbers of every length, with enough bytes behind them to be read at once and without.
    #[test]
    fn numbers_are_read_the_same_at_once_and_byte_by_byte() {
        for shift in 0..64 {
            for number in [
                1_i64 << shift,
                (1_i64 << shift).wrapping_neg(),
                (1_i64 << shift).wrapping_sub(1),
            ] {
                let alone = written(number);
                let followed = [&alone[..], &[0xff; 8]].concat();
                for bytes in [&alone, &followed] {
                    let mut rest = &bytes[..];
                    assert_eq!(long(&mut rest), Ok(number));
                    assert_eq!(bytes.len() - rest.len(), alone.len());
                    let mut rest = &bytes[..];
                    assert_eq!(pass_long(&mut rest), Ok(()));
                    assert_eq!(bytes.len() - rest.len(), alone.len());
                    // A window may say that it does not know.
                    let window = Window::of(bytes, 0).expect("the beginning");
                    let taken = window.number_bytes();
                    assert!(taken.is_none_or(|it| it == alone.len()), "{taken:?}");
                    let told = window.number();
                    assert!(
                        told.is_none_or(|it| it == (number, alone.len())),
                        "{told:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn usual_numbers_and_lengths_are_told_at_once() {
        let window = |bytes: &[u8]| Window::of(bytes, 0).expect("the beginning");
        for number in [0, -1, 63, 64, -65, 1_795_000_000_000, 1_795_000_000_000_000] {
            let (alone, length) = (written(number), written(number).len());
            for bytes in [&alone, &[&alone[..], &[0xff; 20]].concat()] {
                assert_eq!(window(bytes).number(), Some((number, length)));
                assert_eq!(window(bytes).number_bytes(), Some(length));
            }
            let followed = [&alone[..], &[0xff; 8]].concat();
            let told = short_length(&followed).map(|(_, length)| length);
            assert_eq!(told, Some(length), "without a look at each byte");
        }
        let nanos = written(1_795_000_000_000_000_000);
        assert_eq!(window(&nanos).number_bytes(), Some(9));
        assert_eq!(window(&nanos).number(), None);
        for length in [0, 1, 63, 64, 8_191] {
            let bytes = written(length);
            assert_eq!(
                window(&bytes).length(),
                Some((bytes.len(), length as usize))
            );
        }
        for length in [8_192, -1, -64, -65] {
            assert_eq!(window(&written(length)).length(), None);
        }
        let behind = window(&[2, 6, 1]).behind_branch();
        assert_eq!((behind.byte(), behind.length()), (6, Some((1, 3))));
        assert!(Window::of(&[1], 2).is_none());
    }

    #[test]
    fn a_union_of_two_has_two_branches() {
        for (null, branches) in [
            (0, [Ok(false), Ok(true), Err(Bad::Branch)]),
            (1, [Ok(true), Ok(false), Err(Bad::Branch)]),
        ] {
            for (branch, wanted) in (0..).zip(branches) {
                assert_eq!(is_there(&mut &written(branch)[..], null), wanted);
            }
            assert_eq!(is_there(&mut &written(-1)[..], null), Err(Bad::Branch));
        }
    }

    #[test]
    fn a_number_that_does_not_end_is_bad() {
        for (bytes, bad) in [(&[0x80; 3][..], Bad::Short), (&[0x80; 16], Bad::LongNumber)] {
            assert_eq!(long(&mut &bytes[..]), Err(bad));
            assert_eq!(pass_long(&mut &bytes[..]), Err(bad));
        }
    }
}
