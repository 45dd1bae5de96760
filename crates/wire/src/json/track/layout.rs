//! What envelopes of one kind have in common, as it is compared and read.

use crate::facts::{EnvelopeField, Facts, SourceField, TransactionField};

/// What is done with a value that differs from record to record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// Nobody wants it.
    Skip,
    /// A bound column of the row before, by its place in the table's shape.
    Before(u16),
    /// The same of the row after.
    After(u16),
    /// A field of the envelope.
    Envelope(EnvelopeField),
    /// A field of `source`.
    Source(SourceField),
    /// A field of `transaction`, where transactions are counted.
    Transaction(TransactionField),
}

/// A value on the way, and the literal bytes in front of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    /// Where the literal bytes in front of the value end.
    pub(super) literal_end: u32,
    /// Open brackets around the value.
    pub(super) depth: u8,
    pub(super) action: Action,
}

/// One layout.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) literals: Vec<u8>,
    pub(super) steps: Vec<Step>,
    /// What values that never differed say.
    pub(super) facts: Facts,
}
