//! follow: a registry that was put in force → the open round, and the topics that the source is to read.

use std::sync::Arc;

use crate::round::Round;
use crate::rules::{Rules, RulesInForce};

/// The rules that an intake follows.
#[derive(Debug)]
pub(crate) struct Follow {
    in_force: RulesInForce,
    /// Those whose topics the source reads.
    followed: Arc<Rules>,
    /// Topics that are read beside those of the registry; none where the source reads a topic of ours.
    beside: Option<Vec<String>>,
}

impl Follow {
    /// An intake that reads the tables' topics, and these beside them.
    pub(crate) fn tables(in_force: RulesInForce, beside: Vec<String>) -> Self {
        Self {
            followed: in_force.current(),
            in_force,
            beside: Some(beside),
        }
    }

    /// An intake that reads a topic of ours, whatever the registry says.
    pub(crate) fn own_topic(in_force: RulesInForce) -> Self {
        Self {
            followed: in_force.current(),
            in_force,
            beside: None,
        }
    }

    /// The rules that the next round is begun under.
    pub(crate) fn current(&self) -> Arc<Rules> {
        self.in_force.current()
    }

    /// Puts a new registry to use; returns the topics to read when they are others than before. Its topics are asked for
    /// only when the open round resolves by it: a record of a table that is new would be nobody's under the rules
    /// before, and would settle unpurged.
    pub(crate) fn adopt(&mut self, open: &mut Round) -> Option<Vec<String>> {
        if open.is_empty() {
            let rules = self.in_force.current();
            if !Arc::ptr_eq(&rules, &open.rules) {
                open.reset(rules);
            }
        }
        if Arc::ptr_eq(&self.followed, &open.rules) {
            return None;
        }
        let before = std::mem::replace(&mut self.followed, Arc::clone(&open.rules));
        let topics = self.followed.registry.topics();
        // Subscribing again makes the group rebalance, so only for another set of topics.
        if before.registry.topics().eq(topics) {
            return None;
        }
        let topics = self.followed.registry.topics().map(str::to_owned);
        let beside = self.beside.as_ref()?;
        Some(topics.chain(beside.iter().cloned()).collect())
    }
}

#[cfg(test)]
mod tests;
