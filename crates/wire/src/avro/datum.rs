//! Reading and skipping in the bytes of one Avro datum.

use super::bytes::{self, Bad};
use super::read::{Kind, Read};
use super::schema::{Node, NodeId, Record, WriterSchema};
use super::skip::{Plain, Skip};
use crate::error::DecodeError;
use crate::limits::Limits;
use crate::scalar::{Encoding, Scalar};

/// A place in a datum.
#[derive(Debug)]
pub(crate) struct Datum<'a> {
    schema: &'a WriterSchema,
    schema_id: u32,
    bytes: &'a [u8],
    /// What of it is not read yet.
    rest: &'a [u8],
    bounds: Bounds,
    /// Steps that may still be taken, see [`Limits::steps_max`](crate::Limits::steps_max).
    steps_left: usize,
}

/// How deep and how long a datum may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) depth_max: usize,
    pub(crate) steps_max: usize,
}

impl Bounds {
    /// Those of record values.
    pub(crate) fn of(limits: &Limits) -> Self {
        Self {
            depth_max: limits.depth_max,
            steps_max: limits.steps_max,
        }
    }
}

impl<'a> Datum<'a> {
    /// At the beginning of `bytes`, which `schema` wrote.
    pub(crate) fn new(
        schema: &'a WriterSchema,
        schema_id: u32,
        bytes: &'a [u8],
        bounds: Bounds,
    ) -> Self {
        Self {
            schema,
            schema_id,
            bytes,
            rest: bytes,
            bounds,
            steps_left: bounds.steps_max.saturating_add(bytes.len()),
        }
    }

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

    /// What is not read yet.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The same datum, `at` bytes on from here.
    pub(crate) fn further(&self, at: usize) -> Option<Self> {
        let rest = self.rest.get(at..)?;
        Some(Self { rest, ..*self })
    }

    /// Steps that may still be taken.
    pub(crate) fn steps_left(&self) -> usize {
        self.steps_left
    }

    /// Sets them to what is left after a part of it was read elsewhere, or to what it was before.
    pub(crate) fn set_steps_left(&mut self, steps_left: usize) {
        self.steps_left = steps_left;
    }

    /// Counts steps that may take no bytes: everything else ends with the bytes.
    fn count_steps(&mut self, steps: usize) -> Result<(), Bad> {
        let left = self.steps_left.checked_sub(steps);
        self.steps_left = left.ok_or(Bad::TooManySteps)?;
        Ok(())
    }

    /// Bytes read so far.
    fn at(&self) -> usize {
        self.bytes.len() - self.rest.len()
    }

    /// Everything must have been read: bytes left over prove the wrong schema.
    pub(crate) fn end(&self) -> Result<(), Bad> {
        if self.rest.is_empty() {
            return Ok(());
        }
        Err(Bad::LeftOver)
    }

    /// The branch of a union that comes next; any other type is its own branch.
    pub(crate) fn branch(&mut self, id: NodeId) -> Result<NodeId, Bad> {
        let Node::Union(branches) = self.schema.node(id).0 else {
            return Ok(id);
        };
        let index = usize::try_from(self.long()?).ok();
        let branch = index.and_then(|index| branches.get(index)).copied();
        branch.ok_or(Bad::Branch)
    }

