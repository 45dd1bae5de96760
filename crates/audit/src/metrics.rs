//! The auditor's metrics.

use metrics::{Unit, counter, describe_counter};

use crate::judge::Verdict;

/// Stale reads.
pub const STALE_READS: &str = "freshet_stale_reads_total";
/// Looks by verdict.
pub const AUDITS: &str = "freshet_audits_total";
/// Looks at entries of rows that a snapshot read, by verdict.
pub const SNAPSHOT_LOOKS: &str = "freshet_snapshot_looks_total";

/// How the stale reads are labelled that a snapshot's row proved.
const AFTER_SNAPSHOT: &str = "snapshot";

/// Tells the recorder what each metric means.
pub fn describe() {
    describe_counter!(
        STALE_READS,
        Unit::Count,
        "Reads that found an entry provably older than a change or a snapshot row, by family, target and delay"
    );
    describe_counter!(
        SNAPSHOT_LOOKS,
        Unit::Count,
        "Reads of entries of snapshot rows, by family, target and verdict"
    );
    describe_counter!(
        AUDITS,
        Unit::Count,
        "Reads of purged entries, by family, target and verdict"
    );
}

/// Makes the series of one family at one target, at zero, so that dashboards and alerts see them from the start.
pub fn register(family: &str, target: &str, delays: &[&'static str]) {
    let (family, target) = (family.to_owned(), target.to_owned());
    for &after in delays {
        counter!(STALE_READS, "family" => family.clone(), "target" => target.clone(), "after" => after)
            .increment(0);
    }
    for verdict in Verdict::NAMES {
        counter!(AUDITS, "family" => family.clone(), "target" => target.clone(), "verdict" => verdict)
            .increment(0);
    }
}

/// Makes the series of a family at one target whose snapshot rows are looked up.
pub fn register_reads(family: &str, target: &str) {
    let (family, target) = (family.to_owned(), target.to_owned());
    for verdict in Verdict::NAMES {
        counter!(SNAPSHOT_LOOKS, "family" => family.clone(), "target" => target.clone(), "verdict" => verdict)
            .increment(0);
    }
    counter!(STALE_READS, "family" => family, "target" => target, "after" => AFTER_SNAPSHOT)
        .increment(0);
}

/// Counts one look at an entry of a row that a snapshot read.
pub(crate) fn looked_at_read(family: &str, target: &str, verdict: Verdict) {
    let (family, target) = (family.to_owned(), target.to_owned());
    let name = Verdict::NAMES[verdict.index()];
    counter!(SNAPSHOT_LOOKS, "family" => family.clone(), "target" => target.clone(), "verdict" => name)
        .increment(1);
    if verdict == Verdict::Stale {
        counter!(STALE_READS, "family" => family, "target" => target, "after" => AFTER_SNAPSHOT)
            .increment(1);
    }
}

/// Counts one look.
pub(crate) fn looked(family: &str, target: &str, after: &'static str, verdict: Verdict) {
    let (family, target) = (family.to_owned(), target.to_owned());
    let name = Verdict::NAMES[verdict.index()];
    counter!(AUDITS, "family" => family.clone(), "target" => target.clone(), "verdict" => name)
        .increment(1);
    if verdict == Verdict::Stale {
        counter!(STALE_READS, "family" => family, "target" => target, "after" => after)
            .increment(1);
    }
}
