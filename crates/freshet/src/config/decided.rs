//! The config as decided: every default explicit, every address and secret checked.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use freshet_audit::watch::AuditSettings;
use freshet_core::outbox::OutboxTopics;
use freshet_kafka::{KafkaConnection, SourceConfig, StartAt, WriterSchemasConfig};
use freshet_pipeline::heartbeat::Heartbeats;
use freshet_pipeline::round::Bounds;
use freshet_wire::Limits;

use super::beacons::BeaconConfig;
use super::targets::TargetConfig;
use crate::telemetry::LogForm;

/// What the rest of the program sees of a config.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) registry: PathBuf,
    pub(crate) kafka: KafkaConnection,
    pub(crate) group: String,
    pub(crate) start: StartAt,
    pub(crate) static_member: Option<String>,
    pub(crate) schema_registry: Option<WriterSchemasConfig>,
    pub(crate) targets: BTreeMap<Arc<str>, TargetConfig>,
    /// Names of our own topics.
    pub(crate) outbox: OutboxTopics,
    /// Partitions of our own topics, where Freshet creates them; none where somebody else does.
    pub(crate) create_topics: Option<u32>,
    pub(crate) heartbeats: Heartbeats,
    pub(crate) beacons: Arc<[BeaconConfig]>,
    /// How long after its end the records of a transaction may come, by database.
    pub(crate) transactions: BTreeMap<Arc<str>, Duration>,
    pub(crate) intake_threads: u32,
    pub(crate) intake: Bounds,
    pub(crate) limits: Limits,
    pub(crate) sample_every: Option<Duration>,
    /// Entries of snapshot rows that are looked at; none for none.
    pub(crate) snapshot_looks_per_second: Option<NonZeroU32>,
    pub(crate) audit: AuditSettings,
    pub(crate) listen: SocketAddr,
    pub(crate) log_form: LogForm,
    pub(crate) log_level: String,
    pub(crate) stop_within: Duration,
}

impl Config {
    /// The settings of a consumer in this config's group.
    pub(crate) fn source(&self, group: String, topics: Vec<String>) -> SourceConfig {
        SourceConfig {
            group,
            topics,
            client_id: "freshet".to_owned(),
            static_member: self.static_member.clone(),
            start: self.start,
            positions: Some(Arc::clone(&self.outbox.positions)),
        }
    }
}
