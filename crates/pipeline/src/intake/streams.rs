//! streams: the partitions that an intake reads, how far behind their ends it is, and which of them end.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use freshet_core::position::StreamId;

use crate::metrics;
use crate::watch::lag::{LagOf, Lags};

/// A partition that is read here.
#[derive(Debug)]
pub(crate) struct Partition {
    pub(crate) topic: Arc<str>,
    pub(crate) partition: i32,
}

/// All of them.
#[derive(Debug)]
pub(crate) struct Streams {
    partitions: HashMap<StreamId, Partition>,
    /// Records up to their ends.
    behind: HashMap<StreamId, u64>,
    /// Streams that end as soon as what was handed out of them is committed.
    leaving: HashSet<StreamId>,
    lag_of: LagOf,
    lags: Lags,
}

impl Streams {
    pub(crate) fn new(lag_of: LagOf, lags: Lags) -> Self {
        Self {
            partitions: HashMap::new(),
            behind: HashMap::new(),
            leaving: HashSet::new(),
            lag_of,
            lags,
        }
    }

    pub(crate) fn assigned(&mut self, stream: StreamId, partition: Partition) {
        self.partitions.insert(stream, partition);
    }

    /// It ends soon.
    pub(crate) fn leaves(&mut self, stream: StreamId) {
        self.leaving.insert(stream);
    }

    /// It has ended.
    pub(crate) fn revoked(&mut self, stream: StreamId) -> Option<Partition> {
        self.leaving.remove(&stream);
        self.behind.remove(&stream);
        self.partitions.remove(&stream)
    }

    pub(crate) fn set_behind(&mut self, stream: StreamId, records: u64) {
        self.behind.insert(stream, records);
    }

    pub(crate) fn partition(&self, stream: StreamId) -> Option<&Partition> {
        self.partitions.get(&stream)
    }

    /// Whether another process waits for a stream that ends here.
    pub(crate) fn is_any_leaving(&self) -> bool {
        !self.leaving.is_empty()
    }

    /// Sets the lag of the topics, or the backlog of the lane; `open` positions are not settled.
    pub(crate) fn report(&self, intake: &str, open: usize) {
        match &self.lag_of {
            LagOf::Topics => self.lags.set(intake, &self.behind, |stream| {
                self.partition(stream).map(|partition| &partition.topic)
            }),
            LagOf::Lane(lane) => {
                let behind: u64 = self.behind.values().sum();
                metrics::lane_backlog(lane, behind + open as u64);
            }
        }
    }
}
