//! Streams that the pipeline holds: their partitions are paused, and every other one flows.

use freshet_core::position::StreamId;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::Consumer;

use crate::consumer_state::Assigned;
use crate::mend::partitions_of;
use crate::source::KafkaSource;

impl KafkaSource {
    /// Holds these streams, and lets those go that were held before.
    pub(crate) fn hold_streams(&mut self, streams: &[StreamId]) {
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
