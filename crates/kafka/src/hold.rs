//! What is read: topics, and streams that the pipeline holds, whose partitions are paused while every other one flows.

use freshet_core::ports::{Reading, SourceError};
use freshet_core::position::StreamId;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::Consumer;

use crate::consumer_state::Assigned;
use crate::mend::partitions_of;
use crate::source::KafkaSource;
use crate::source_config::refuse_patterns;

impl KafkaSource {
    /// Reads other topics, or nothing of some streams.
    pub(crate) fn read_from_now_on(&mut self, reading: Reading<'_>) -> Result<(), SourceError> {
        match reading {
            Reading::Topics(topics) => {
                refuse_patterns(topics).map_err(SourceError::Follow)?;
                self.config.topics = topics.iter().map(|&it| it.to_owned()).collect();
                self.consumer
                    .subscribe(topics)
                    .map_err(|error| SourceError::Follow(error.to_string()))
            }
            Reading::Without(streams) => {
                self.hold_streams(streams);
                Ok(())
            }
        }
    }

    /// Holds these streams, and lets those go that were held before.
    fn hold_streams(&mut self, streams: &[StreamId]) {
        let before = std::mem::replace(&mut self.held, streams.to_vec());
        let is_let_go =
            |it: &Assigned| before.contains(&it.stream) && !streams.contains(&it.stream);
        let let_go = self.partitions(is_let_go);
        self.pause_held();
        // Where everything is paused, the end of that lets them go too.
        if !self.paused
            && let_go.count() > 0
            && let Err(error) = self.consumer.resume(&let_go)
        {
            tracing::warn!(error = %error, "partitions that waited cannot be resumed");
        }
    }

    /// Pauses what is held.
    pub(crate) fn pause_held(&self) {
        let held = self.partitions(|it| self.held.contains(&it.stream));
        if held.count() > 0
            && let Err(error) = self.consumer.pause(&held)
        {
            tracing::warn!(error = %error, "partitions that wait cannot be paused");
        }
    }

    fn partitions(&self, which: impl Fn(&Assigned) -> bool) -> TopicPartitionList {
        let state = self.consumer.context().state();
        partitions_of(state.assigned.iter().filter(|it| !it.leaving && which(it)))
    }
}
