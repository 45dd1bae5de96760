//! A pull reader over JSON bytes that visits what is wanted and checks and skips the rest.
//!
//! It builds no tree and allocates nothing: names and numbers are slices of the record, strings too unless
//! they hold an escape. Tested against `serde_json` as the reference.

use super::number;
use super::text::{plain_prefix, unescape};
use crate::error::DecodeError;
use crate::scalar::Scalar;

/// Open brackets of a skipped value are remembered in a `u128`, one bit each.
pub(crate) const DEPTH_MAX: usize = 128;

const WHAT_VALUE: &str = "expected a value";
const WHAT_ESCAPE: &str = "bad escape";
const WHAT_NUMBER: &str = "bad number";
const WHAT_STRING: &str = "unterminated or unescaped string";

/// A place in a JSON text.
#[derive(Debug, Clone)]
pub(crate) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    depth: usize,
    depth_max: usize,
}

impl<'a> Cursor<'a> {
    /// At the beginning of `bytes`.
    pub(crate) fn new(bytes: &'a [u8], depth_max: usize) -> Self {
        Self {
            bytes,
            at: 0,
            depth: 0,
            depth_max: depth_max.min(DEPTH_MAX),
        }
    }

    /// The same text, further on, inside `depth` open brackets.
    pub(crate) fn starting_at(mut self, at: usize, depth: usize) -> Self {
        self.at = at;
        self.depth = depth;
        self
    }

    /// The whole text.
    pub(crate) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Open brackets around this place.
    pub(crate) fn depth(&self) -> usize {
        self.depth
    }

    /// Takes exactly `literal`, which leads into `depth` open brackets. None when something else is next.
    pub(crate) fn take(&mut self, literal: &[u8], depth: usize) -> Option<()> {
        if !self.bytes.get(self.at..)?.starts_with(literal) {
            return None;
        }
        self.at += literal.len();
        self.depth = depth;
        Some(())
    }

    /// Bytes read so far.
    pub(crate) fn position(&self) -> usize {
        self.at
    }

    /// The next byte that is not blank, without taking it.
    pub(crate) fn peek(&mut self) -> Option<u8> {
        loop {
            match self.bytes.get(self.at) {
                Some(b' ' | b'\n' | b'\t' | b'\r') => self.at += 1,
                other => return other.copied(),
            }
        }
    }

    /// Takes `wanted`, the next byte that is not blank.
    pub(crate) fn demand(&mut self, wanted: u8, what: &'static str) -> Result<(), DecodeError> {
        if self.peek() == Some(wanted) {
            self.at += 1;
            return Ok(());
        }
        Err(self.bad(what))
    }

