//! How far a stream was read.

use std::sync::atomic::{AtomicI64, Ordering};

/// How far a stream was read. Nothing yet is [`Read::NOTHING`].
#[derive(Debug)]
pub(crate) struct Read {
    /// The offset behind the last record that was handed out.
    handed_next: AtomicI64,
    /// The offset that is to be read next: as `handed_next`, or where a gap ended.
    expected: AtomicI64,
}

impl Read {
    const NOTHING: i64 = -1;

    pub(crate) fn nothing() -> Self {
        Self {
            handed_next: AtomicI64::new(Self::NOTHING),
            expected: AtomicI64::new(Self::NOTHING),
        }
    }

    /// A record was handed out.
    pub(crate) fn handed(&self, offset: i64) {
        self.handed_next.store(offset + 1, Ordering::Relaxed);
        self.expected.store(offset + 1, Ordering::Relaxed);
    }

    /// Reading goes on at `offset`.
    pub(crate) fn goes_on_at(&self, offset: i64) {
        self.expected.store(offset, Ordering::Relaxed);
    }

    /// Reading goes on as if nothing was said since.
    pub(crate) fn forget_to(&self, expected: Option<i64>) {
        let before = expected.unwrap_or(Self::NOTHING);
        self.expected.store(before, Ordering::Relaxed);
    }

    /// The offset to be read next, once it is known.
    pub(crate) fn expected(&self) -> Option<i64> {
        Some(self.expected.load(Ordering::Relaxed)).filter(|&at| at != Self::NOTHING)
    }

    /// The offset behind the last record that was handed out, if any was.
    pub(crate) fn handed_next(&self) -> Option<i64> {
        Some(self.handed_next.load(Ordering::Relaxed)).filter(|&at| at != Self::NOTHING)
    }
}
