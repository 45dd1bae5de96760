//! What must not be lost → our topics: purges that another lane does, and dead letters.

use std::sync::Arc;

use freshet_core::ports::{Outbox, OutboxRecord};
use freshet_core::purge::PurgeBatch;
use freshet_core::registry::Registry;
use freshet_wire::{DeadLetter, requests_of};

use crate::clock::Clock;
use crate::lanes::backoff::{Backoff, Dice};
use crate::watch::status::Status;

/// Appends to our topics, again and again until the broker has stored it.
#[derive(Debug)]
pub(crate) struct Store<O> {
    pub(crate) outbox: Arc<O>,
    pub(crate) clock: Clock,
    pub(crate) status: Status,
    pub(crate) backoff: Backoff,
    pub(crate) dice: Dice,
    pub(crate) dead_letter_topic: Arc<str>,
}

impl<O: Outbox> Store<O> {
    /// Appends until the record is stored.
    pub(crate) async fn append(&self, record: OutboxRecord) {
        let part = format!("outbox {}", record.topic);
        let mut attempt = 0;
        while let Err(error) = self.outbox.append(record.clone()).await {
            if self
                .status
                .not_ready(&part, &error.reason, self.clock.now())
            {
                tracing::warn!(topic = %record.topic, error = %error, "append failed, retrying");
            }
            tokio::time::sleep(self.backoff.wait(attempt, self.dice.roll())).await;
            attempt += 1;
        }
        if attempt > 0 {
            self.status.ready(&part);
        }
    }

    /// Stores a batch in a lane's topic, and behind it what follows in outer tiers.
    pub(crate) async fn request(
        &self,
        registry: &Registry,
        topic: &Arc<str>,
        batch: &PurgeBatch,
        outer: &[&PurgeBatch],
    ) {
        for request in requests_of(registry, batch, outer, self.clock.wall()) {
            self.append(request.to_record(topic)).await;
        }
    }

    /// Stores a dead letter; `key` keeps those of one family or topic in order.
    pub(crate) async fn letter(&self, key: &str, letter: &DeadLetter) {
        self.append(OutboxRecord {
            topic: Arc::clone(&self.dead_letter_topic),
            key: key.as_bytes().to_vec(),
            payload: letter.encode(),
        })
        .await;
    }
}
