//! withheld: the position that an intake waits for before it can commit on → since when, and what for.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use freshet_core::ledger::OffsetLedger;
use freshet_core::position::{Steady, StreamId, StreamPosition};

use crate::metrics;

/// A commit that waits for so long is written into the log, once.
const LOGGED_AFTER: Duration = Duration::from_secs(10);

/// What a commit waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WaitsFor {
    /// The families of a gap in the log: they are not purged yet. Each is reported by itself.
    Gaps,
    /// A writer schema, by its id.
    Schema(u32),
    /// Targets that have not answered in time.
    Targets(Vec<Arc<str>>),
    /// Targets that were asked a moment ago.
    Purges,
    /// The round that it is in, to be sent.
    Window,
    /// The source, which has not taken the commit; why.
    Source(String),
}

impl WaitsFor {
    /// Every label of the metric.
    pub const LABELS: [&str; 6] = ["gap", "schema", "target", "purges", "window", "source"];

    /// It as a label of the metric.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Gaps => "gap",
            Self::Schema(_) => "schema",
            Self::Targets(_) => "target",
            Self::Purges => "purges",
            Self::Window => "window",
            Self::Source(_) => "source",
        }
    }
}

impl fmt::Display for WaitsFor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gaps => f.write_str("the families of a gap are not purged yet"),
            Self::Schema(id) => write!(f, "writer schema {id} is not available"),
            Self::Targets(targets) => write!(f, "no answer from {} yet", targets.join(", ")),
            Self::Purges => f.write_str("its purges are in flight"),
            Self::Window => f.write_str("its round is not sent yet"),
            Self::Source(reason) => write!(f, "the commit failed: {reason}"),
        }
    }
}

/// A position that is not committed, and what for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Withheld {
    /// Its topic.
    pub topic: Arc<str>,
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: u64,
    /// Since when nothing of its partition was committed because of it.
    pub since: Steady,
    /// What for.
    pub waits_for: WaitsFor,
}

impl fmt::Display for Withheld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            topic,
            partition,
            offset,
            waits_for,
            ..
        } = self;
        write!(f, "{topic}[{partition}]@{offset}: {waits_for}")
    }
}

/// Why commits of an intake wait as a whole, whatever is settled.
#[derive(Debug, Clone)]
pub(crate) struct Hold {
    pub(crate) since: Steady,
    pub(crate) waits_for: WaitsFor,
}

/// A position that commits wait for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) position: StreamPosition,
    pub(crate) since: Steady,
    /// What for; none when it is open, and the intake has to say.
    pub(crate) waits_for: Option<WaitsFor>,
}

/// Watches what the commits of an intake wait for.
#[derive(Debug, Default)]
pub(crate) struct WithheldWatch {
    /// The first position that waits of each stream, and since when it is that.
    fronts: BTreeMap<StreamId, (u64, Steady)>,
    /// What the metric shows.
    label: Option<&'static str>,
    is_logged: bool,
}

impl WithheldWatch {
    /// The position that commits wait for: one for which `hold` is the reason, else the one that has been open for the
    /// longest time.
    pub(crate) fn look(
        &mut self,
        ledger: &OffsetLedger,
        hold: Option<Hold>,
        now: Steady,
    ) -> Option<Found> {
        let oldest = self.oldest(ledger.blocking(), now);
        let Some(Hold { since, waits_for }) = hold else {
            return oldest;
        };
        ledger.uncommitted().next().map(|position| Found {
            position,
            since,
            waits_for: Some(waits_for),
        })
    }

    /// Of the first positions that wait, the one that has for the longest time.
    fn oldest(
        &mut self,
        waiting: impl Iterator<Item = StreamPosition>,
        now: Steady,
    ) -> Option<Found> {
        let before = std::mem::take(&mut self.fronts);
        let mut oldest: Option<Found> = None;
        for position in waiting {
            let since = match before.get(&position.stream) {
                Some(&(ordinal, since)) if ordinal == position.ordinal => since,
                _ => now,
            };
            self.fronts
                .insert(position.stream, (position.ordinal, since));
            if oldest.as_ref().is_none_or(|found| since < found.since) {
                oldest = Some(Found {
                    position,
                    since,
                    waits_for: None,
                });
            }
        }
        oldest
    }

