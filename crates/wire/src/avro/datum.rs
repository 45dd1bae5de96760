//! Reading and skipping in the bytes of one Avro datum.

use super::schema::{Node, NodeId, Record, WriterSchema};
use crate::error::DecodeError;
use crate::scalar::{Encoding, Scalar};

const WHAT_SHORT: &str = "the datum ends too early";

/// A place in a datum.
#[derive(Debug)]
pub(crate) struct Datum<'a> {
    schema: &'a WriterSchema,
    schema_id: u32,
    bytes: &'a [u8],
    at: usize,
    depth_max: usize,
}

impl<'a> Datum<'a> {
    /// At the beginning of `bytes`, which `schema` wrote.
    pub(crate) fn new(
        schema: &'a WriterSchema,
        schema_id: u32,
        bytes: &'a [u8],
        depth_max: usize,
    ) -> Self {
        Self {
            schema,
            schema_id,
            bytes,
            at: 0,
            depth_max,
        }
    }

    /// Everything must have been read: bytes left over prove the wrong schema.
    pub(crate) fn end(&self) -> Result<(), DecodeError> {
        if self.at == self.bytes.len() {
            return Ok(());
        }
        Err(self.bad("bytes are left over"))
    }

    /// The branch of a union that comes next; any other type is its own branch.
    pub(crate) fn branch(&mut self, id: NodeId) -> Result<NodeId, DecodeError> {
        let Node::Union(branches) = self.schema.node(id).0 else {
            return Ok(id);
        };
        let index = usize::try_from(self.long()?).ok();
        let branch = index.and_then(|index| branches.get(index)).copied();
        branch.ok_or_else(|| self.no_such_branch())
    }

    #[cold]
    pub(crate) fn no_such_branch(&self) -> DecodeError {
        self.bad("no such branch of a union")
    }

