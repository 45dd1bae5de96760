//! A purge that the auditor may look at again.

use std::sync::Arc;
use std::time::Duration;

use crate::position::UnixMicros;
use crate::registry::EntryVersion;

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
    pub committed: UnixMicros,
    /// The step of the clock that `committed` was read from, in microseconds.
    pub resolution_us: u32,
    /// When the target had answered the purge; zero until then.
    pub purged: UnixMicros,
    /// The family's longest life of an entry.
    pub max_ttl: Duration,
    /// Where entries carry their version, and the version that the change wrote.
    pub version: Option<(EntryVersion, String)>,
}
