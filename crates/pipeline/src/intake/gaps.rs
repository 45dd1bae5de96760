//! gaps: records that may be lost → when the families of their table are purged. One gap of many partitions is one purge,
//! and gaps that keep coming do not become a storm (promise P5).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use freshet_core::broken::Promise;
use freshet_core::cause::Cause;
use freshet_core::intent::Asked;
use freshet_core::position::Steady;

use crate::intake::open::Gap;

/// Other partitions of the same topic mostly report the same gap within this.
const GATHER: Duration = Duration::from_secs(1);
/// A table's families are purged for gaps no more often than this.
const AT_MOST_EVERY: Duration = Duration::from_secs(30);

/// The gaps of an intake, from their notice until the purge of their families is done.
#[derive(Debug, Default)]
pub(crate) struct Gaps {
    /// Not purged yet, by topic.
    waiting: BTreeMap<Arc<str>, Waiting>,
    /// In a round that is not done.
    under_way: Vec<UnderWay>,
    /// When the last ones were purged, by topic.
    purged: BTreeMap<Arc<str>, Steady>,
}

#[derive(Debug)]
struct Waiting {
    due: Steady,
    gap: DueGap,
}

#[derive(Debug)]
struct UnderWay {
    cause: Arc<Cause>,
    unproven: Unproven,
}

/// A gap whose families are to be purged now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DueGap {
    pub(crate) gap: Gap,
    /// What is purged because of it.
    pub(crate) asked: Asked,
    /// The families that this concerns.
    pub(crate) families: Vec<Arc<str>>,
}

/// What a gap leaves unproven until its purge is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unproven {
    pub(crate) topic: Arc<str>,
    pub(crate) families: Vec<Arc<str>>,
}

impl Gaps {
    /// Notes a gap. One that waits already takes it in.
    pub(crate) fn note(&mut self, gap: DueGap, now: Steady) {
        if Promise::P5.is_broken() {
            return;
        }
        let gathered = now.plus(GATHER);
        let topic = &gap.gap.topic;
        let spared = self.purged.get(topic).map(|&at| at.plus(AT_MOST_EVERY));
        let due = spared.map_or(gathered, |spared| spared.max(gathered));
        self.waiting
            .entry(Arc::clone(topic))
            .or_insert(Waiting { due, gap });
    }

    /// Whether any gap is not purged yet. Until then nothing may be committed, since a process that dies would not
    /// notice the gap a second time.
    pub(crate) fn is_open(&self) -> bool {
        !self.waiting.is_empty() || !self.under_way.is_empty()
    }

    /// A gap whose time has come. The caller purges its families.
    pub(crate) fn take_due(&mut self, now: Steady) -> Option<DueGap> {
        let (topic, _) = self
            .waiting
            .iter()
            .find(|(_, waiting)| waiting.due <= now)?;
        let topic = Arc::clone(topic);
        let Waiting { gap, .. } = self.waiting.remove(&topic)?;
        self.purged.insert(topic, now);
        Some(gap)
    }

    /// The families of a gap are being purged because of `cause`.
    pub(crate) fn purging(&mut self, cause: Arc<Cause>, unproven: Unproven) {
        self.under_way.push(UnderWay { cause, unproven });
    }

    /// A round with these causes is done: returns what is proven by it, without families that another gap still leaves
    /// unproven.
    pub(crate) fn proven(&mut self, causes: &[Arc<Cause>]) -> Vec<Unproven> {
        if self.under_way.is_empty() {
            return Vec::new();
        }
        let is_done =
            |gap: &mut UnderWay| causes.iter().any(|cause| Arc::ptr_eq(cause, &gap.cause));
        let done: Vec<Unproven> = self
            .under_way
            .extract_if(.., is_done)
            .map(|gap| gap.unproven)
            .collect();
        let proven = done.into_iter().map(|mut unproven| {
            unproven.families.retain(|family| !self.concerns(family));
            unproven
        });
        proven.collect()
    }