    /// Reports it in the metric and, after a while, in the log.
    pub(crate) fn report(&mut self, intake: &str, withheld: Option<&Withheld>, now: Steady) {
        let label = withheld.map(|withheld| withheld.waits_for.label());
        if let Some(before) = self.label.filter(|before| Some(*before) != label) {
            metrics::commit_withheld(intake, before, Duration::ZERO);
        }
        self.label = label;
        let Some(withheld) = withheld else {
            if std::mem::take(&mut self.is_logged) {
                tracing::info!(intake, "offsets are committed again");
            }
            return;
        };
        let age = now.since(withheld.since);
        metrics::commit_withheld(intake, withheld.waits_for.label(), age);
        if age < LOGGED_AFTER {
            // Another position waits now, for less long.
            self.is_logged = false;
        } else if !std::mem::replace(&mut self.is_logged, true) {
            tracing::warn!(
                intake,
                topic = %withheld.topic,
                partition = withheld.partition,
                offset = withheld.offset,
                waits_for = %withheld.waits_for,
                seconds = age.as_secs(),
                "offsets are not committed"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    fn at(stream: u32, ordinal: u64) -> StreamPosition {
        StreamPosition {
            stream: StreamId(stream),
            ordinal,
        }
    }

    #[test]
    fn the_position_that_has_waited_longest_is_reported_until_it_is_settled() {
        let (mut watch, mut ledger) = (WithheldWatch::default(), OffsetLedger::default());
        assert_eq!(watch.look(&ledger, None, Steady(0)), None);
        ledger.open(at(1, 7), 1);
        ledger.open(at(1, 8), 1);
        let waits = |position, since| {
            Some(Found {
                position,
                since: Steady(since),
                waits_for: None,
            })
        };
        assert_eq!(
            watch.look(&ledger, None, Steady(SECOND)),
            waits(at(1, 7), SECOND)
        );
        ledger.open(at(2, 3), 1);
        assert_eq!(
            watch.look(&ledger, None, Steady(5 * SECOND)),
            waits(at(1, 7), SECOND)
        );
        ledger.settle(at(1, 8));
        assert_eq!(
            watch.look(&ledger, None, Steady(6 * SECOND)),
            waits(at(1, 7), SECOND)
        );
        ledger.settle(at(1, 7));
        let next = watch.look(&ledger, None, Steady(7 * SECOND));
        assert_eq!(next, waits(at(2, 3), 5 * SECOND), "the other stream's");
        ledger.open(at(2, 4), 1);
        ledger.settle(at(2, 3));
        let next = watch.look(&ledger, None, Steady(8 * SECOND));
        assert_eq!(next, waits(at(2, 4), 8 * SECOND), "another, since now");
    }

    #[test]
    fn a_gap_holds_back_what_is_settled() {
        let (mut watch, mut ledger) = (WithheldWatch::default(), OffsetLedger::default());
        let hold = || {
            let (since, waits_for) = (Steady(4), WaitsFor::Gaps);
            Some(Hold { since, waits_for })
        };
        assert_eq!(
            watch.look(&ledger, hold(), Steady(9)),
            None,
            "nothing waits"
        );
        ledger.open(at(1, 7), 0);
        let held = Found {
            position: at(1, 7),
            since: Steady(4),
            waits_for: Some(WaitsFor::Gaps),
        };
        assert_eq!(watch.look(&ledger, hold(), Steady(9)), Some(held));
        ledger.take_committable(|_| {});
        assert_eq!(watch.look(&ledger, None, Steady(9)), None);
    }

    #[test]
    fn every_reason_has_a_label_of_its_own() {
        let all = [
            WaitsFor::Gaps,
            WaitsFor::Schema(7),
            WaitsFor::Targets(vec!["main".into()]),
            WaitsFor::Purges,
            WaitsFor::Window,
            WaitsFor::Source("away".to_owned()),
        ];
        assert_eq!(all.map(|reason| reason.label()), WaitsFor::LABELS);
    }
}
