//! How a field that is wanted is read: decided once for each writer schema and table, like what lies between.

use super::schema::{Node, NodeId, WriterSchema};
use crate::scalar::Encoding;

/// How one value is read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Read {
    /// Of a union of two, the number of the branch that is null.
    pub(super) null: Option<u8>,
    pub(super) kind: Kind,
    pub(super) encoding: Encoding,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Bool,
    Integer,
    Text,
    Bytes,
    /// By the schema.
    Other(NodeId),
}

impl Read {
    /// For values of this type.
    pub(crate) fn of(schema: &WriterSchema, id: NodeId) -> Self {
        let (null, id) = match schema.optional(id) {
            Some((null, value)) => (Some(null), value),
            None => (None, id),
        };
        let (node, encoding) = schema.node(id);
        let kind = match node {
            Node::Bool => Kind::Bool,
            Node::Integer => Kind::Integer,
            Node::Text => Kind::Text,
            Node::Bytes => Kind::Bytes,
            _ => Kind::Other(id),
        };
        Self {
            null,
            kind,
            encoding,
        }
    }
}
