//! What the topics are called that Freshet itself writes.

use std::sync::Arc;

/// Names of Freshet's own topics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxTopics {
    /// Before a target's name: the topic of its live lane.
    pub topic_prefix: String,
    /// Before a target's name: the topic where its purges wait that were not done in time.
    pub backlog_prefix: String,
    /// Letters about what could not be used, and what became of them.
    pub dead_letters: Arc<str>,
    /// The compacted topic that remembers what was read.
    pub positions: Arc<str>,
}

impl Default for OutboxTopics {
    fn default() -> Self {
        Self {
            topic_prefix: "freshet.purges.".to_owned(),
            backlog_prefix: "freshet.backlog.".to_owned(),
            dead_letters: Arc::from("freshet.dead-letters"),
            positions: Arc::from("freshet.positions"),
        }
    }
}

impl OutboxTopics {
    /// The topic of a target's live lane.
    pub fn lane_topic(&self, target: &str) -> Arc<str> {
        Arc::from(format!("{}{target}", self.topic_prefix))
    }

    /// The topic where a target's purges wait that were not done in time.
    pub fn backlog_topic(&self, target: &str) -> Arc<str> {
        Arc::from(format!("{}{target}", self.backlog_prefix))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_target_has_a_topic_for_its_lane_and_one_for_its_backlog() {
        let topics = OutboxTopics::default();
        assert_eq!(&*topics.lane_topic("edge"), "freshet.purges.edge");
        assert_eq!(&*topics.backlog_topic("main"), "freshet.backlog.main");
    }
}