    /// The type behind `id`.
    pub(crate) fn node(&self, id: NodeId) -> &'a Node {
        self.schema.node(id).0
    }

    /// Reads a value, with what the schema says of it. Arrays, maps and records are skipped, except a decimal
    /// with its own scale.
    pub(crate) fn scalar(&mut self, id: NodeId) -> Result<(Scalar<'a>, Encoding), Bad> {
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
                Scalar::Text(symbol.ok_or(Bad::Symbol)?)
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
        mut item: impl FnMut(&mut Self) -> Result<(), Bad>,
    ) -> Result<(), Bad> {
        loop {
            let count = self.long()?;
            if count == 0 {
                return Ok(());
            }
            if count.is_negative() {
                // The block's size in bytes, for those who skip it.
                self.long()?;
            }
            for _ in 0..count.unsigned_abs() {
                let before = self.rest.len();
                item(self)?;
                if self.rest.len() == before {
                    return Err(Bad::EmptyItem);
                }
            }
        }
    }

    /// Skips a value of any type.
    pub(crate) fn skip(&mut self, id: NodeId) -> Result<(), Bad> {
        self.skip_nested(id, 0)
    }

    pub(crate) fn skip_nested(&mut self, id: NodeId, depth: usize) -> Result<(), Bad> {
        if depth > self.bounds.depth_max {
            return Err(Bad::TooDeep);
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
                self.count_steps(record.fields.len().max(1))?;
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
    fn skip_blocks(&mut self, named: Option<()>, item: NodeId, depth: usize) -> Result<(), Bad> {
        loop {
            let count = self.long()?;
            if count == 0 {
                return Ok(());
            }
            if count.is_negative() {
                self.sized()?;
                continue;
            }
            for _ in 0..count {
                let before = self.rest.len();
                if named.is_some() {
                    self.sized()?;
                }
                self.skip_nested(item, depth + 1)?;
                // An item without bytes has none the next time either, however many are claimed.
                if self.rest.len() == before {
                    break;
                }
            }
        }
    }

    fn scaled_decimal(&mut self, record: &Record) -> Result<Scalar<'a>, Bad> {
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

    #[inline]
    pub(crate) fn boolean(&mut self) -> Result<bool, Bad> {
        bytes::boolean(&mut self.rest)
    }

    /// A zigzag number of up to ten bytes.
    #[inline]
    pub(crate) fn long(&mut self) -> Result<i64, Bad> {
        bytes::long(&mut self.rest)
    }

    pub(crate) fn text(&mut self) -> Result<&'a str, Bad> {
        let bytes = self.sized()?;
        std::str::from_utf8(bytes).map_err(|err| {
            let at = self.at() - bytes.len() + err.valid_up_to();
            self.rest = self.bytes.get(at..).unwrap_or_default();
            Bad::Utf8
        })
    }

    #[inline]
    pub(crate) fn sized(&mut self) -> Result<&'a [u8], Bad> {
        bytes::sized(&mut self.rest)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Bad> {
        let (chunk, rest) = self.rest.split_first_chunk::<N>().ok_or(Bad::Short)?;
        self.rest = rest;
        Ok(*chunk)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Bad> {
        bytes::take(&mut self.rest, length)
    }

    /// Whether a union of two has its other branch than `null` here.
    #[inline]
    pub(crate) fn is_there(&mut self, null: u8) -> Result<bool, Bad> {
        bytes::is_there(&mut self.rest, null)
    }

    /// Steps over the values of `run`.
    pub(crate) fn skip_run(&mut self, run: &[Skip]) -> Result<(), Bad> {
        // Kept in registers: what is called in between would have it in memory otherwise.
        let mut rest = self.rest;
        for step in run {
            let skipped = match *step {
                Skip::Plain(Plain::Other(id)) => self.skip_at(&mut rest, id),
                Skip::Plain(plain) => plain.skip(&mut rest),
                Skip::Optional { null, value } => match bytes::is_there(&mut rest, null) {
                    Ok(false) => Ok(()),
                    Ok(true) => match value {
                        Plain::Other(id) => self.skip_at(&mut rest, id),
                        plain => plain.skip(&mut rest),
                    },
                    Err(bad) => Err(bad),
                },
            };
            if skipped.is_err() {
                self.rest = rest;
                return skipped;
            }
        }
        self.rest = rest;
        Ok(())
    }

    #[inline(always)]
    fn skip_at(&mut self, rest: &mut &'a [u8], id: NodeId) -> Result<(), Bad> {
        self.rest = rest;
        let skipped = self.skip_nested(id, 1);
        *rest = self.rest;
        skipped
    }

    /// The error of what is wrong, here.
    #[cold]
    pub(crate) fn explain(&self, bad: Bad) -> DecodeError {
        match bad {
            Bad::Utf8 => DecodeError::BadUtf8 { at: self.at() },
            Bad::TooDeep => DecodeError::TooDeep {
                at: self.at(),
                depth_max: self.bounds.depth_max,
            },
            Bad::TooManySteps => DecodeError::TooManySteps {
                schema: self.schema_id,
                at: self.at(),
                steps_max: self.bounds.steps_max,
            },
            _ => DecodeError::BadAvro {
                schema: self.schema_id,
                at: self.at(),
                what: bad.what(),
            },
        }
    }
}
