//! beats: settled rounds → the beats of beacons that a target has answered. Whether they took effect is proven elsewhere.

use std::sync::Arc;

use tokio::sync::mpsc;

use crate::events::freshness;
use crate::events::settled::Settled;
use crate::watch::beacon::{Beacons, Beat};

/// Whether beats may be in a round.
pub(crate) fn are_in(settled: &Settled) -> bool {
    settled.rules().has_beacons()
}

/// Sends beats on until no more rounds come.
pub(crate) async fn run(mut rounds: mpsc::Receiver<Arc<Settled>>, beacons: Beacons) {
    while let Some(settled) = rounds.recv().await {
        freshness::each(&settled, |purged| {
            if let Some((database, target)) = &purged.handles.beacon {
                beacons.purged(Beat {
                    database: Arc::clone(database),
                    target: Arc::clone(target),
                    committed: purged.committed,
                    begun: settled.begun(),
                    answered: purged.answered,
                });
            }
        });
    }
}
