//! Who asked for a purge, and why.

use std::fmt;
use std::sync::Arc;

/// The actor of everything that Freshet wants by itself.
pub const FRESHET: &str = "freshet";

/// Why something is purged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// A change of a row.
    Change,
    /// A record that cannot be used: whatever it changed, its families are purged.
    Poison,
    /// Records that nobody can read any more: the same.
    Gap,
    /// An entry is provably older than a row that a snapshot read.
    SnapshotCheck,
    /// A target's server may have been replaced by one that was not asked.
    Replay,
    /// A dead letter was tried again.
    Letter,
}

impl Reason {
    /// Every reason, in the order of the Avro enum.
    pub const ALL: [Self; 6] = [
        Self::Change,
        Self::Poison,
        Self::Gap,
        Self::SnapshotCheck,
        Self::Replay,
        Self::Letter,
    ];

    /// The reason's name as it stands in records and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Change => "change",
            Self::Poison => "poison",
            Self::Gap => "gap",
            Self::SnapshotCheck => "snapshot_check",
            Self::Replay => "replay",
            Self::Letter => "letter",
        }
    }
}

/// Who asks for a purge, and why. A purge without one is a change's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cause {
    /// Who: [`FRESHET`], or a person as `user@host`.
    pub actor: Arc<str>,
    /// Why.
    pub reason: Reason,
    /// What exactly gave the reason, without row data: a record's place, what a gap was noticed by.
    pub detail: Arc<str>,
}

impl Cause {
    /// Something that Freshet wants by itself.
    pub fn own(reason: Reason, detail: impl Into<Arc<str>>) -> Self {
        Self {
            actor: Arc::from(FRESHET),
            reason,
            detail: detail.into(),
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} by {}", self.reason.name(), self.actor)?;
        match &*self.detail {
            "" => Ok(()),
            detail => write!(f, ": {detail}"),
        }
    }
}
