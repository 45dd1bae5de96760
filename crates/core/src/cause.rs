//! Actor and reason of a purge.

use std::fmt;
use std::sync::Arc;

/// The actor of automatic purges.
pub const FRESHET: &str = "freshet";

/// Reason of a purge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// A change of a row.
    Change,
    /// An undecodable record: its families are purged.
    Poison,
    /// A gap in the log: the families of the topic are purged.
    Gap,
    /// An entry is provably older than a snapshot row.
    SnapshotCheck,
    /// A target's server may have been replaced by one that did not get earlier purges.
    Replay,
    /// A dead letter was retried.
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

    /// The reason's name, in records and logs.
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

/// Actor and reason of a purge. A purge without a cause comes from a change.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cause {
    /// The actor: [`FRESHET`], or a person as `user@host`.
    pub actor: Arc<str>,
    /// The reason.
    pub reason: Reason,
    /// Details without row data: a record's position, the cause of a gap.
    pub detail: Arc<str>,
}

impl Cause {
    /// A cause of an automatic purge.
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
