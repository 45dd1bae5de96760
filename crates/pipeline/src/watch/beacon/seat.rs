//! Where a beacon is measured.

use std::sync::Arc;
use std::time::Duration;

/// One beacon at one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BeaconSeat {
    /// The database whose row moves.
    pub database: Arc<str>,
    /// Where it is measured.
    pub target: Arc<str>,
    /// The topic that carries beats to their purge there: the table's, or that of the target's live lane.
    pub topic: Arc<str>,
    /// Beats may be expected of its first partition before one was ever heard. Not so of a topic of ours, which has
    /// several and uses one.
    pub in_first_partition: bool,
    /// How old the newest beat that took effect may be.
    pub within: Duration,
    /// The entry that beats purge and how long it lives; none where nothing can be planted, and the answer must do.
    pub entry: Option<(Vec<u8>, Duration)>,
}
