//! `freshet.yaml` as written. Every value that can be wrong keeps its place, so that all faults are told at once.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_saphyr::Spanned;

use crate::cli::LogForm;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConfigWritten {
    pub(crate) registry: Spanned<String>,
    pub(crate) kafka: KafkaWritten,
    pub(crate) schema_registry: Option<SchemaRegistryWritten>,
    pub(crate) targets: BTreeMap<String, Spanned<TargetWritten>>,
    #[serde(default)]
    pub(crate) heartbeats: BTreeMap<String, Spanned<String>>,
    #[serde(default)]
    pub(crate) canaries: BTreeMap<String, Spanned<CanaryWritten>>,
    #[serde(default)]
    pub(crate) transactions: BTreeMap<String, TransactionsWritten>,
    #[serde(default)]
    pub(crate) outbox: OutboxWritten,
    #[serde(default)]
    pub(crate) intake: IntakeWritten,
    #[serde(default)]
    pub(crate) audit: AuditWritten,
    #[serde(default)]
    pub(crate) admin: AdminWritten,
    #[serde(default)]
    pub(crate) log: LogWritten,
    pub(crate) stop_within: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KafkaWritten {
    pub(crate) brokers: Spanned<String>,
    #[serde(default = "default_group")]
    pub(crate) group: String,
    #[serde(default)]
    pub(crate) properties: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) secret_properties: BTreeMap<String, Spanned<SecretWritten>>,
    pub(crate) start: Option<Spanned<String>>,
    pub(crate) static_member: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SchemaRegistryWritten {
    pub(crate) url: Spanned<String>,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<Spanned<SecretWritten>>,
    pub(crate) bearer: Option<Spanned<SecretWritten>>,
    pub(crate) timeout: Option<Spanned<String>>,
}

/// Where a secret is: in the environment or in a file, never in the config itself.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SecretWritten {
    pub(crate) env: Option<String>,
    pub(crate) file: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TargetWritten {
    pub(crate) redis: Option<Spanned<RedisWritten>>,
    pub(crate) varnish: Option<VarnishWritten>,
    pub(crate) fastly: Option<FastlyWritten>,
    pub(crate) window: Option<Spanned<String>>,
    pub(crate) max_wait: Option<Spanned<String>>,
    pub(crate) spill_after: Option<Spanned<String>>,
    pub(crate) replay_window: Option<Spanned<String>>,
    pub(crate) backlog_purges_per_second: Option<Spanned<u32>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RedisWritten {
    pub(crate) url: Option<Spanned<String>>,
    pub(crate) sentinel: Option<Spanned<SentinelWritten>>,
    pub(crate) cluster: Option<Spanned<ClusterWritten>>,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<Spanned<SecretWritten>>,
    pub(crate) ca_file: Option<String>,
    pub(crate) connect_timeout: Option<Spanned<String>>,
    pub(crate) answer_timeout: Option<Spanned<String>>,
    pub(crate) keys_per_command: Option<Spanned<u32>>,
    pub(crate) scan_keys_per_second: Option<Spanned<u32>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SentinelWritten {
    pub(crate) nodes: Vec<Spanned<String>>,
    pub(crate) master: Spanned<String>,
    pub(crate) database: Option<Spanned<u32>>,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<Spanned<SecretWritten>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClusterWritten {
    pub(crate) nodes: Vec<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct VarnishWritten {
    pub(crate) nodes: Vec<Spanned<String>>,
    pub(crate) host: Option<String>,
    pub(crate) purge_header: Option<String>,
    pub(crate) soft_header: Option<String>,
    pub(crate) timeout: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FastlyWritten {
    pub(crate) service_id: Spanned<String>,
    pub(crate) token: Spanned<SecretWritten>,
    pub(crate) api: Option<Spanned<String>>,
    pub(crate) timeout: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CanaryWritten {
    pub(crate) table: Spanned<String>,
    pub(crate) topic: Option<String>,
    pub(crate) engine: Option<Spanned<String>>,
    pub(crate) within: Option<Spanned<String>>,
    pub(crate) targets: Option<Vec<Spanned<String>>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TransactionsWritten {
    pub(crate) within: Option<Spanned<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OutboxWritten {
    pub(crate) topic_prefix: Option<String>,
    pub(crate) backlog_prefix: Option<String>,
    pub(crate) dead_letters: Option<String>,
    pub(crate) positions: Option<String>,
    pub(crate) partitions: Option<Spanned<u32>>,
    pub(crate) create_topics: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct IntakeWritten {
    pub(crate) threads: Option<Spanned<u32>>,
    pub(crate) round_records_max: Option<Spanned<u32>>,
    pub(crate) rounds_in_flight_max: Option<Spanned<u32>>,
    pub(crate) commit_every: Option<Spanned<String>>,
    pub(crate) value_bytes_max: Option<Spanned<u32>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AuditWritten {
    pub(crate) samples_per_second: Option<Spanned<u32>>,
    pub(crate) clock_skew_max: Option<Spanned<String>>,
    pub(crate) snapshot_looks_per_second: Option<Spanned<u32>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AdminWritten {
    pub(crate) listen: Option<Spanned<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LogWritten {
    pub(crate) form: Option<LogForm>,
    pub(crate) level: Option<Spanned<String>>,
}

fn default_group() -> String {
    "freshet".to_owned()
}
