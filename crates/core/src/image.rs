//! A row image: the bound columns of a row before or after a change, each known, null or unknown.

use crate::drift::ColumnDrift;
use crate::table::ColumnSlot;

/// One column of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column<'a> {
    /// The log does not contain it. Never guessed and never rendered.
    Unknown,
    /// The column is NULL.
    Null,
    /// The value as the database prints it.
    Known(&'a str),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Slot {
    /// Not set: the record has no such column.
    Missing,
    Unknown,
    Null,
    Known {
        start: u32,
        end: u32,
        /// The row may have NULL instead.
        doubtful: bool,
    },
}

/// The bound columns of one row image. Reused from record to record: clearing keeps the memory.
#[derive(Debug, Clone, Default)]
pub struct Image {
    present: bool,
    slots: Vec<Slot>,
    /// Number of missing columns, counted to avoid a scan for each change.
    missing: usize,
    text: String,
    drift: Option<ColumnDrift>,
}

impl Image {
    /// Makes the image absent: there was no row on this side of the change.
    pub fn clear(&mut self) {
        self.present = false;
        self.slots.clear();
        self.missing = 0;
        self.text.clear();
        self.drift = None;
    }

    /// Makes the image present with `columns` columns, all unknown.
    #[inline]
    pub fn begin(&mut self, columns: usize) {
        self.clear();
        self.present = true;
        self.slots.resize(columns, Slot::Missing);
        self.missing = columns;
    }

    /// The first column that was not set since [`begin`](Self::begin), not even to unknown.
    #[inline]
    pub fn missing(&self) -> Option<ColumnSlot> {
        if self.missing == 0 {
            return None;
        }
        let at = self.slots.iter().position(|slot| *slot == Slot::Missing)?;
        u16::try_from(at).ok().map(ColumnSlot)
    }

    /// Whether there was a row on this side of the change.
    pub fn is_present(&self) -> bool {
        self.present
    }

    /// Sets a column's text. A column set twice keeps the later value.
    #[inline]
    pub fn set_text(&mut self, slot: ColumnSlot, value: &str) {
        self.write(slot, |text| text.push_str(value));
    }

    /// Sets a column by writing its text straight into the image's buffer.
    #[inline]
    pub fn write(&mut self, slot: ColumnSlot, write: impl FnOnce(&mut String)) {
        let start = self.text.len() as u32;
        write(&mut self.text);
        let end = self.text.len() as u32;
        let doubtful = false;
        self.put(
            slot,
            Slot::Known {
                start,
                end,
                doubtful,
            },
        );
    }

    #[inline]
    fn put(&mut self, slot: ColumnSlot, value: Slot) {
        if let Some(place) = self.slots.get_mut(usize::from(slot.0)) {
            self.missing -= usize::from(*place == Slot::Missing);
            *place = value;
        }
    }

    /// Marks a known value that a converter may have written instead of NULL. Its name is purged, at worst
    /// unnecessarily, but the value never proves that nothing changed.
    pub fn doubt(&mut self, slot: ColumnSlot) {
        if let Some(Slot::Known { doubtful, .. }) = self.slots.get_mut(usize::from(slot.0)) {
            *doubtful = true;
        }
    }

    /// As [`column`](Self::column), but unknown if the value is doubtful. Used to prove that a column did not change.
    pub fn proven(&self, slot: ColumnSlot) -> Column<'_> {
        match self.slots.get(usize::from(slot.0)) {
            Some(Slot::Known { doubtful: true, .. }) => Column::Unknown,
            _ => self.column(slot),
        }
    }

    /// Records that a value contradicts the declaration of its column. The first one is kept.
    pub fn note_drift(&mut self, drift: ColumnDrift) {
        self.drift.get_or_insert(drift);
    }

    /// The column that contradicts its declaration, if there is one.
    pub fn drift(&self) -> Option<ColumnDrift> {
        self.drift
    }

    /// Removes a contradiction in a column whose value is not used.
    pub fn forget_drift(&mut self, slot: ColumnSlot) {
        self.drift = self.drift.filter(|drift| drift.slot != slot);
    }

    /// Sets a column to NULL.
    pub fn set_null(&mut self, slot: ColumnSlot) {
        self.put(slot, Slot::Null);
    }

    /// Resets a column to unknown: its value is not in the log.
    pub fn set_unknown(&mut self, slot: ColumnSlot) {
        self.put(slot, Slot::Unknown);
    }

    /// Copies one column from another image of the same table.
    pub fn copy_column(&mut self, slot: ColumnSlot, from: &Image) {
        match from.column(slot) {
            Column::Unknown => self.set_unknown(slot),
            Column::Null => self.set_null(slot),
            Column::Known(text) => {
                self.set_text(slot, text);
                if from.proven(slot) == Column::Unknown {
                    self.doubt(slot);
                }
            }
        }
    }

    /// Whether both images know the column, with the same text. Cheaper than a comparison of two [`column`](Self::column)s.
    #[inline]
    pub fn has_same_text(&self, slot: ColumnSlot, other: &Image) -> bool {
        match (self.bytes(slot), other.bytes(slot)) {
            (Some(one), Some(other)) => one == other,
            _ => false,
        }
    }

    fn bytes(&self, slot: ColumnSlot) -> Option<&[u8]> {
        match *self.slots.get(usize::from(slot.0))? {
            Slot::Known { start, end, .. } => {
                self.text.as_bytes().get(start as usize..end as usize)
            }
            Slot::Missing | Slot::Unknown | Slot::Null => None,
        }
    }

    /// The column's value; a slot beyond the image is unknown.
    pub fn column(&self, slot: ColumnSlot) -> Column<'_> {
        match self.slots.get(usize::from(slot.0)) {
            None | Some(Slot::Missing | Slot::Unknown) => Column::Unknown,
            Some(Slot::Null) => Column::Null,
            Some(&Slot::Known { start, end, .. }) => Column::Known(
                self.text
                    .get(start as usize..end as usize)
                    .unwrap_or_default(),
            ),
        }
    }
}
