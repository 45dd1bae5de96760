//! What each metric means, as it stands beside it in the exposition.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

use super::*;

/// Tells the recorder what each metric means.
pub fn describe() {
    describe_counters();
    describe_registry();
    describe_losses();
    super::reads::describe();
    describe_histograms();
    describe_gauges();
    crate::watch::beacon::metrics::describe();
}

fn describe_counters() {
    describe_counter!(
        "freshet_records_total",
        Unit::Count,
        "Records read from the bound topics, by kind"
    );
    describe_counter!(
        "freshet_changes_total",
        Unit::Count,
        "Changes, by family and how the family handled them"
    );
    describe_counter!(
        "freshet_purges_total",
        Unit::Count,
        "Purges answered by a target, by family, target and outcome"
    );
    describe_counter!(
        MERGED,
        Unit::Count,
        "Duplicate purges within a round that were merged"
    );
    describe_counter!(
        "freshet_entries_removed_total",
        Unit::Count,
        "Entries that existed and were removed, as reported by the target"
    );
    describe_counter!(
        "freshet_purge_retries_total",
        Unit::Count,
        "Batches that were retried because the target did not settle them"
    );
    describe_counter!(
        SPILLED,
        Unit::Count,
        "Purges that moved to a target's backlog topic because they were not done in time"
    );
    describe_counter!(
        TAKEOVERS,
        Unit::Count,
        "Failovers and restarts of a target's server, after which earlier purges may be undone"
    );
    describe_counter!(
        REPLAYED,
        Unit::Count,
        "Purges of the last seconds that were sent again after a takeover"
    );
    describe_counter!(
        "freshet_dead_letters_total",
        Unit::Count,
        "Records and purges written to the dead-letter topic, by reason"
    );
    describe_counter!(
        "freshet_identity_drift_total",
        Unit::Count,
        "Changes whose before-image contradicts the declared replica identity"
    );
    describe_counter!(
        "freshet_column_drift_total",
        Unit::Count,
        "Changes with a value that contradicts its column's declared type: the source file is outdated"
    );
}

fn describe_registry() {
    describe_counter!(
        EVENTS_LOST,
        Unit::Count,
        "Settled rounds that a subscriber (freshness, beacons, auditor) had no room for, so that it does not count them"
    );
    describe_counter!(
        LOAD_FAILURES,
        Unit::Count,
        "Registries that were rejected; the previous one stayed in force"
    );
    describe_counter!(
        LOADS_OVERDUE,
        Unit::Count,
        "Registries that could not be read within 30 s and were rejected"
    );
}

fn describe_losses() {
    describe_counter!(
        SCHEMA_FETCHES,
        Unit::Count,
        "Requests for Avro writer schemas, by outcome"
    );
    describe_counter!(
        GAPS,
        Unit::Count,
        "Gaps in the log: changes that can no longer be read, by cause"
    );
    describe_counter!(
        TRANSACTIONS,
        Unit::Count,
        "Ended transactions, once for each bound table that they changed, by whether all changes arrived"
    );
}

fn describe_histograms() {
    describe_histogram!(
        FRESHNESS,
        Unit::Seconds,
        "Commit to effective purge, by family and target"
    );
    describe_histogram!(
        STAGE,
        Unit::Seconds,
        "Stages from commit to purge, sampled once per round: capture, append, intake, purge"
    );
    describe_histogram!(
        BATCH_SIZE,
        Unit::Count,
        "Purges sent to a target in one batch"
    );
}

fn describe_gauges() {
    describe_gauge!(
        OLDEST_UNPURGED,
        Unit::Seconds,
        "Age of the oldest change that was read and is not purged; zero if there is none"
    );
    describe_gauge!(
        COMMIT_WITHHELD,
        Unit::Seconds,
        "Age of the position that blocks the commits of an intake, by what it waits for"
    );
    describe_gauge!(CONSUMER_LAG, Unit::Count, "Consumer lag of a bound topic");
    describe_gauge!(
        TOPIC_MISSING,
        Unit::Count,
        "1 while a bound topic does not exist"
    );
    describe_gauge!(
        LANE_BACKLOG,
        Unit::Count,
        "Unsettled records in a lane's topic"
    );
    describe_gauge!(
        TARGET_UP,
        Unit::Count,
        "1 if the target answered the last request"
    );
    describe_gauge!(
        UNPROVEN,
        Unit::Count,
        "1 while changes of a family may be lost and the family is not purged yet"
    );
    describe_gauge!(
        BREAKER_OPEN,
        Unit::Count,
        "1 while a target is considered down and its purges wait in its backlog"
    );
    describe_gauge!(
        NODES_DOWN,
        Unit::Count,
        "Servers of a target that did not answer the last request while others did"
    );
    describe_gauge!(
        READY,
        Unit::Count,
        "1 if every part of the pipeline is ready"
    );
    describe_gauge!(
        "freshet_registry_revision",
        Unit::Count,
        "Number of the current registry"
    );
    describe_gauge!(
        "freshet_registry_families",
        Unit::Count,
        "Families in the current registry"
    );
}