    /// Only blanks may follow.
    pub(crate) fn end(&mut self) -> Result<(), DecodeError> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.bad("expected the end of the record")),
        }
    }

    /// Walks an object: `field` is called with each name and must take exactly its value.
    pub(crate) fn object(
        &mut self,
        mut field: impl FnMut(&mut Self, &[u8]) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        self.demand(b'{', "expected an object")?;
        self.descend()?;
        if self.peek() == Some(b'}') {
            self.at += 1;
            self.depth -= 1;
            return Ok(());
        }
        loop {
            let (name, escaped) = self.name()?;
            if escaped {
                let mut text = String::new();
                unescape(name, &mut text).ok_or_else(|| self.bad(WHAT_ESCAPE))?;
                field(self, text.as_bytes())?;
            } else {
                field(self, name)?;
            }
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    self.depth -= 1;
                    return Ok(());
                }
                _ => return Err(self.bad("expected , or }")),
            }
        }
    }

    /// A name and the colon behind it; true when the name holds escapes.
    pub(crate) fn name(&mut self) -> Result<(&'a [u8], bool), DecodeError> {
        self.demand(b'"', "expected a name")?;
        let name = self.string_body()?;
        self.demand(b':', "expected :")?;
        Ok(name)
    }

    /// Takes `null` if it is next.
    pub(crate) fn null(&mut self) -> Result<bool, DecodeError> {
        if self.peek() != Some(b'n') {
            return Ok(false);
        }
        self.literal(b"null")?;
        Ok(true)
    }

    /// Takes a value. Objects and arrays come back as [`Scalar::Opaque`], except the `{"scale","value"}` of a
    /// decimal without declared scale. `scratch` holds what had to be unescaped.
    pub(crate) fn scalar<'s>(&mut self, scratch: &'s mut String) -> Result<Scalar<'s>, DecodeError>
    where
        'a: 's,
    {
        match self.peek() {
            Some(b'"') => {
                self.at += 1;
                self.text(scratch).map(Scalar::Text)
            }
            Some(b'{') => self.scaled_decimal(scratch),
            Some(b'[') => {
                self.skip()?;
                Ok(Scalar::Opaque)
            }
            Some(b't') => self.literal(b"true").map(|()| Scalar::Bool(true)),
            Some(b'f') => self.literal(b"false").map(|()| Scalar::Bool(false)),
            Some(b'n') => self.literal(b"null").map(|()| Scalar::Null),
            Some(b'-' | b'0'..=b'9') => self.number().map(Scalar::Number),
            _ => Err(self.bad(WHAT_VALUE)),
        }
    }

    /// As [`scalar`](Self::scalar), for a value of which only a whole number's value counts, and not its spelling.
    pub(crate) fn fact<'s>(&mut self, scratch: &'s mut String) -> Result<Scalar<'s>, DecodeError>
    where
        'a: 's,
    {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        match number::whole(rest) {
            Some((value, taken)) => {
                self.at += taken;
                Ok(Scalar::Integer(value))
            }
            None => self.scalar(scratch),
        }
    }

    /// As [`skip`](Self::skip), quicker where the value is next, and a string or a number.
    pub(crate) fn pass(&mut self) -> Result<(), DecodeError> {
        match self.bytes.get(self.at) {
            Some(b'"') => {
                self.at += 1;
                self.string_body().map(drop)
            }
            Some(b'-' | b'0'..=b'9') => self.pass_number(),
            _ => self.skip(),
        }
    }

    /// Checks and skips one value of any kind.
    pub(crate) fn skip(&mut self) -> Result<(), DecodeError> {
        let mut objects: u128 = 0;
        let mut open = 0usize;
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    self.string_body()?;
                }
                Some(bracket @ (b'{' | b'[')) => {
                    self.at += 1;
                    open += 1;
                    if self.depth + open > self.depth_max {
                        return Err(self.too_deep());
                    }
                    objects = (objects << 1) | u128::from(bracket == b'{');
                    // An empty pair of brackets is closed below.
                    match (bracket, self.peek()) {
                        (b'{', Some(b'}')) | (b'[', Some(b']')) => {}
                        (b'{', _) => {
                            self.name()?;
                            continue;
                        }
                        _ => continue,
                    }
                }
                Some(b't') => self.literal(b"true")?,
                Some(b'f') => self.literal(b"false")?,
                Some(b'n') => self.literal(b"null")?,
                Some(b'-' | b'0'..=b'9') => self.pass_number()?,
                _ => return Err(self.bad(WHAT_VALUE)),
            }
            if self.close(&mut objects, &mut open)? {
                return Ok(());
            }
        }
    }

    /// After a skipped value: closes brackets. True when the outermost value is complete, false when another
    /// value follows.
    fn close(&mut self, objects: &mut u128, open: &mut usize) -> Result<bool, DecodeError> {
        while *open > 0 {
            let in_object = *objects & 1 == 1;
            match (self.peek(), in_object) {
                (Some(b','), true) => {
                    self.at += 1;
                    self.name()?;
                    return Ok(false);
                }
                (Some(b','), false) => {
                    self.at += 1;
                    return Ok(false);
                }
                (Some(b'}'), true) | (Some(b']'), false) => {
                    self.at += 1;
                    *open -= 1;
                    *objects >>= 1;
                }
                _ => return Err(self.bad("expected , or a closing bracket")),
            }
        }
        Ok(true)
    }

    /// `{"scale":2,"value":"<base64>"}`, or any other object as opaque.
    fn scaled_decimal<'s>(&mut self, scratch: &'s mut String) -> Result<Scalar<'s>, DecodeError>
    where
        'a: 's,
    {
        let (mut scale, mut value, mut others) = (None, false, false);
        self.object(|cursor, name| match (name, cursor.peek()) {
            (b"scale", Some(b'-' | b'0'..=b'9')) => {
                scale = cursor.number()?.parse::<i32>().ok();
                Ok(())
            }
            (b"value", Some(b'"')) => {
                cursor.at += 1;
                let (raw, _) = cursor.string_body()?;
                scratch.clear();
                value = unescape(raw, scratch).is_some();
                Ok(())
            }
            _ => {
                others = true;
                cursor.skip()
            }
        })?;
        match scale {
            Some(scale) if value && !others => Ok(Scalar::ScaledBase64 {
                scale,
                base64: scratch,
            }),
            _ => Ok(Scalar::Opaque),
        }
    }

    fn literal(&mut self, word: &[u8]) -> Result<(), DecodeError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        if !rest.starts_with(word) {
            return Err(self.bad(WHAT_VALUE));
        }
        self.at += word.len();
        Ok(())
    }

    fn number(&mut self) -> Result<&'a str, DecodeError> {
        let start = self.at;
        self.pass_number()?;
        let digits = self.bytes.get(start..self.at).unwrap_or_default();
        std::str::from_utf8(digits).map_err(|_| self.bad(WHAT_NUMBER))
    }

    fn pass_number(&mut self) -> Result<(), DecodeError> {
        if self.bytes.get(self.at) == Some(&b'-') {
            self.at += 1;
        }
        match self.bytes.get(self.at) {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits()?,
            _ => return Err(self.bad(WHAT_NUMBER)),
        }
        if self.bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.bytes.get(self.at) {
            self.at += 1;
            if let Some(b'+' | b'-') = self.bytes.get(self.at) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), DecodeError> {
        let count = number::digits(self.bytes.get(self.at..).unwrap_or_default());
        if count == 0 {
            return Err(self.bad(WHAT_NUMBER));
        }
        self.at += count;
        Ok(())
    }

    fn descend(&mut self) -> Result<(), DecodeError> {
        self.depth += 1;
        if self.depth > self.depth_max {
            return Err(self.too_deep());
        }
        Ok(())
    }

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
    fn text<'s>(&mut self, scratch: &'s mut String) -> Result<&'s str, DecodeError>
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
    fn string_body(&mut self) -> Result<(&'a [u8], bool), DecodeError> {
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

    fn too_deep(&self) -> DecodeError {
        DecodeError::TooDeep {
            at: self.at,
            depth_max: self.depth_max,
        }
    }

    fn bad(&self, what: &'static str) -> DecodeError {
        DecodeError::BadJson { at: self.at, what }
    }
}

#[cfg(test)]
mod tests;
