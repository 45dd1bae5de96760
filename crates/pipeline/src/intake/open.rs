//! open: what records are taken into: the round that fills, and what they revealed beside their changes.

use std::sync::Arc;

use freshet_core::gap::GapCause;

use crate::round::Round;
use crate::rules::Rules;

/// What is open.
#[derive(Debug)]
pub(crate) struct Open {
    /// The round that fills.
    pub(crate) round: Round,
    pub(crate) noticed: Noticed,
}

impl Open {
    pub(crate) fn new(rules: Arc<Rules>) -> Self {
        Self {
            round: Round::new(rules),
            noticed: Noticed::default(),
        }
    }
}

/// What was noticed and not looked at yet. The intake looks after each pull.
#[derive(Debug, Default)]
pub(crate) struct Noticed {
    pub(crate) gaps: Vec<Gap>,
    /// Topics of the connectors' heartbeats.
    pub(crate) heartbeats: Vec<Arc<str>>,
    pub(crate) beats: Vec<BeatOn>,
}

/// Records of a topic may be lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Gap {
    pub(crate) topic: Arc<str>,
    pub(crate) cause: GapCause,
    /// For people: where and how it was noticed.
    pub(crate) detail: String,
}

/// A beat of a beacon came through this partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BeatOn {
    pub(crate) topic: Arc<str>,
    pub(crate) partition: i32,
}
