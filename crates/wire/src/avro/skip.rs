//! What lies between two fields that are read: a flat run of steps, made once for each writer schema and table.

use super::bytes::{self, Bad};
use super::schema::{Node, NodeId, WriterSchema};

/// How one value is stepped over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Skip {
    /// A value that is no union.
    Plain(Plain),
    /// A union of two, one of them null: nearly every field of Debezium's rows.
    Optional {
        /// The number of the branch that is null.
        null: u8,
        /// The other branch.
        value: Plain,
    },
}

/// How a value is stepped over that is no union of two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plain {
    /// So many bytes.
    Bytes(u32),
    Bool,
    Varint,
    /// A length and so many bytes.
    Sized,
    /// By the schema.
    Other(NodeId),
}

impl Skip {
    /// For values of this type.
    pub(crate) fn of(schema: &WriterSchema, id: NodeId) -> Self {
        match schema.optional(id) {
            Some((null, value)) => Self::Optional {
                null,
                value: Plain::of(schema, value),
            },
            None => Self::Plain(Plain::of(schema, id)),
        }
    }
}

/// Where the values of `run` end that begin at the front of `bytes`, where all of them are as nearly always: no nested
/// value, no length of more than two bytes. Otherwise none, and they are stepped over one by one, which also says what is
/// wrong with them. One place is moved on instead of two ends of a slice: it halves the work.
pub(super) fn usual_end(run: &[Skip], bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    for step in run {
        at = match *step {
            Skip::Plain(plain) => plain.usual_end(bytes, at)?,
            Skip::Optional { null, value } => {
                // Branches are numbered in zigzag too: 0 and 2.
                let branch = *bytes.get(at)?;
                if branch == null << 1 {
                    at + 1
                } else if branch == (1 - null) << 1 {
                    value.usual_end(bytes, at + 1)?
                } else {
                    return None;
                }
            }
        };
    }
    // A place behind the end was not looked at.
    (at <= bytes.len()).then_some(at)
}

impl Plain {
    #[inline(always)]
    fn usual_end(self, bytes: &[u8], at: usize) -> Option<usize> {
        match self {
            Self::Bytes(size) => Some(at + size as usize),
            Self::Bool => (*bytes.get(at)? < 2).then_some(at + 1),
            Self::Varint => bytes::number_end(bytes, at),
            Self::Sized => bytes::sized_end(bytes, at),
            Self::Other(_) => None,
        }
    }

    fn of(schema: &WriterSchema, id: NodeId) -> Self {
        match schema.node(id).0 {
            Node::Null => Self::Bytes(0),
            Node::Bool => Self::Bool,
            Node::Integer => Self::Varint,
            Node::Float => Self::Bytes(4),
            Node::Double => Self::Bytes(8),
            Node::Bytes | Node::Text => Self::Sized,
            Node::Fixed(size) => u32::try_from(*size).map_or(Self::Other(id), Self::Bytes),
            Node::Enum(_) => Self::Varint,
            Node::Array(_) | Node::Map(_) | Node::Union(_) | Node::Record(_) => Self::Other(id),
        }
    }

    /// Steps over a value; [`Plain::Other`] needs the schema and is nothing here.
    #[inline(always)]
    pub(super) fn skip(self, rest: &mut &[u8]) -> Result<(), Bad> {
        match self {
            Self::Bytes(size) => bytes::take(rest, size as usize).map(drop),
            Self::Bool => bytes::boolean(rest).map(drop),
            Self::Varint => bytes::pass_long(rest),
            Self::Sized => bytes::sized(rest).map(drop),
            Self::Other(_) => Ok(()),
        }
    }
}
