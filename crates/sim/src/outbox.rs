//! Appends to topics of ours, with replies that get lost.

use freshet_core::ports::{Outbox, OutboxError, OutboxRecord};
use rand::Rng;

use crate::oracle::Shared;

/// The outbox of one process.
#[derive(Clone)]
pub(crate) struct SimOutbox(pub(crate) Shared);

impl Outbox for SimOutbox {
    async fn append(&self, record: OutboxRecord) -> Result<(), OutboxError> {
        let refused = |reason: &str| OutboxError {
            topic: record.topic.clone(),
            reason: reason.to_owned(),
        };
        let pause = self.0.lock().chance.random_range(200..3_000);
        tokio::time::sleep(std::time::Duration::from_micros(pause)).await;
        let away = self.0.lock().log.away;
        if away {
            // As a producer does: it waits for its own deadline before it gives up.
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            return Err(refused("the brokers are away"));
        }
        let lost = {
            let mut state = self.0.lock();
            let odds = state.lose_appends;
            let lost = odds > 0.0 && state.chance.random_bool(odds);
            if !(lost && state.chance.random_bool(0.5)) {
                state.store(&record);
            }
            lost
        };
        tokio::time::sleep(std::time::Duration::from_micros(pause)).await;
        if lost {
            return Err(refused("the reply was lost"));
        }
        Ok(())
    }
}