    fn concerns(&self, family: &Arc<str>) -> bool {
        let waiting = self.waiting.values().map(|waiting| &waiting.gap.families);
        let under_way = self.under_way.iter().map(|gap| &gap.unproven.families);
        waiting
            .chain(under_way)
            .flatten()
            .any(|other| other == family)
    }
}

#[cfg(test)]
mod tests {
    use freshet_core::cause::Reason;
    use freshet_core::gap::GapCause;

    use super::*;

    const SECOND: u64 = 1_000_000;

    /// A gap of this topic, on which these families depend.
    fn gap(topic: &str, families: &[&str]) -> DueGap {
        let topic = Arc::<str>::from(topic);
        DueGap {
            asked: Asked::Topic(Arc::clone(&topic)),
            gap: Gap {
                topic,
                cause: GapCause::Truncated,
                detail: "offsets 1 to 5".to_owned(),
            },
            families: families.iter().map(|family| Arc::from(*family)).collect(),
        }
    }

    #[test]
    fn p5_one_gap_of_many_partitions_is_one_purge() {
        let (mut gaps, of_items) = (Gaps::default(), gap("items", &["item"]));
        for at in 0..6 {
            gaps.note(of_items.clone(), Steady(at * 100_000));
        }
        assert!(gaps.is_open());
        assert_eq!(gaps.take_due(Steady(SECOND - 1)), None);
        assert_eq!(gaps.take_due(Steady(SECOND)), Some(of_items));
        assert!(!gaps.is_open());
        assert_eq!(gaps.take_due(Steady(90 * SECOND)), None, "exactly one");
    }

    #[test]
    fn p5_gaps_that_keep_coming_are_no_storm_and_none_is_forgotten() {
        let mut gaps = Gaps::default();
        let mut purges = 0;
        for at in 0..120 {
            gaps.note(gap("items", &["item"]), Steady(at * SECOND));
            purges += u32::from(gaps.take_due(Steady(at * SECOND)).is_some());
        }
        assert_eq!(purges, 4, "one every thirty seconds");
        assert!(gaps.is_open(), "the last ones wait for theirs");
    }

    /// Takes the gap that is due, whose purge has `cause` from now on.
    fn purge(gaps: &mut Gaps, now: u64, cause: &Arc<Cause>) {
        let due = gaps.take_due(Steady(now * SECOND)).expect("a due gap");
        let unproven = Unproven {
            topic: due.gap.topic,
            families: due.families,
        };
        gaps.purging(Arc::clone(cause), unproven);
    }

    #[test]
    fn p5_a_gap_is_open_until_the_round_with_its_own_cause_is_done() {
        // Equal in words, and two all the same.
        let causes = [(); 3].map(|()| Arc::new(Cause::own(Reason::Gap, "offsets 1 to 5")));
        let [first, second, other] = &causes;
        let mut gaps = Gaps::default();
        gaps.note(gap("items", &["item", "menu"]), Steady(0));
        purge(&mut gaps, 1, first);
        gaps.note(gap("prices", &["menu"]), Steady(SECOND));
        assert_eq!(gaps.proven(std::slice::from_ref(other)), []);
        assert_eq!(gaps.proven(&[]), []);
        let proven = |topic: &str, families: &[&str]| {
            let families = families.iter().map(|family| Arc::from(*family)).collect();
            let topic = Arc::from(topic);
            vec![Unproven { topic, families }]
        };
        let of_first = gaps.proven(std::slice::from_ref(first));
        assert_eq!(of_first, proven("items", &["item"]), "the menu is not");
        assert!(gaps.is_open());
        purge(&mut gaps, 2, second);
        let of_second = gaps.proven(&[Arc::clone(other), Arc::clone(second)]);
        assert_eq!(of_second, proven("prices", &["menu"]));
        assert!(!gaps.is_open());
    }
}
