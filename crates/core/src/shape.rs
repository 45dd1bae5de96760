//! The names that a key template can produce: its literal parts, with a value between each two of them.
//!
//! As text a shape is the template with `*` for each placeholder: `catalog:v1:item:*:reviews`. No literal and no
//! rendered value holds a `*`, so the text says everything. What a family's templates can produce is its scope in a
//! Redis, and two families are apart when no name is produced by both.

use memchr::memmem::{self, Finder};

use crate::broken::Promise;
use crate::codec;

/// Stands in a shape for one value: any number of bytes that the codec can produce, none included.
pub const VALUE: u8 = b'*';

/// Whether a name is a shape with a value in it rather than one exact name.
pub fn is_open(name: &[u8]) -> bool {
    name.contains(&VALUE)
}

/// A shape that is ready to be compared with names.
#[derive(Debug, Clone)]
pub struct NameShape {
    first: Box<[u8]>,
    /// What follows the first literal; none where the shape is one exact name.
    rest: Option<Rest>,
}

#[derive(Debug, Clone)]
struct Rest {
    between: Vec<Literal>,
    last: Box<[u8]>,
}

/// A literal with a value on either side.
#[derive(Debug, Clone)]
struct Literal {
    finder: Finder<'static>,
    /// Where it has the first byte that no value can hold.
    boundary: Option<usize>,
}

impl NameShape {
    /// Reads a shape's text.
    pub fn new(text: &[u8]) -> Self {
        let mut literals = text.split(|&byte| byte == VALUE);
        let first = literals.next().unwrap_or_default().into();
        let mut literals: Vec<&[u8]> = literals.collect();
        let rest = literals.pop().map(|last| Rest {
            between: literals
                .into_iter()
                .filter(|literal| !literal.is_empty())
                .map(Literal::new)
                .collect(),
            last: last.into(),
        });
        Self { first, rest }
    }

    /// What every name begins with.
    pub fn prefix(&self) -> &[u8] {
        &self.first
    }

    /// What every name ends with, beside its prefix.
    pub fn suffix(&self) -> &[u8] {
        self.rest.as_ref().map_or(&[], |rest| &rest.last)
    }

    /// Whether the template can produce `name`. Takes time in proportion to the name's length.
    pub fn matches(&self, name: &[u8]) -> bool {
        let Some(name) = name.strip_prefix(&*self.first) else {
            return false;
        };
        let Some(rest) = &self.rest else {
            return name.is_empty();
        };
        if Promise::P13.is_broken() {
            return true;
        }
        let Some(mut name) = name.strip_suffix(&*rest.last) else {
            return false;
        };
        for literal in &rest.between {
            match literal.after_value(name) {
                Some(left) => name = left,
                None => return false,
            }
        }
        is_value(name)
    }
}

impl Literal {
    fn new(text: &[u8]) -> Self {
        Self {
            finder: Finder::new(text).into_owned(),
            boundary: text
                .iter()
                .position(|&byte| !codec::is_redis_value_byte(byte)),
        }
    }

    /// What is left of `name` behind a value and this literal. The earliest place is as good as any later one: a
    /// value can take up what lies between, and a literal with a boundary has no second place before the next boundary.
    fn after_value<'a>(&self, name: &'a [u8]) -> Option<&'a [u8]> {
        let text = self.finder.needle();
        let at = match self.boundary {
            None => self.finder.find(name)?,
            Some(offset) => {
                let boundary = name
                    .iter()
                    .position(|&byte| !codec::is_redis_value_byte(byte))?;
                boundary.checked_sub(offset)?
            }
        };
        let (value, left) = name.split_at(at);
        let left = left.strip_prefix(text)?;
        is_value(value).then_some(left)
    }
}

fn is_value(bytes: &[u8]) -> bool {
    bytes.iter().all(|&byte| codec::is_redis_value_byte(byte))
}

