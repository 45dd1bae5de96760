//! Consumer lag by topic: several intakes may read partitions of one topic, and what a lost partition was
//! behind is somebody else's to tell.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use freshet_core::position::StreamId;

use crate::metrics;

/// What an intake reports its lag as.
#[derive(Debug, Clone)]
pub(crate) enum LagOf {
    /// By topic.
    Topics,
    /// As the backlog of a lane.
    Lane(Arc<str>),
}

type ByIntake = HashMap<String, u64>;

/// Records behind, by topic and by the intake that reads them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lags(Arc<Mutex<BTreeMap<Arc<str>, ByIntake>>>);

impl Lags {
    /// Replaces what `intake` reported before by `behind`, and sets the gauges.
    pub(crate) fn set<'a>(
        &self,
        intake: &str,
        behind: &HashMap<StreamId, u64>,
        topic_of: impl Fn(StreamId) -> Option<&'a Arc<str>>,
    ) {
        // A poisoned lock only means that a holder panicked; the map is whole after every operation.
        let mut lags = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for by_intake in lags.values_mut() {
            by_intake.remove(intake);
        }
        for (&stream, &records) in behind {
            let Some(topic) = topic_of(stream) else {
                continue;
            };
            let by_intake = lags.entry(Arc::clone(topic)).or_default();
            *by_intake.entry(intake.to_owned()).or_default() += records;
        }
        for (topic, by_intake) in lags.iter() {
            metrics::consumer_lag(topic, by_intake.values().sum());
        }
    }

    #[cfg(test)]
    fn of(&self, topic: &str) -> Option<u64> {
        let lags = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lags.get(topic).map(|by_intake| by_intake.values().sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intakes_add_up_and_a_lost_partition_counts_no_more() {
        let (lags, topic) = (Lags::default(), Arc::<str>::from("shop.public.items"));
        let items = |_| Some(&topic);
        let behind = |figures: &[(u32, u64)]| {
            let figures = figures.iter();
            figures
                .map(|&(stream, records)| (StreamId(stream), records))
                .collect()
        };
        lags.set("intake 0", &behind(&[(0, 5), (1, 2)]), items);
        lags.set("intake 1", &behind(&[(0, 10)]), items);
        assert_eq!(lags.of("shop.public.items"), Some(17));
        lags.set("intake 0", &behind(&[(1, 1)]), items);
        assert_eq!(lags.of("shop.public.items"), Some(11));
        lags.set("intake 1", &behind(&[]), items);
        lags.set("intake 0", &behind(&[]), items);
        assert_eq!(
            lags.of("shop.public.items"),
            Some(0),
            "said, not left standing"
        );
    }
}