    /// The type behind `id`.
    pub(crate) fn node(&self, id: NodeId) -> &'a Node {
        self.schema.node(id).0
    }

    /// Reads a value, with what the schema says of it. Arrays, maps and records are skipped, except a decimal
    /// with its own scale.
    pub(crate) fn scalar(&mut self, id: NodeId) -> Result<(Scalar<'a>, Encoding), DecodeError> {
        let id = self.branch(id)?;
        let (node, encoding) = self.schema.node(id);
        let value = match node {
            Node::Null => Scalar::Null,
            Node::Bool => Scalar::Bool(self.boolean()?),
            Node::Integer => Scalar::Integer(self.long()?),
            Node::Float => {
                let bytes = self.array::<4>()?;
                Scalar::Real(f64::from(f32::from_le_bytes(bytes)))
            }
            Node::Double => Scalar::Real(f64::from_le_bytes(self.array::<8>()?)),
            Node::Bytes => Scalar::Bytes(self.sized()?),
            Node::Text => Scalar::Text(self.text()?),
            Node::Fixed(size) => Scalar::Bytes(self.take(*size)?),
            Node::Enum(symbols) => {
                let index = usize::try_from(self.long()?).ok();
                let symbol = index.and_then(|index| symbols.get(index));
                Scalar::Text(symbol.ok_or_else(|| self.bad("no such symbol of an enum"))?)
            }
            Node::Record(record) if record.is_scaled_decimal => self.scaled_decimal(record)?,
            Node::Array(_) | Node::Map(_) | Node::Union(_) | Node::Record(_) => {
                self.skip(id)?;
                Scalar::Opaque
            }
        };
        Ok((value, encoding))
    }

    /// Walks an array: `item` is called for each of its items and must take exactly that.
    pub(crate) fn items(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        loop {
            let count = self.long()?;
            if count == 0 {
                return Ok(());
            }
            if count < 0 {
                // The block's size in bytes, for those who skip it.
                self.long()?;
            }
            for _ in 0..count.unsigned_abs() {
                let before = self.at;
                item(self)?;
                if self.at == before {
                    return Err(self.bad("an item without bytes"));
                }
            }
        }
    }

    /// Skips a value of any type.
    pub(crate) fn skip(&mut self, id: NodeId) -> Result<(), DecodeError> {
        self.skip_nested(id, 0)
    }

    pub(crate) fn skip_nested(&mut self, id: NodeId, depth: usize) -> Result<(), DecodeError> {
        if depth > self.depth_max {
            return Err(DecodeError::TooDeep {
                at: self.at,
                depth_max: self.depth_max,
            });
        }
        match self.schema.node(id).0 {
            Node::Null => Ok(()),
            Node::Bool => self.boolean().map(drop),
            Node::Integer | Node::Enum(_) => self.long().map(drop),
            Node::Float => self.take(4).map(drop),
            Node::Double => self.take(8).map(drop),
            Node::Bytes | Node::Text => self.sized().map(drop),
            Node::Fixed(size) => self.take(*size).map(drop),
            Node::Union(_) => {
                let branch = self.branch(id)?;
                self.skip_nested(branch, depth + 1)
            }
            Node::Record(record) => {
                for &(_, field) in &record.fields {
                    self.skip_nested(field, depth + 1)?;
                }
                Ok(())
            }
            Node::Array(items) => self.skip_blocks(None, *items, depth),
            Node::Map(values) => self.skip_blocks(Some(()), *values, depth),
        }
    }

    /// Arrays and maps come in blocks; a negative count is followed by the block's size in bytes.
    fn skip_blocks(
        &mut self,
        named: Option<()>,
        item: NodeId,
        depth: usize,
    ) -> Result<(), DecodeError> {
        loop {
            let count = self.long()?;
            if count == 0 {
                return Ok(());
            }
            if count < 0 {
                self.sized()?;
                continue;
            }
            for _ in 0..count {
                let before = self.at;
                if named.is_some() {
                    self.sized()?;
                }
                self.skip_nested(item, depth + 1)?;
                // An item without bytes has none the next time either, however many are claimed.
                if self.at == before {
                    break;
                }
            }
        }
    }

    fn scaled_decimal(&mut self, record: &Record) -> Result<Scalar<'a>, DecodeError> {
        let (mut scale, mut unscaled) = (None, None);
        for (name, field) in &record.fields {
            match (&**name, self.scalar(*field)?.0) {
                ("scale", Scalar::Integer(number)) => scale = i32::try_from(number).ok(),
                ("value", Scalar::Bytes(bytes)) => unscaled = Some(bytes),
                _ => {}
            }
        }
        Ok(match (scale, unscaled) {
            (Some(scale), Some(unscaled)) => Scalar::ScaledBytes { scale, unscaled },
            _ => Scalar::Opaque,
        })
    }

    pub(crate) fn boolean(&mut self) -> Result<bool, DecodeError> {
        match self.array::<1>()? {
            [0] => Ok(false),
            [1] => Ok(true),
            _ => Err(self.bad("a boolean is neither 0 nor 1")),
        }
    }

    /// A zigzag number of up to ten bytes.
    #[inline]
    pub(crate) fn long(&mut self) -> Result<i64, DecodeError> {
        // Lengths, branches and most numbers have one byte.
        if let Some(&byte) = self.bytes.get(self.at)
            && byte < 0x80
        {
            self.at += 1;
            return Ok(zigzag(u64::from(byte)));
        }
        self.long_of_many()
    }

    fn long_of_many(&mut self) -> Result<i64, DecodeError> {
        let mut bits = 0u64;
        for shift in (0..64).step_by(7) {
            let Some(&byte) = self.bytes.get(self.at) else {
                return Err(self.bad(WHAT_SHORT));
            };
            self.at += 1;
            bits |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(zigzag(bits));
            }
        }
        Err(self.bad("a number is longer than ten bytes"))
    }

    fn text(&mut self) -> Result<&'a str, DecodeError> {
        let bytes = self.sized()?;
        let start = self.at - bytes.len();
        std::str::from_utf8(bytes).map_err(|err| DecodeError::BadUtf8 {
            at: start + err.valid_up_to(),
        })
    }

    #[inline]
    pub(crate) fn sized(&mut self) -> Result<&'a [u8], DecodeError> {
        let length = self.long()?;
        match usize::try_from(length) {
            Ok(length) => self.take(length),
            Err(_) => Err(self.bad("a length is negative")),
        }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let Some(chunk) = rest.first_chunk::<N>() else {
            return Err(self.bad(WHAT_SHORT));
        };
        self.at += N;
        Ok(*chunk)
    }

    #[inline]
    pub(crate) fn take(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        let end = self.at.checked_add(length);
        let taken = end.and_then(|end| self.bytes.get(self.at..end));
        let Some(taken) = taken else {
            return Err(self.bad(WHAT_SHORT));
        };
        self.at += length;
        Ok(taken)
    }

    #[cold]
    fn bad(&self, what: &'static str) -> DecodeError {
        DecodeError::BadAvro {
            schema: self.schema_id,
            at: self.at,
            what,
        }
    }
}

fn zigzag(bits: u64) -> i64 {
    (bits >> 1) as i64 ^ -((bits & 1) as i64)
}
