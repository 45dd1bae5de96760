//! Every metric of the pipeline: name, labels, help, and the handles that the hot path keeps.
//!
//! Label values come from the registry and the config only; never from rows, keys or messages.

mod buckets;
mod describe;
mod reads;

use std::sync::Arc;
use std::time::Duration;

pub use buckets::{Bucketed, HistogramPage};
pub use describe::describe;
use freshet_core::gap::GapCause;
use freshet_core::purge::PurgeOutcome;
use freshet_core::registry::{Family, FamilyId, Registry, TargetId};
use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

pub(crate) use reads::ReadOutcome;

use crate::watch::beacon::metrics::BEACON;

/// Commit → effective purge.
pub const FRESHNESS: &str = "freshet_freshness_seconds";
/// Parts of the way from commit to purge.
pub const STAGE: &str = "freshet_freshness_stage_seconds";
/// Purges per batch.
pub const BATCH_SIZE: &str = "freshet_purge_batch_size";
/// Age of the oldest change that is not purged.
pub const OLDEST_UNPURGED: &str = "freshet_oldest_unpurged_seconds";
/// How long the position that commits wait for has waited.
pub const COMMIT_WITHHELD: &str = "freshet_commit_withheld_seconds";
/// Records behind the end of a bound topic.
pub const CONSUMER_LAG: &str = "freshet_consumer_lag_records";
/// Work a lane has not finished.
pub const LANE_BACKLOG: &str = "freshet_lane_backlog_records";
/// Purges asked for again within a round.
pub const MERGED: &str = "freshet_purges_merged_total";
/// Settled rounds that a subscriber had no room for.
pub const EVENTS_LOST: &str = "freshet_events_lost_total";
/// Registries that were refused.
pub const LOAD_FAILURES: &str = "freshet_registry_load_failures_total";
/// Registries that were not read in time.
pub const LOADS_OVERDUE: &str = "freshet_registry_loads_overdue_total";
/// Purges that were put into a target's backlog because they could not be done in time.
pub const SPILLED: &str = "freshet_spilled_purges_total";
/// Writer schemas that were asked for.
pub const SCHEMA_FETCHES: &str = "freshet_schema_fetches_total";
/// Gaps in the log.
pub const GAPS: &str = "freshet_gaps_total";
/// What became of transactions, once for each bound table that they changed.
pub const TRANSACTIONS: &str = "freshet_transactions_total";
/// Whether changes of a family may be lost and its scope is not purged yet.
pub const UNPROVEN: &str = "freshet_family_unproven";
/// How often a target's server may have been replaced.
pub const TAKEOVERS: &str = "freshet_target_takeovers_total";
/// Purges that were sent again because of that.
pub const REPLAYED: &str = "freshet_replayed_purges_total";
/// Whether the breaker of a target is open.
pub const BREAKER_OPEN: &str = "freshet_breaker_open";
/// How many servers of a target are silent while others answer.
pub const NODES_DOWN: &str = "freshet_target_nodes_down";
/// Whether a target answered last time.
pub const TARGET_UP: &str = "freshet_target_up";
/// Whether a bound topic does not exist.
pub const TOPIC_MISSING: &str = "freshet_topic_missing";
/// Whether readers may rely on this process.
pub const READY: &str = "freshet_ready";

/// Buckets in seconds for the freshness histograms. The series of a family have one more, which ends at its objective:
/// [`HistogramPage::measure`].
pub const FRESHNESS_BUCKETS: &[f64] = &[
    0.001, 0.0025, 0.005, 0.01, 0.015, 0.025, 0.05, 0.08, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0,
    30.0, 60.0, 300.0,
];
/// Histograms that [`Bucketed`] counts in place, with their buckets.
pub const COUNTED: [(&str, &[f64]); 4] = [
    (FRESHNESS, FRESHNESS_BUCKETS),
    (STAGE, FRESHNESS_BUCKETS),
    (BEACON, FRESHNESS_BUCKETS),
    (BATCH_SIZE, SIZE_BUCKETS),
];
/// Buckets for batch sizes.
pub const SIZE_BUCKETS: &[f64] = &[
    1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 2048.0, 4096.0,
];

