//! adopt: a registry that was put in force → the open round and the topics of the source.

use std::sync::Arc;

use freshet_core::ports::{Reading, Source};

use crate::intake::taking::Take;
use crate::intake::{Intake, Progress};
use crate::watch::lag::LagOf;

impl<S: Source, T: Take> Intake<S, T> {
    /// Puts a new registry to use. Its topics are asked for only when the open round resolves by it: a record of
    /// a table that is new would be nobody's under the rules before, and would settle unpurged.
    pub(crate) fn adopt_rules(&mut self, progress: &mut Progress) {
        self.hold_streams();
        if progress.open.is_empty() {
            let rules = self.rules.current();
            if !Arc::ptr_eq(&rules, &progress.open.rules) {
                progress.open.reset(rules);
            }
        }
        if Arc::ptr_eq(&progress.followed, &progress.open.rules) {
            return;
        }
        let before = std::mem::replace(&mut progress.followed, Arc::clone(&progress.open.rules));
        let topics: Vec<&str> = progress.followed.registry.topics().collect();
        // Subscribing again makes the group rebalance, so only for another set of topics.
        let other = !before.registry.topics().eq(topics.iter().copied());
        if matches!(self.lag_of, LagOf::Topics) && other {
            let heartbeats: Vec<String> = self.heartbeats.topics().collect();
            let topics: Vec<&str> = topics
                .into_iter()
                .chain(heartbeats.iter().map(String::as_str))
                .chain(self.transactions.iter().map(String::as_str))
                .collect();
            match self.source.follow(Reading::Topics(&topics)) {
                Ok(()) => {
                    tracing::info!(intake = %self.name, topics = topics.len(), "topics of the new registry are followed")
                }
                Err(error) => {
                    let reason = format!("cannot read the topics of the new registry: {error}");
                    self.status.not_ready(&self.name, &reason, self.clock.now());
                    tracing::error!(intake = %self.name, error = %error, "new topics refused");
                }
            }
        }
    }
}
