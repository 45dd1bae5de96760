//! Which columns of a row are read, and how.

use freshet_core::table::{ColumnSlot, TableShape};

use crate::column_text::BoundColumn;
use crate::scalar::Encoding;

/// How the rows of one table are read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowRules<'a> {
    /// The table.
    pub(crate) shape: &'a TableShape,
    /// What the record's schema says of each bound column; empty without schema.
    pub(crate) encodings: &'a [Encoding],
    /// Whether a change's place in its transaction is read.
    pub(crate) members: bool,
}

impl RowRules<'_> {
    /// The bound column called `name`.
    pub(crate) fn column(&self, name: &[u8]) -> Option<BoundColumn> {
        self.bound(u16::try_from(self.place(name)?).ok()?)
    }

    /// The place of the bound column called `name`.
    pub(crate) fn place(&self, name: &[u8]) -> Option<usize> {
        let mut columns = self.shape.columns.iter();
        columns.position(|column| column.name.as_bytes() == name)
    }

    /// The bound column at a place.
    pub(crate) fn bound(&self, slot: u16) -> Option<BoundColumn> {
        let at = usize::from(slot);
        Some(BoundColumn {
            slot: ColumnSlot(slot),
            kind: self.shape.columns.get(at)?.kind,
            encoding: self.encodings.get(at).copied().unwrap_or_default(),
            engine: self.shape.engine,
        })
    }
}

#[cfg(test)]
pub(crate) mod tests;
