//! What a record is read into.

use freshet_core::change::Change;

use crate::facts::Facts;

/// A change whose record is being read: its images, and what the record says beside them.
#[derive(Debug)]
pub(crate) struct Draft<'a> {
    /// Images. Nothing else is set yet.
    pub(crate) change: &'a mut Change,
    /// Everything else.
    pub(crate) facts: &'a mut Facts,
}

impl Draft<'_> {
    /// The same for one more reader.
    pub(crate) fn again(&mut self) -> Draft<'_> {
        Draft {
            change: &mut *self.change,
            facts: &mut *self.facts,
        }
    }
}
