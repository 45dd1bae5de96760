//! `freshet.yaml` as written. Every value that can be wrong keeps its place, so that all faults are reported at once.
//! Nothing here has `Debug`: what somebody wrote into the wrong field may be a secret.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_saphyr::Spanned;

use super::providers::Section;
use super::providers::cloudflare::CloudflareWritten;
use super::providers::fastly::FastlyWritten;
use super::providers::http::HttpWritten;
use super::providers::varnish::VarnishWritten;
use super::values::{AddressWritten, DurationWritten, PropertyWritten, SecretWritten, given};
use crate::telemetry::LogForm;

/// The whole file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConfigWritten {
    pub(crate) registry: Spanned<String>,
    pub(crate) kafka: Spanned<KafkaWritten>,
    pub(crate) schema_registry: Option<SchemaRegistryWritten>,
    pub(crate) targets: BTreeMap<String, Spanned<TargetWritten>>,
    #[serde(default)]
    pub(crate) heartbeats: BTreeMap<String, Spanned<DurationWritten>>,
    #[serde(default)]
    pub(crate) beacons: BTreeMap<String, Spanned<BeaconWritten>>,
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
    pub(crate) stop_within: Option<Spanned<DurationWritten>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KafkaWritten {
    pub(crate) brokers: Spanned<AddressWritten>,
    #[serde(default = "default_group")]
    pub(crate) group: String,
    #[serde(default)]
    pub(crate) properties: BTreeMap<String, Spanned<PropertyWritten>>,
    #[serde(default)]
    pub(crate) secret_properties: BTreeMap<String, Spanned<SecretWritten>>,
    pub(crate) start: Option<Spanned<String>>,
    pub(crate) static_member: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SchemaRegistryWritten {
    pub(crate) url: Spanned<AddressWritten>,
    pub(crate) username: Option<String>,
    #[serde(default, deserialize_with = "given")]
    pub(crate) password: Option<Spanned<SecretWritten>>,
    #[serde(default, deserialize_with = "given")]
    pub(crate) bearer: Option<Spanned<SecretWritten>>,
    pub(crate) timeout: Option<Spanned<DurationWritten>>,
    pub(crate) answer_bytes_max: Option<Spanned<u32>>,
    pub(crate) cache_bytes_max: Option<Spanned<u32>>,
}

/// Makes [`TargetWritten`] of the list of providers.
macro_rules! target_written {
    ($($section:ident: $written:ty,)+) => {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(crate) struct TargetWritten {
            pub(crate) redis: Option<Spanned<RedisWritten>>,
            $($section: Option<Spanned<$written>>,)+
            pub(crate) window: Option<Spanned<DurationWritten>>,
            pub(crate) max_wait: Option<Spanned<DurationWritten>>,
            pub(crate) spill_after: Option<Spanned<DurationWritten>>,
            pub(crate) replay_window: Option<Spanned<DurationWritten>>,
            pub(crate) backlog_purges_per_second: Option<Spanned<u32>>,
        }

        impl TargetWritten {
            /// Every section that makes a target one of a CDN or an HTTP cache.
            pub(crate) const PROVIDERS: &[&str] = &[$(stringify!($section)),+];

            /// Those sections that are given.
            pub(super) fn providers(&self) -> Vec<&dyn Section> {
                let sections = [$(self.$section.as_ref().map(|section| section as &dyn Section)),+];
                sections.into_iter().flatten().collect()
            }
        }
    };
}

// A provider is one line here: its section, and what stands in it.
target_written! {
    varnish: VarnishWritten,
    fastly: FastlyWritten,
    cloudflare: CloudflareWritten,
    http: HttpWritten,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RedisWritten {
    pub(crate) url: Option<Spanned<AddressWritten>>,
    pub(crate) sentinel: Option<Spanned<SentinelWritten>>,
    pub(crate) cluster: Option<Spanned<ClusterWritten>>,
    pub(crate) username: Option<String>,
    #[serde(default, deserialize_with = "given")]
    pub(crate) password: Option<Spanned<SecretWritten>>,
    pub(crate) ca_file: Option<Spanned<String>>,
    pub(crate) connect_timeout: Option<Spanned<DurationWritten>>,
    pub(crate) answer_timeout: Option<Spanned<DurationWritten>>,
    pub(crate) keys_per_command: Option<Spanned<u32>>,
    pub(crate) scan_keys_per_second: Option<Spanned<u32>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SentinelWritten {
    pub(crate) nodes: Vec<Spanned<AddressWritten>>,
    pub(crate) master: Spanned<String>,
    pub(crate) database: Option<Spanned<u32>>,
    pub(crate) username: Option<String>,
    #[serde(default, deserialize_with = "given")]
    pub(crate) password: Option<Spanned<SecretWritten>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClusterWritten {
    pub(crate) nodes: Vec<Spanned<AddressWritten>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BeaconWritten {
    pub(crate) table: Spanned<String>,
    pub(crate) topic: Option<String>,
    pub(crate) engine: Option<Spanned<String>>,
    pub(crate) within: Option<Spanned<DurationWritten>>,
    pub(crate) targets: Option<Vec<Spanned<String>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TransactionsWritten {
    pub(crate) within: Option<Spanned<DurationWritten>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OutboxWritten {
    pub(crate) topic_prefix: Option<String>,
    pub(crate) backlog_prefix: Option<String>,
    pub(crate) dead_letters: Option<String>,
    pub(crate) positions: Option<String>,
    pub(crate) partitions: Option<Spanned<u32>>,
    pub(crate) create_topics: Option<bool>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct IntakeWritten {
    pub(crate) threads: Option<Spanned<u32>>,
    pub(crate) round_records_max: Option<Spanned<u32>>,
    pub(crate) rounds_in_flight_max: Option<Spanned<u32>>,
    pub(crate) commit_every: Option<Spanned<DurationWritten>>,
    pub(crate) value_bytes_max: Option<Spanned<u32>>,
    pub(crate) steps_max: Option<Spanned<u32>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AuditWritten {
    pub(crate) samples_per_second: Option<Spanned<u32>>,
    pub(crate) clock_skew_max: Option<Spanned<DurationWritten>>,
    pub(crate) snapshot_looks_per_second: Option<Spanned<u32>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AdminWritten {
    pub(crate) listen: Option<Spanned<String>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LogWritten {
    pub(crate) form: Option<LogForm>,
    pub(crate) level: Option<Spanned<String>>,
}

fn default_group() -> String {
    "freshet".to_owned()
}
