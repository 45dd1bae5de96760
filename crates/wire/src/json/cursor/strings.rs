//! Strings: to their closing quote, with their escapes checked.

use super::{Cursor, WHAT_ESCAPE};
use crate::error::DecodeError;
use crate::json::number;
use crate::json::text::{plain_prefix, unescape};

const WHAT_STRING: &str = "unterminated or unescaped string";

impl<'a> Cursor<'a> {
    /// Takes Postgres' `source.sequence`, an array in a string, in the only spelling that Debezium has for two LSNs:
    /// `"[\"1\",\"2\"]"`. None, and nothing is taken, where it is spelt otherwise.
    pub(crate) fn lsns(&mut self) -> Option<(u64, u64)> {
        let whole = self.bytes.get(self.at..)?;
        let rest = whole.strip_prefix(b"\"[\\\"")?;
        let (commit, taken) = number::whole(rest)?;
        let rest = rest.get(taken..)?.strip_prefix(b"\\\",\\\"")?;
        let (event, taken) = number::whole(rest)?;
        let rest = rest.get(taken..)?.strip_prefix(b"\\\"]\"")?;
        self.at += whole.len() - rest.len();
        Some((u64::try_from(commit).ok()?, u64::try_from(event).ok()?))
    }

    /// The rest of a string whose opening quote is taken.
    pub(super) fn text<'s>(&mut self, scratch: &'s mut String) -> Result<&'s str, DecodeError>
    where
        'a: 's,
    {
        let start = self.at;
        let (raw, escaped) = self.string_body()?;
        if !escaped {
            return std::str::from_utf8(raw).map_err(|err| DecodeError::BadUtf8 {
                at: start + err.valid_up_to(),
            });
        }
        scratch.clear();
        match unescape(raw, scratch) {
            Some(()) => Ok(scratch),
            None if std::str::from_utf8(raw).is_err() => Err(DecodeError::BadUtf8 { at: start }),
            None => Err(self.bad(WHAT_ESCAPE)),
        }
    }

    /// Takes a string to its closing quote; the opening one is taken. True when it holds escapes.
    pub(super) fn string_body(&mut self) -> Result<(&'a [u8], bool), DecodeError> {
        let start = self.at;
        let mut escaped = false;
        loop {
            self.at += plain_prefix(self.bytes.get(self.at..).unwrap_or_default());
            match self.bytes.get(self.at) {
                Some(b'"') => {
                    let body = self.bytes.get(start..self.at).unwrap_or_default();
                    self.at += 1;
                    return Ok((body, escaped));
                }
                Some(b'\\') => {
                    escaped = true;
                    self.at += 1;
                    self.escape()?;
                }
                _ => return Err(self.bad(WHAT_STRING)),
            }
        }
    }

    /// Checks what follows a backslash.
    fn escape(&mut self) -> Result<(), DecodeError> {
        match self.bytes.get(self.at) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.at += 1;
                Ok(())
            }
            Some(b'u')
                if self
                    .bytes
                    .get(self.at + 1..self.at + 5)
                    .is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)) =>
            {
                self.at += 5;
                Ok(())
            }
            _ => Err(self.bad(WHAT_ESCAPE)),
        }
    }
}
