//! samples: settled rounds → purges that the auditor may look at again.

use std::sync::Arc;

use freshet_core::position::WallMicros;
use freshet_core::registry::TargetId;
use freshet_core::sample::PurgedSample;
use tokio::sync::mpsc;

use crate::events::settled::{PlaceSettled, Settled, Stored};

/// Whether samples are in a round.
pub(crate) fn are_in(settled: &Settled) -> bool {
    !settled.samples().is_empty()
}

/// Sends samples to the auditor until no more rounds come.
pub(crate) async fn run(
    mut rounds: mpsc::Receiver<Arc<Settled>>,
    auditor: mpsc::Sender<PurgedSample>,
) {
    while let Some(settled) = rounds.recv().await {
        let registry = &settled.rules().registry;
        for sample in settled.samples() {
            let target = registry.target_named(&sample.target);
            if let Some(at) = target.and_then(|target| answered_at(settled.places(), target)) {
                // A full auditor is no reason to wait: it is a sample.
                let _ = auditor.try_send(PurgedSample {
                    purged: at,
                    ..sample.clone()
                });
            }
        }
    }
}

/// When a target had answered all of its purges; none when some were stored.
fn answered_at(places: &[PlaceSettled], target: TargetId) -> Option<WallMicros> {
    let mut places = places.iter();
    let place = places.rfind(|place| place.target == target && place.stored == Stored::Nothing)?;
    place.done.last().map(|done| done.at)
}
