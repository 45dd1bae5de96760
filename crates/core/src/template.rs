//! Compiled key and tag templates: literals and column slots, rendered straight into a buffer.

use crate::codec;
use crate::image::{Column, Image};
use crate::table::ColumnSlot;

/// One piece of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// Literal text (constants of the binding are already included).
    Literal(Box<[u8]>),
    /// The text of a bound column, folded, through the codec.
    Column(ColumnSlot, Fold),
}

/// Conversion of a value before the codec, so that texts that the database treats as equal give one name.
///
/// It is the same in every language: only the 26 ASCII letters and blanks change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Fold {
    /// `A` to `Z` become `a` to `z`; every other character stays.
    pub lower: bool,
    /// Trailing blanks (U+0020) are removed.
    pub trim: bool,
}

impl Fold {
    /// The value as it is.
    pub const NONE: Self = Self {
        lower: false,
        trim: false,
    };

    /// The folded value.
    pub fn apply(self, value: &str) -> String {
        let value = self.trimmed(value);
        if self.lower {
            value.to_ascii_lowercase()
        } else {
            value.to_owned()
        }
    }

    /// Whether two values fold to the same.
    fn is_same(self, one: &str, other: &str) -> bool {
        let (one, other) = (self.trimmed(one), self.trimmed(other));
        if self.lower {
            one.eq_ignore_ascii_case(other)
        } else {
            one == other
        }
    }

    fn trimmed(self, value: &str) -> &str {
        if self.trim {
            value.trim_end_matches(' ')
        } else {
            value
        }
    }

    fn push(self, out: &mut Vec<u8>, form: NameForm, value: &str) {
        let value = self.trimmed(value);
        match (form, self.lower) {
            (NameForm::RedisKey, false) => codec::push_redis_value(out, value),
            (NameForm::RedisKey, true) => codec::push_redis_value_lower(out, value),
            (NameForm::SurrogateKey, false) => codec::push_tag_value(out, value),
            (NameForm::SurrogateKey, true) => codec::push_tag_value_lower(out, value),
        }
    }
}

/// What a template names; decides the codec.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameForm {
    /// A Redis entry.
    RedisKey,
    /// A CDN tag.
    SurrogateKey,
}

/// A compiled template of one family for one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// What it names.
    pub form: NameForm,
    /// Its pieces, in order.
    pub segments: Vec<Segment>,
}

/// Result of rendering.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rendered {
    /// The name is at the end of the buffer.
    Name,
    /// A column is NULL: readers cannot build such a name, so there is nothing to purge.
    NoName,
    /// A column is unknown: the name is unknown and the scope must widen.
    Unknown,
}

impl Template {
    /// Appends the name that `image` gives to `out`; leaves `out` as it was unless the answer is
    /// [`Rendered::Name`]. An unknown column outweighs a NULL one.
    pub fn render(&self, image: &Image, out: &mut Vec<u8>) -> Rendered {
        let start = out.len();
        let mut rendered = Rendered::Name;
        for segment in &self.segments {
            match segment {
                Segment::Literal(bytes) => out.extend_from_slice(bytes),
                Segment::Column(slot, fold) => match image.column(*slot) {
                    Column::Known(text) => fold.push(out, self.form, text),
                    Column::Null => rendered = Rendered::NoName,
                    Column::Unknown => {
                        out.truncate(start);
                        return Rendered::Unknown;
                    }
                },
            }
        }
        match rendered {
            Rendered::Name if self.form == NameForm::SurrogateKey => codec::shorten_tag(out, start),
            Rendered::Name => {}
            Rendered::NoName | Rendered::Unknown => out.truncate(start),
        }
        rendered
    }

    /// Whether both images give the same name, by comparing columns instead of rendering twice.
    pub fn same_name(&self, before: &Image, after: &Image) -> bool {
        self.segments.iter().all(|segment| match segment {
            Segment::Literal(_) => true,
            Segment::Column(slot, Fold::NONE) => before.has_same_text(*slot, after),
            Segment::Column(slot, fold) => match (before.column(*slot), after.column(*slot)) {
                (Column::Known(old), Column::Known(new)) => fold.is_same(old, new),
                _ => false,
            },
        })
    }
}
