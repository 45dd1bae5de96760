//! Decides where to continue without a usable offset: which partitions are new, and which have lost records.

use freshet_core::gap::GapCause;
use freshet_core::position::StreamId;

use super::assigned::Before;
use crate::client::partition::Partition;

/// A stream that may have a gap.
#[derive(Debug, Clone)]
pub(crate) struct Suspect {
    pub(crate) stream: StreamId,
    pub(crate) partition: Partition,
    /// The offset to be read next, once something was read.
    pub(crate) expected: Option<i64>,
    /// The client has stopped fetching it.
    pub(crate) stopped: bool,
    /// Its committed offset was deleted with its topic.
    pub(crate) cut_off: bool,
    /// What this process knows of the partition.
    pub(crate) before: Before,
    /// Next offset of an earlier client, which has reported everything before it.
    pub(crate) carried: Option<i64>,
    /// It may contain a record that cannot be fetched: the number of offsets to skip then.
    pub(crate) step: Option<i64>,
}

/// How to handle a suspect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The next offset exists: nothing to do.
    Readable,
    /// Nothing is lost, but the client needs the offset to continue from.
    GoOn {
        /// The offset.
        at: i64,
    },
    /// The group never read it.
    First {
        /// The oldest offset there is.
        low: i64,
        /// The offset of what comes next.
        high: i64,
    },
    /// Records are lost.
    Gap(Gap),
}

/// Records that are lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Gap {
    /// How it was detected.
    pub(crate) cause: GapCause,
    /// The oldest offset after it.
    pub(crate) from: i64,
    /// Message with the offsets.
    pub(crate) detail: String,
}

/// State of one partition at the brokers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts {
    pub(crate) low: i64,
    pub(crate) high: i64,
    pub(crate) committed: Option<i64>,
    /// How far the group had read, as remembered beside Kafka's own offsets.
    pub(crate) remembered: Option<i64>,
}

/// The verdict about one suspect.
pub(crate) fn judge(suspect: &Suspect, facts: Facts) -> Verdict {
    let Facts { low, high, .. } = facts;
    let range = format!("the log has {low} to {high}");
    let gap = |cause, detail| {
        let from = low;
        Verdict::Gap(Gap {
            cause,
            from,
            detail,
        })
    };
    let Some(next) = suspect.expected.or(facts.committed) else {
        let read = facts.remembered.or(suspect.before.committed);
        return match (suspect.carried, read) {
            (Some(at), _) => Verdict::GoOn {
                at: at.clamp(low, high.max(low)),
            },
            (None, Some(read)) => {
                let detail =
                    format!("read up to {read}, but the committed offset is gone, {range}");
                gap(GapCause::OffsetsGone, detail)
            }
            (None, None) => Verdict::First { low, high },
        };
    };
    if suspect.cut_off {
        let detail = format!(
            "read up to {next}, but the committed offset was deleted with its topic, {range}"
        );
        return gap(GapCause::Recreated, detail);
    }
    if next < low {
        let detail = format!("offsets {next} to {low} were removed unread, {range}");
        return gap(GapCause::Truncated, detail);
    }
    if next > high {
        return gap(GapCause::Recreated, format!("read up to {next}, {range}"));
    }
    match (suspect.stopped, suspect.expected) {
        (false, _) => Verdict::Readable,
        (true, None) => Verdict::GoOn { at: next },
        // The offset exists, but the client does not continue: it is not the log that was read before.
        (true, Some(_)) => {
            let detail = format!("the log was truncated or replaced after {next}, {range}");
            gap(GapCause::Recreated, detail)
        }
    }
}

#[cfg(test)]
mod tests;
