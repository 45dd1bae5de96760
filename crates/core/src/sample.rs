//! What the auditor is asked to look at: purges, and rows that a snapshot read.

use std::sync::Arc;
use std::time::Duration;

use crate::intent::NamedPurge;
use crate::position::WallMicros;
use crate::registry::{EntryVersion, Registry};

/// One purged entry: what was purged, on behalf of which change, and how to tell old from new.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PurgedSample {
    /// The family's name.
    pub family: Arc<str>,
    /// The target's name.
    pub target: Arc<str>,
    /// The entry's name.
    pub name: Vec<u8>,
    /// When the change was committed.
    pub committed: WallMicros,
    /// The step of the clock that `committed` was read from, in microseconds.
    pub resolution_us: u32,
    /// When the target had answered the purge; zero until then.
    pub purged: WallMicros,
    /// The family's longest life of an entry.
    pub max_ttl: Duration,
    /// Where entries carry their version, and the version that the change wrote.
    pub version: Option<(EntryVersion, String)>,
}

/// A row that a snapshot read, with the entries that it is in. It has no commit: only its version tells old from new,
/// and a version only grows, so what is older than this row stays so however late somebody looks.
#[derive(Debug, Clone)]
pub struct ReadSample {
    /// The family's name.
    pub family: Arc<str>,
    /// The target's name.
    pub target: Arc<str>,
    /// The registry that says where the row is.
    pub registry: Arc<Registry>,
    /// The entries' names.
    pub names: Vec<Vec<u8>>,
    /// Where entries carry their version.
    pub entry: EntryVersion,
    /// The row's version.
    pub version: String,
    /// What outer caches hold of the row: it was made of the entries, and is purged behind them.
    pub outer: Vec<NamedPurge>,
}
