//! Compiled key and tag templates: literals and column slots, rendered straight into a buffer.

use crate::codec;
use crate::image::{Column, Image};
use crate::table::ColumnSlot;

/// One piece of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// Text that stands for itself (constants of the binding are already folded in).
    Literal(Box<[u8]>),
    /// The text of a bound column, through the codec.
    Column(ColumnSlot),
}

/// What a template names, which decides the codec.
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

/// What rendering came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rendered {
    /// The name stands at the end of the buffer.
    Name,
    /// A column is NULL: no reader can have built such a name, there is nothing to purge.
    NoName,
    /// A column is unknown: the name cannot be told, the scope must widen.
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
                Segment::Column(slot) => match image.column(*slot) {
                    Column::Known(text) => match self.form {
                        NameForm::RedisKey => codec::push_redis_value(out, text),
                        NameForm::SurrogateKey => codec::push_tag_value(out, text),
                    },
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
            Segment::Column(slot) => match (before.column(*slot), after.column(*slot)) {
                (Column::Known(old), Column::Known(new)) => old == new,
                _ => false,
            },
        })
    }

    /// The literal in front of the first placeholder: what every name of this template begins with.
    pub fn literal_prefix(&self) -> &[u8] {
        match self.segments.first() {
            Some(Segment::Literal(bytes)) => bytes,
            _ => &[],
        }
    }
}