/// Handles for one family at one target.
#[derive(Debug)]
pub struct FamilyTargetHandles {
    /// By [`PurgeOutcome::index`].
    pub purges: [Counter; PurgeOutcome::NAMES.len()],
    /// Commit → effective.
    pub freshness: Histogram,
    /// Database and target, when the family is a beacon.
    pub beacon: Option<(Arc<str>, Arc<str>)>,
}

/// Handles for one target.
#[derive(Debug)]
pub struct TargetHandles {
    /// Purges per batch.
    pub batch_size: Histogram,
    /// Entries that were really there.
    pub removed: Counter,
    /// Batches asked for again.
    pub retries: Counter,
    /// 1 when it answered.
    pub up: Gauge,
}

/// Handles for everything that a registry snapshot names, made once per snapshot.
#[derive(Debug)]
pub struct RegistryHandles {
    targets: Vec<TargetHandles>,
    pairs: Vec<Option<FamilyTargetHandles>>,
    changes: Vec<[Counter; 5]>,
    reads: reads::ReadHandles,
}

impl RegistryHandles {
    /// Makes the handles; series of pairs that cannot occur are not made.
    pub fn new(registry: &Registry) -> Self {
        let targets = registry
            .targets
            .iter()
            .map(|target| target_handles(&target.name))
            .collect();
        let mut pairs = Vec::new();
        for family in &registry.families {
            for (at, target) in registry.targets.iter().enumerate() {
                let id = TargetId(at as u32);
                let place = family.place_at(id);
                pairs.push(place.map(|_| pair_handles(family, &target.name)));
            }
        }
        let changes = registry
            .families
            .iter()
            .map(|family| {
                let family = family.name.to_string();
                ["purged", "widened", "unchanged", "ignored", "verify"].map(|outcome| {
                    counter!("freshet_changes_total", "family" => family.clone(), "outcome" => outcome)
                })
            })
            .collect();
        gauge!("freshet_registry_revision").set(registry.revision.sequence as f64);
        gauge!("freshet_registry_families").set(registry.families.len() as f64);
        counter!(LOAD_FAILURES).increment(0);
        counter!(LOADS_OVERDUE).increment(0);
        for cause in GapCause::ALL {
            counter!(GAPS, "cause" => cause.name()).increment(0);
        }
        for family in &registry.families {
            gauge!(UNPROVEN, "family" => family.name.to_string()).increment(0.0);
        }
        Self {
            targets,
            pairs,
            changes,
            reads: reads::ReadHandles::new(registry),
        }
    }

    /// A target's handles.
    pub fn target(&self, target: TargetId) -> Option<&TargetHandles> {
        self.targets.get(target.0 as usize)
    }

    /// A family's handles at a target.
    pub fn pair(&self, family: FamilyId, target: TargetId) -> Option<&FamilyTargetHandles> {
        self.pairs
            .get(family.0 as usize * self.targets.len() + target.0 as usize)?
            .as_ref()
    }

    /// A family's change counters: purged, widened, unchanged, ignored, verify.
    pub fn changes(&self, family: FamilyId) -> Option<&[Counter; 5]> {
        self.changes.get(family.0 as usize)
    }

    /// Counts a row that a snapshot read; only families that verify have the series.
    pub(crate) fn read(&self, family: FamilyId, outcome: ReadOutcome) {
        self.reads.count(family, outcome);
    }
}

fn target_handles(target: &str) -> TargetHandles {
    let name = target.to_owned();
    TargetHandles {
        batch_size: histogram!(BATCH_SIZE, "target" => name.clone()),
        removed: counter!("freshet_entries_removed_total", "target" => name.clone()),
        retries: counter!("freshet_purge_retries_total", "target" => name.clone()),
        up: gauge!(TARGET_UP, "target" => name),
    }
}

