use freshet_core::gap::GapCause;
use freshet_core::position::StreamId;

use super::{Facts, Gap, Suspect, Verdict, judge};
use crate::client::partition::Partition;
use crate::source::assigned::Before;

fn suspect(expected: Option<i64>, stopped: bool) -> Suspect {
    Suspect {
        stream: StreamId(0),
        partition: Partition::new("t", 0),
        expected,
        stopped,
        cut_off: false,
        before: Before::default(),
        carried: None,
        step: None,
    }
}

fn facts(committed: Option<i64>, remembered: Option<i64>) -> Facts {
    Facts {
        low: 10,
        high: 20,
        committed,
        remembered,
    }
}

fn cause(verdict: Verdict) -> Option<GapCause> {
    match verdict {
        Verdict::Gap(Gap { cause, from, .. }) => {
            assert_eq!(from, 10, "goes on with the oldest record");
            Some(cause)
        }
        _ => None,
    }
}

#[test]
fn a_partition_that_was_never_read_is_no_gap() {
    let verdict = judge(&suspect(None, true), facts(None, None));
    assert_eq!(verdict, Verdict::First { low: 10, high: 20 });
}

#[test]
fn p5_a_partition_that_was_read_and_has_no_offset_is_a_gap() {
    let verdict = judge(&suspect(None, true), facts(None, Some(15)));
    assert_eq!(cause(verdict), Some(GapCause::OffsetsGone));
}

#[test]
fn p5_offsets_out_of_range_are_gaps_and_its_ends_are_not() {
    for (next, wanted) in [
        (9, Some(GapCause::Truncated)),
        (10, None),
        (20, None),
        (21, Some(GapCause::Recreated)),
    ] {
        // What was read in this process counts before what is committed.
        let read = judge(&suspect(Some(next), false), facts(Some(15), Some(15)));
        assert_eq!(cause(read), wanted, "read up to {next}");
        let committed = judge(&suspect(None, false), facts(Some(next), Some(15)));
        assert_eq!(cause(committed), wanted, "committed {next}");
    }
}

#[test]
fn p5_a_topic_that_is_another_one_is_a_gap_also_when_the_offset_exists() {
    let mut replaced = suspect(Some(15), false);
    replaced.cut_off = true;
    let verdict = judge(&replaced, facts(None, Some(15)));
    assert_eq!(cause(verdict), Some(GapCause::Recreated));
}

#[test]
fn p5_a_stopped_partition_is_never_left_alone() {
    let unread = judge(&suspect(None, true), facts(Some(15), None));
    assert_eq!(unread, Verdict::GoOn { at: 15 });
    let read = judge(&suspect(Some(15), true), facts(Some(15), None));
    assert_eq!(cause(read), Some(GapCause::Recreated));
}
