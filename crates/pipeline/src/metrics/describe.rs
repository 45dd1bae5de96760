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
        "Records taken from the bound topics, by what they turned out to be"
    );
    describe_counter!(
        "freshet_changes_total",
        Unit::Count,
        "Changes consumed, by family and by what the family did with them"
    );
    describe_counter!(
        "freshet_purges_total",
        Unit::Count,
        "Purges answered by a target, by family, target and outcome"
    );
    describe_counter!(
        MERGED,
        Unit::Count,
        "Purges that were asked for again within a round and merged"
    );
    describe_counter!(
        "freshet_entries_removed_total",
        Unit::Count,
        "Entries that a target says were really there when purged"
    );
    describe_counter!(
        "freshet_purge_retries_total",
        Unit::Count,
        "Batches asked for again because a target did not settle them"
    );
    describe_counter!(
        SPILLED,
        Unit::Count,
        "Purges put into a target's backlog topic because they were not done in time"
    );
    describe_counter!(
        TAKEOVERS,
        Unit::Count,
        "How often a target's server may have been replaced by one that has not seen earlier purges"
    );
    describe_counter!(
        REPLAYED,
        Unit::Count,
        "Purges of the last seconds sent again because their target's server may have been replaced"
    );
    describe_counter!(
        "freshet_dead_letters_total",
        Unit::Count,
        "Records put aside because they could not be decoded or were refused, by reason"
    );
    describe_counter!(
        "freshet_identity_drift_total",
        Unit::Count,
        "Changes whose before-image contradicts the declared replica identity"
    );
    describe_counter!(
        "freshet_column_drift_total",
        Unit::Count,
        "Changes with a value that contradicts its column's declared type: the source file is out of date"
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
        "Registries that were refused; the one before stayed in force"
    );
    describe_counter!(
        LOADS_OVERDUE,
        Unit::Count,
        "Registries that were not read within 30 s and so refused"
    );
}

fn describe_losses() {
    describe_counter!(
        SCHEMA_FETCHES,
        Unit::Count,
        "Avro writer schemas that were asked for, by what the schema registry answered"
    );
    describe_counter!(
        GAPS,
        Unit::Count,
        "Gaps in the log: changes that nobody can read any more, by what they were noticed by"
    );
    describe_counter!(
        TRANSACTIONS,
        Unit::Count,
        "Transactions that ended, once for each bound table that they changed, by whether all changes arrived"
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
        "Parts of the way from commit to purge, sampled once a round: capture, append, intake, purge"
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
        "Age of the oldest change taken and not yet purged; zero when there is none"
    );
    describe_gauge!(
        COMMIT_WITHHELD,
        Unit::Seconds,
        "How long the position that commits of an intake wait for has waited, by what it waits for"
    );
    describe_gauge!(
        CONSUMER_LAG,
        Unit::Count,
        "Records behind the end of a bound topic"
    );
    describe_gauge!(
        TOPIC_MISSING,
        Unit::Count,
        "1 while a bound topic does not exist"
    );
    describe_gauge!(
        LANE_BACKLOG,
        Unit::Count,
        "Records of a lane's topic that are not settled"
    );
    describe_gauge!(
        TARGET_UP,
        Unit::Count,
        "1 when the target answered the last time it was asked"
    );
    describe_gauge!(
        UNPROVEN,
        Unit::Count,
        "1 while changes of a family may be lost and its scope is not purged yet"
    );
    describe_gauge!(
        BREAKER_OPEN,
        Unit::Count,
        "1 while a target is taken for down and its purges wait in its backlog"
    );
    describe_gauge!(
        NODES_DOWN,
        Unit::Count,
        "Servers of a target that were silent when last asked while others answered"
    );
    describe_gauge!(
        READY,
        Unit::Count,
        "1 when every part of the pipeline is ready"
    );
    describe_gauge!(
        "freshet_registry_revision",
        Unit::Count,
        "Sequence of the registry revision in force"
    );
    describe_gauge!(
        "freshet_registry_families",
        Unit::Count,
        "Families in the registry revision in force"
    );
}
