//! Input of the auditor: purged entries and snapshot rows.

use std::sync::Arc;
use std::time::Duration;

use crate::intent::NamedPurge;
use crate::position::WallMicros;
use crate::registry::{EntryVersion, Registry};

/// One purged entry, with the data to decide whether a later value is stale.
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
    /// Resolution of `committed`, in microseconds.
    pub resolution_us: u32,
    /// When the target answered the purge; zero until then.
    pub purged: WallMicros,
    /// The family's `max_ttl`.
    pub max_ttl: Duration,
    /// Version field of the entries, and the version that the change wrote.
    pub version: Option<(EntryVersion, String)>,
}

/// A snapshot row with the entries that depend on it. It has no commit time, so only its version shows what is stale.
/// Versions only grow, so an entry older than this row stays stale, however late it is checked.
#[derive(Debug, Clone)]
pub struct ReadSample {
    /// The family's name.
    pub family: Arc<str>,
    /// The target's name.
    pub target: Arc<str>,
    /// The registry with which the row was resolved.
    pub registry: Arc<Registry>,
    /// The entries' names.
    pub names: Vec<Vec<u8>>,
    /// Version field of the entries.
    pub entry: EntryVersion,
    /// The row's version.
    pub version: String,
    /// Entries of outer caches that were filled from these entries; they are purged after them.
    pub outer: Vec<NamedPurge>,
}
