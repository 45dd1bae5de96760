//! Nearly every value is plainly one that its column holds, and its text is certain without another look.

use freshet_core::table::{Blanks, ColumnKind, Whole};

use super::number::{digits_that_fit, magnitudes};
use crate::field_schema::Nulls;

/// Which values of a column are plain.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plain {
    /// Numbers from this one …
    least: i64,
    /// … to this one.
    most: i64,
    /// Numbers of fewer characters, all of them digits.
    fewer_digits: usize,
    /// ASCII texts of fewer bytes.
    fewer_bytes: usize,
}

impl Plain {
    const NONE: Self = Self {
        least: 0,
        most: -1,
        fewer_digits: 0,
        fewer_bytes: 0,
    };

    /// Of a column of this kind.
    pub(super) fn of(kind: ColumnKind, nulls: Nulls) -> Self {
        if matches!(nulls, Nulls::Default(_) | Nulls::Any) {
            return Self::NONE;
        }
        match kind {
            ColumnKind::Integer(whole) if whole.zerofill == 0 => {
                let (least, most) = range(whole);
                Self {
                    least,
                    most,
                    fewer_digits: digits_that_fit(whole) + 1,
                    ..Self::NONE
                }
            }
            ColumnKind::Text(chars) if chars.blanks == Blanks::Kept => Self {
                fewer_bytes: match chars.max {
                    0 => usize::MAX,
                    max => max as usize + 1,
                },
                ..Self::NONE
            },
            _ => Self::NONE,
        }
    }

    #[inline(always)] // as the two below: in `set`, which is called for each bound column of each record
    pub(super) fn has_number(&self, number: i64) -> bool {
        self.least <= number && number <= self.most
    }

    /// A number as JSON has it.
    #[inline(always)]
    pub(super) fn has_digits(&self, number: &str) -> bool {
        number.len() < self.fewer_digits && number.bytes().all(|byte| byte.is_ascii_digit())
    }

    /// A text that no connector writes for a value that it does not have: those begin with `__`, or with `X19` in base64.
    #[inline(always)]
    pub(super) fn has_text(&self, text: &str) -> bool {
        text.len() < self.fewer_bytes
            && !matches!(text.as_bytes(), [b'_' | b'X', ..])
            && text.is_ascii()
    }
}

/// The numbers of a type, as far as 64 bits with a sign hold them.
fn range(whole: Whole) -> (i64, i64) {
    let most = i64::MAX >> (63 - magnitudes(whole).min(63));
    (if whole.unsigned { 0 } else { !most }, most)
}

#[cfg(test)]
mod tests;
