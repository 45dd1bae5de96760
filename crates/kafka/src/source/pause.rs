//! Pauses partitions: all of them, or the streams that the pipeline holds while the others
//! continue.

use freshet_core::position::StreamId;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer};

use super::assigned::Assigned;
use super::rebalance::Callbacks;
use crate::client::partition::list_of;
use crate::client::wake::wake_fetchers;

/// What is paused.
#[derive(Debug, Default)]
pub(crate) struct Pauses {
    all: bool,
    /// Held streams.
    held: Vec<StreamId>,
}

impl Pauses {
    /// Whether all streams are paused.
    pub(crate) fn is_all(&self) -> bool {
        self.all
    }

    /// Held streams.
    pub(crate) fn held(&self) -> &[StreamId] {
        &self.held
    }

    /// Pauses or resumes all that stays.
    pub(crate) fn set_all(&mut self, consumer: &BaseConsumer<Callbacks>, paused: bool) {
        // What is being given away stays paused, and what is held.
        let partitions = staying(consumer, |known| !self.held.contains(&known.stream));
        let outcome = if paused {
            consumer.pause(&partitions)
        } else {
            consumer.resume(&partitions)
        };
        match outcome {
            Ok(()) => {
                self.all = paused;
                if !paused {
                    wake_fetchers(consumer, partitions);
                }
            }
            Err(error) => tracing::warn!(error = %error, paused, "pause or resume failed"),
        }
    }

    /// Holds these streams, and resumes those that were held before.
    pub(crate) fn hold(&mut self, consumer: &BaseConsumer<Callbacks>, streams: &[StreamId]) {
        let before = std::mem::replace(&mut self.held, streams.to_vec());
        let let_go = staying(consumer, |known| {
            before.contains(&known.stream) && !streams.contains(&known.stream)
        });
        self.pause_held(consumer);
        // Where everything is paused, the end of that lets them go too.
        if !self.all
            && let_go.count() > 0
            && let Err(error) = consumer.resume(&let_go)
        {
            tracing::warn!(error = %error, "waiting partitions could not be resumed");
        }
    }

    /// Pauses what is held.
    pub(crate) fn pause_held(&self, consumer: &BaseConsumer<Callbacks>) {
        let held = staying(consumer, |known| self.held.contains(&known.stream));
        if held.count() > 0
            && let Err(error) = consumer.pause(&held)
        {
            tracing::warn!(error = %error, "waiting partitions could not be paused");
        }
    }
}

/// The partitions of some of the streams that stay.
fn staying(
    consumer: &BaseConsumer<Callbacks>,
    which: impl Fn(&Assigned) -> bool,
) -> TopicPartitionList {
    let state = consumer.context().state();
    let chosen = state.staying().filter(|known| which(known));
    list_of(chosen.map(|known| &known.partition))
}
