//! The one table from outcome to disposition, row by row.

use freshet_core::purge::Disposition::{self, Defer, Quarantine, Retry, Settle, Split};
use freshet_core::purge::PurgeOutcome::{
    self, Forgotten, NodeDown, NothingCached, Purged, Refused, Throttled, Unreachable,
};
use freshet_core::purge::Refusal::{OfCaller, OfPurge};
use freshet_core::purge::{PurgeReport, disposition};

/// Outcome, its label, what is done in a batch, what is done alone.
const TABLE: [(PurgeOutcome, &str, Disposition, Disposition); 9] = [
    (Purged, "purged", Settle, Settle),
    (NothingCached, "nothing_cached", Settle, Settle),
    (Throttled { retry_after_ms: 0 }, "throttled", Retry, Retry),
    (
        Throttled {
            retry_after_ms: 900,
        },
        "throttled",
        Retry,
        Retry,
    ),
    (Refused(OfPurge), "refused", Split, Quarantine),
    (Refused(OfCaller), "refused", Retry, Retry),
    (Unreachable, "unreachable", Retry, Retry),
    (Forgotten, "forgotten", Retry, Retry),
    (NodeDown, "node_down", Defer, Defer),
];

#[test]
fn every_outcome_has_its_disposition() {
    for (outcome, _, in_a_batch, alone) in TABLE {
        assert_eq!(
            disposition(outcome, false),
            in_a_batch,
            "{outcome:?} in a batch"
        );
        assert_eq!(disposition(outcome, true), alone, "{outcome:?} alone");
    }
}

#[test]
fn every_outcome_has_its_label() {
    for (outcome, name, _, _) in TABLE {
        assert_eq!(outcome.name(), name);
        assert_eq!(PurgeOutcome::NAMES[outcome.index()], name);
    }
    for name in PurgeOutcome::NAMES {
        assert!(TABLE.iter().any(|row| row.1 == name), "no row for {name}");
    }
}

#[test]
fn what_is_asked_again_waits_as_long_as_the_answer_wants() {
    for (outcome, pause_ms) in [
        (Throttled { retry_after_ms: 0 }, 0),
        (
            Throttled {
                retry_after_ms: 900,
            },
            900,
        ),
        (Refused(OfCaller), 5_000),
        (Refused(OfPurge), 0),
        (Unreachable, 0),
    ] {
        assert_eq!(outcome.pause_ms(), pause_ms, "{outcome:?}");
    }
}

#[test]
fn p1_what_nobody_answered_for_is_forgotten_and_not_settled() {
    assert_eq!(PurgeOutcome::default(), Forgotten);
    let short = PurgeReport::all(Purged, 2);
    assert_eq!(short.outcome(1), Purged);
    assert_eq!(short.outcome(2), Forgotten);
    for (outcome, _, _, alone) in TABLE {
        let mut report = PurgeReport::all(Purged, 3);
        report.outcomes[1] = outcome;
        assert_eq!(report.is_settled(), alone == Settle, "{outcome:?}");
    }
}
