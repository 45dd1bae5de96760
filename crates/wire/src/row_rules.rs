//! Which columns of a row are read, and how.

use freshet_core::table::TableShape;

use crate::column_text::BoundColumn;

/// How the rows of one table are read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowRules<'a> {
    /// The table.
    pub(crate) shape: &'a TableShape,
    /// How each bound column of a JSON record is written. An Avro plan has its own.
    pub(crate) columns: &'a [BoundColumn],
    /// Whether a change's place in its transaction is read.
    pub(crate) members: bool,
}

impl<'a> RowRules<'a> {
    /// The bound column called `name`.
    pub(crate) fn column(&self, name: &[u8]) -> Option<&'a BoundColumn> {
        self.columns.get(self.place(name)?)
    }

    /// The place of the bound column called `name`.
    pub(crate) fn place(&self, name: &[u8]) -> Option<usize> {
        let mut columns = self.shape.columns.iter();
        columns.position(|column| column.name.as_bytes() == name)
    }

    /// The bound column at a place.
    pub(crate) fn bound(&self, slot: u16) -> Option<&'a BoundColumn> {
        self.columns.get(usize::from(slot))
    }
}

#[cfg(test)]
pub(crate) mod tests;
