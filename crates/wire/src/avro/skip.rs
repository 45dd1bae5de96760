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

impl Plain {
    /// For values of this type.
    pub(super) fn of(schema: &WriterSchema, id: NodeId) -> Self {
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