/// A name that both shapes have, if there is one.
///
/// No value holds a boundary such as `:`, so both have the same boundaries, and between two of them the parts have a
/// name in common independently of the other parts.
pub fn shared_name(one: &[u8], other: &[u8]) -> Option<Vec<u8>> {
    let (mut one, mut other) = (one, other);
    let mut shared = Vec::new();
    loop {
        let ((part, one_left), (other_part, other_left)) = (cut(one), cut(other));
        push_shared_part(part, other_part, &mut shared)?;
        match (one_left.split_first(), other_left.split_first()) {
            (None, None) => return Some(shared),
            (Some((boundary, one_left)), Some((same, other_left))) if boundary == same => {
                shared.push(*boundary);
                (one, other) = (one_left, other_left);
            }
            _ => return None,
        }
    }
}

/// The bytes of a shape that no value can hold, in order. Shapes that differ in them have no name in common.
pub fn boundaries(shape: &[u8]) -> impl Iterator<Item = u8> {
    let bytes = shape.iter().copied();
    bytes.filter(|&byte| byte != VALUE && !codec::is_redis_value_byte(byte))
}

/// The parts of a shape between its boundaries.
pub fn parts(shape: &[u8]) -> impl Iterator<Item = &[u8]> {
    shape.split(|&byte| byte != VALUE && !codec::is_redis_value_byte(byte))
}

/// A shape up to its first boundary, and from there on.
fn cut(shape: &[u8]) -> (&[u8], &[u8]) {
    let end = parts(shape).next().map_or(0, <[u8]>::len);
    shape.split_at(end)
}

/// Appends what two parts have in common.
fn push_shared_part(one: &[u8], other: &[u8], shared: &mut Vec<u8>) -> Option<()> {
    match (Open::of(one), Open::of(other)) {
        (None, None) => (one == other).then(|| shared.extend_from_slice(one)),
        (None, Some(open)) => open.matches(one).then(|| shared.extend_from_slice(one)),
        (Some(open), None) => open.matches(other).then(|| shared.extend_from_slice(other)),
        (Some(one), Some(other)) => {
            let first = longer(one.first, other.first, <[u8]>::starts_with)?;
            let last = longer(one.last, other.last, <[u8]>::ends_with)?;
            shared.extend_from_slice(first);
            // Whatever stands here, a value of either can be: all literals of both, one after the other.
            shared.push(b'1');
            for literal in one.between().chain(other.between()) {
                shared.extend_from_slice(literal);
                shared.push(b'1');
            }
            shared.extend_from_slice(last);
            Some(())
        }
    }
}

/// The longer of two literals where it begins (or ends) with the other.
fn longer<'a>(
    one: &'a [u8],
    other: &'a [u8],
    covers: impl Fn(&[u8], &[u8]) -> bool,
) -> Option<&'a [u8]> {
    let (long, short) = match one.len() >= other.len() {
        true => (one, other),
        false => (other, one),
    };
    covers(long, short).then_some(long)
}

/// A part with a value in it.
struct Open<'a> {
    first: &'a [u8],
    between: &'a [u8],
    last: &'a [u8],
}

impl<'a> Open<'a> {
    fn of(part: &'a [u8]) -> Option<Self> {
        let from = memchr::memchr(VALUE, part)?;
        let to = memchr::memrchr(VALUE, part)?;
        Some(Self {
            first: &part[..from],
            between: &part[from..to],
            last: &part[to + 1..],
        })
    }

    fn between(&self) -> impl Iterator<Item = &'a [u8]> {
        self.between
            .split(|&byte| byte == VALUE)
            .filter(|literal| !literal.is_empty())
    }

    /// Whether a part without a value is one of these.
    fn matches(&self, part: &[u8]) -> bool {
        let left = part.strip_prefix(self.first);
        let Some(mut left) = left.and_then(|left| left.strip_suffix(self.last)) else {
            return false;
        };
        for literal in self.between() {
            match memmem::find(left, literal) {
                Some(at) => left = &left[at + literal.len()..],
                None => return false,
            }
        }
        true
    }
}
