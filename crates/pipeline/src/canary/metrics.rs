//! The canaries' metrics. Labels come from the config.

use std::time::Duration;

use metrics::{
    Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};

use crate::canary::CanarySeat;

/// Commit → proven effect.
pub const CANARY: &str = "freshet_canary_seconds";
/// Age of the newest beat that took effect.
pub const CANARY_AGE: &str = "freshet_canary_age_seconds";
/// How old it may be.
pub const CANARY_WITHIN: &str = "freshet_canary_within_seconds";
/// What went wrong with canaries.
pub const CANARY_FAILURES: &str = "freshet_canary_failures_total";

/// What can go wrong with a beat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// None took effect in time.
    Late,
    /// Its purge was answered and the entry was still there.
    StillThere,
    /// Its purge was answered and nobody could look.
    Unproven,
}

impl Failure {
    const ALL: [Self; 3] = [Self::Late, Self::StillThere, Self::Unproven];

    fn name(self) -> &'static str {
        match self {
            Self::Late => "late",
            Self::StillThere => "still_there",
            Self::Unproven => "unproven",
        }
    }
}

/// Tells the recorder what each metric means.
pub(crate) fn describe() {
    describe_histogram!(
        CANARY,
        Unit::Seconds,
        "Commit of a canary's row to the proof that its entry is gone, by database and target"
    );
    describe_gauge!(
        CANARY_AGE,
        Unit::Seconds,
        "Age of the newest beat of a canary that took effect, or how long one has been waited for; grows by itself"
    );
    describe_gauge!(
        CANARY_WITHIN,
        Unit::Seconds,
        "How old the newest beat of a canary that took effect may be"
    );
    describe_counter!(
        CANARY_FAILURES,
        Unit::Count,
        "Canaries that became late, and beats that were answered without an effect or without a proof, by reason"
    );
}

/// Makes the series of a canary, so that dashboards and alerts see them from the start.
pub fn register(seat: &CanarySeat) {
    let (database, target) = (seat.database.to_string(), seat.target.to_string());
    gauge!(CANARY_WITHIN, "database" => database, "target" => target)
        .set(seat.within.as_secs_f64());
    for failure in Failure::ALL {
        failed(seat, failure, 0);
    }
}

pub(crate) fn set_age(seat: &CanarySeat, age: Duration) {
    let (database, target) = (seat.database.to_string(), seat.target.to_string());
    gauge!(CANARY_AGE, "database" => database, "target" => target).set(age.as_secs_f64());
}

pub(crate) fn took(seat: &CanarySeat, took: Duration) {
    let (database, target) = (seat.database.to_string(), seat.target.to_string());
    histogram!(CANARY, "database" => database, "target" => target).record(took.as_secs_f64());
}

pub(crate) fn failed(seat: &CanarySeat, failure: Failure, times: u64) {
    let (database, target) = (seat.database.to_string(), seat.target.to_string());
    counter!(
        CANARY_FAILURES,
        "database" => database, "target" => target, "reason" => failure.name()
    )
    .increment(times);
}
