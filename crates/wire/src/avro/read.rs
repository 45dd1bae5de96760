//! How a field that is wanted is read: decided once for each writer schema and table, like what lies between.

use super::bytes::Bad;
use super::datum::Datum;
use super::schema::{Node, NodeId, WriterSchema};
use crate::scalar::{Encoding, Scalar};

/// How one value is read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Read {
    /// Of a union of two, the number of the branch that is null.
    null: Option<u8>,
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

impl<'a> Datum<'a> {
    /// Reads a value, with what the schema says of it.
    #[inline]
    pub(crate) fn read(&mut self, read: &Read) -> Result<(Scalar<'a>, Encoding), Bad> {
        if let Some(null) = read.null
            && !self.is_there(null)?
        {
            return Ok((Scalar::Null, Encoding::Plain));
        }
        let value = match read.kind {
            Kind::Bool => Scalar::Bool(self.boolean()?),
            Kind::Integer => Scalar::Integer(self.long()?),
            Kind::Text => Scalar::Text(self.text()?),
            Kind::Bytes => Scalar::Bytes(self.sized()?),
            Kind::Other(id) => return self.scalar(id),
        };
        Ok((value, read.encoding))
    }

    /// Reads a value that is so many bytes further on; returns where it ends too.
    #[inline(never)] // rare, and it would take registers from the callers
    pub(crate) fn read_at(&mut self, read: &Read, at: usize) -> Option<(Scalar<'a>, usize)> {
        let mut further = self.further(at)?;
        let (value, _) = further.read(read).ok()?;
        Some((value, self.passed(&further)))
    }

    /// Steps over a value that is so many bytes further on; returns where it ends.
    #[inline(never)] // as above
    pub(crate) fn pass_at(&mut self, id: NodeId, at: usize) -> Option<usize> {
        let mut further = self.further(at)?;
        further.skip_nested(id, 1).ok()?;
        Some(self.passed(&further))
    }

    /// What `further` has read, in bytes from here; its steps count here too.
    fn passed(&mut self, further: &Self) -> usize {
        self.set_steps_left(further.steps_left());
        self.rest().len() - further.rest().len()
    }
}