fn pair_handles(family: &Family, at: &Arc<str>) -> FamilyTargetHandles {
    let beacon = family.beacon.as_ref();
    let (family, target) = (family.name.to_string(), at.to_string());
    FamilyTargetHandles {
        beacon: beacon.map(|database| (Arc::clone(database), Arc::clone(at))),
        purges: PurgeOutcome::NAMES.map(|outcome| {
            counter!(
                "freshet_purges_total",
                "family" => family.clone(), "target" => target.clone(), "outcome" => outcome
            )
        }),
        freshness: histogram!(FRESHNESS, "family" => family, "target" => target),
    }
}

/// Handles of the intake that no registry changes.
#[derive(Debug)]
pub struct IntakeHandles {
    /// Row changes.
    pub changes: Counter,
    /// Records of tables that no family owns.
    pub unowned: Counter,
    /// Records that could not be decoded.
    pub poison: Counter,
    /// Records that mean nothing here, by [`Skipped`](freshet_wire::Skipped).
    pub skipped: Vec<Counter>,
    /// Changes that contradict their source file.
    pub drift: DriftHandles,
    /// Stages: capture, append, intake, purge.
    pub stages: [Histogram; 4],
}

/// Counters of changes that contradict their source file.
#[derive(Debug, Clone)]
pub struct DriftHandles {
    /// Before-images that contradict the replica identity.
    pub identity: Counter,
    /// Values that contradict the declared type of their column.
    pub column: Counter,
}

impl IntakeHandles {
    /// Makes the handles. `skipped` are the names of records that mean nothing.
    pub fn new(skipped: &[&'static str]) -> Self {
        let records =
            |outcome: &'static str| counter!("freshet_records_total", "outcome" => outcome);
        Self {
            changes: records("change"),
            unowned: records("unowned"),
            poison: records("poison"),
            skipped: skipped.iter().map(|name| records(name)).collect(),
            drift: DriftHandles {
                identity: counter!("freshet_identity_drift_total"),
                column: counter!("freshet_column_drift_total"),
            },
            stages: ["capture", "append", "intake", "purge"]
                .map(|stage| histogram!(STAGE, "stage" => stage)),
        }
    }
}

/// Counts a gap.
pub fn gap(cause: GapCause) {
    counter!(GAPS, "cause" => cause.name()).increment(1);
}

/// Says whether a family is unproven.
pub fn family_unproven(family: &str, unproven: bool) {
    gauge!(UNPROVEN, "family" => family.to_owned()).set(if unproven { 1.0 } else { 0.0 });
}

/// Counts a dead letter.
pub fn dead_letter(reason: &'static str) {
    counter!("freshet_dead_letters_total", "reason" => reason).increment(1);
}

/// Counts a registry that was refused while another stayed in force.
pub fn registry_refused() {
    counter!(LOAD_FAILURES).increment(1);
}

/// Counts a registry that was not read in time; it is refused too.
pub fn registry_overdue() {
    counter!(LOADS_OVERDUE).increment(1);
}

/// Sets a topic's lag.
pub fn consumer_lag(topic: &str, records: u64) {
    gauge!(CONSUMER_LAG, "topic" => topic.to_owned()).set(records as f64);
}

/// Says whether a bound topic does not exist.
pub fn topic_missing(topic: &str, is_missing: bool) {
    let missing = if is_missing { 1.0 } else { 0.0 };
    gauge!(TOPIC_MISSING, "topic" => topic.to_owned()).set(missing);
}

/// Says how long commits of an intake have waited for something.
pub fn commit_withheld(intake: &str, waits_for: &'static str, age: Duration) {
    gauge!(COMMIT_WITHHELD, "intake" => intake.to_owned(), "waits_for" => waits_for)
        .set(age.as_secs_f64());
}

/// Sets a lane's backlog.
pub fn lane_backlog(lane: &str, records: u64) {
    gauge!(LANE_BACKLOG, "lane" => lane.to_owned()).set(records as f64);
}
