//! The beacons' metrics. Labels come from the config.

use std::time::Duration;

use metrics::{
    Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};

use crate::watch::beacon::seat::BeaconSeat;

/// Commit → proven effect.
pub const BEACON: &str = "freshet_beacon_seconds";
/// Age of the newest beat that took effect.
pub const BEACON_AGE: &str = "freshet_beacon_age_seconds";
/// How old it may be.
pub const BEACON_WITHIN: &str = "freshet_beacon_within_seconds";
/// What went wrong with beacons.
pub const BEACON_FAILURES: &str = "freshet_beacon_failures_total";

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
        BEACON,
        Unit::Seconds,
        "From the commit of a beacon's row to the proof that its entry is gone, by database and target"
    );
    describe_gauge!(
        BEACON_AGE,
        Unit::Seconds,
        "Age of the newest effective beat of a beacon, or the time since one is expected; grows while everything is stalled"
    );
    describe_gauge!(
        BEACON_WITHIN,
        Unit::Seconds,
        "Maximum age of the newest effective beat of a beacon"
    );
    describe_counter!(
        BEACON_FAILURES,
        Unit::Count,
        "Beacons that became late, and purges of beacons without effect or without proof, by reason"
    );
}

/// Makes the series of a beacon, so that dashboards and alerts see them from the start.
pub fn register(seat: &BeaconSeat) {
    let (database, target) = (seat.database.to_string(), seat.target.to_string());
    gauge!(BEACON_WITHIN, "database" => database, "target" => target)
        .set(seat.within.as_secs_f64());
    for failure in Failure::ALL {
        failed(seat, failure, 0);
    }
}

pub(crate) fn set_age(seat: &BeaconSeat, age: Duration) {
    let (database, target) = (seat.database.to_string(), seat.target.to_string());
    gauge!(BEACON_AGE, "database" => database, "target" => target).set(age.as_secs_f64());
}

pub(crate) fn took(seat: &BeaconSeat, took: Duration) {
    let (database, target) = (seat.database.to_string(), seat.target.to_string());
    histogram!(BEACON, "database" => database, "target" => target).record(took.as_secs_f64());
}

pub(crate) fn failed(seat: &BeaconSeat, failure: Failure, times: u64) {
    let (database, target) = (seat.database.to_string(), seat.target.to_string());
    counter!(
        BEACON_FAILURES,
        "database" => database, "target" => target, "reason" => failure.name()
    )
    .increment(times);
}
