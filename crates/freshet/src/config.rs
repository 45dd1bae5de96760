//! The config twice: as written, then as decided. Everything that is wrong is told at once, with its place;
//! the rest of the program sees only what was decided.

mod canaries;
mod faults;
mod redis;
mod targets;
mod written;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use freshet_audit::watch::AuditSettings;
use freshet_kafka::{KafkaConnection, SourceConfig, StartAt, WriterSchemasConfig};
use freshet_pipeline::heartbeat::Heartbeats;
use freshet_pipeline::round::Bounds;
use freshet_registry::diagnostics::Diagnostics;
use serde_saphyr::Spanned;

use crate::cli::LogForm;
use crate::config::faults::Faults;
use crate::config::written::{
    ConfigWritten, IntakeWritten, KafkaWritten, OutboxWritten, SchemaRegistryWritten,
    TransactionsWritten,
};
pub(crate) use canaries::{CanaryConfig, add_canaries};
pub(crate) use targets::{Target, TargetConfig};

/// What was decided.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) registry: PathBuf,
    pub(crate) kafka: KafkaConnection,
    pub(crate) group: String,
    pub(crate) start: StartAt,
    pub(crate) static_member: Option<String>,
    pub(crate) schema_registry: Option<WriterSchemasConfig>,
    pub(crate) targets: BTreeMap<Arc<str>, TargetConfig>,
    pub(crate) outbox: OutboxConfig,
    pub(crate) heartbeats: Heartbeats,
    pub(crate) canaries: Arc<[CanaryConfig]>,
    /// How long after its end the records of a transaction may come, by database.
    pub(crate) transactions: BTreeMap<Arc<str>, Duration>,
    pub(crate) intake_threads: u32,
    pub(crate) intake: Bounds,
    pub(crate) value_bytes_max: usize,
    pub(crate) sample_every: Option<Duration>,
    /// Entries of snapshot rows that are looked at; none for none.
    pub(crate) snapshot_looks_per_second: Option<NonZeroU32>,
    pub(crate) audit: AuditSettings,
    pub(crate) listen: SocketAddr,
    pub(crate) log_form: LogForm,
    pub(crate) log_level: String,
    pub(crate) stop_within: Duration,
}

/// Our own topics.
#[derive(Debug)]
pub(crate) struct OutboxConfig {
    pub(crate) topic_prefix: String,
    pub(crate) backlog_prefix: String,
    pub(crate) dead_letters: Arc<str>,
    /// The compacted topic that remembers what was read.
    pub(crate) positions: Arc<str>,
    pub(crate) partitions: u32,
    pub(crate) create_topics: bool,
}

impl OutboxConfig {
    /// The topic of a target's live lane.
    pub(crate) fn lane_topic(&self, target: &str) -> Arc<str> {
        Arc::from(format!("{}{target}", self.topic_prefix))
    }

    /// The topic where a target's purges wait that were not done in time.
    pub(crate) fn backlog_topic(&self, target: &str) -> Arc<str> {
        Arc::from(format!("{}{target}", self.backlog_prefix))
    }
}

/// Reads, parses and decides.
///
/// # Errors
/// Every fault of the file, with its place.
pub(crate) fn load(path: &Path) -> Result<Config, Diagnostics> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => return Err(faults::unreadable(path, &error)),
    };
    let written: ConfigWritten =
        serde_saphyr::from_str(&text).map_err(|error| faults::unparsable(path, &text, &error))?;
    let base = path.parent().unwrap_or(Path::new("."));
    let mut faults = Faults::new(path, &text);
    let config = decide(written, base, &mut faults);
    faults.finish(config)
}

fn decide(written: ConfigWritten, base: &Path, faults: &mut Faults<'_>) -> Config {
    let registry = base.join(&written.registry.value);
    if !registry.is_dir() {
        faults.add(
            &written.registry,
            "is not a directory",
            "name the directory that holds `sources/` and `families/`, relative to the config file",
        );
    }
    let skew = faults.duration(
        written.audit.clock_skew_max.as_ref(),
        Duration::from_millis(500),
    );
    let rate = written
        .audit
        .samples_per_second
        .as_ref()
        .map_or(20, |rate| rate.value);
    let snapshot_looks = written
        .audit
        .snapshot_looks_per_second
        .as_ref()
        .map_or(50, |rate| rate.value);
    let targets: BTreeMap<Arc<str>, TargetConfig> = written
        .targets
        .into_iter()
        .filter_map(|(name, target)| {
            Some((Arc::from(name), targets::decide(target, base, faults)?))
        })
        .collect();
    let canaries = canaries::decide(written.canaries, &targets, faults);
    Config {
        registry,
        group: written.kafka.group.clone(),
        start: decide_start(&written.kafka, faults),
        static_member: written.kafka.static_member.clone(),
        kafka: decide_kafka(&written.kafka, base, faults),
        schema_registry: written
            .schema_registry
            .map(|it| decide_schemas(it, base, faults)),
        targets,
        canaries: canaries.into(),
        outbox: decide_outbox(&written.outbox, faults),
        heartbeats: decide_heartbeats(written.heartbeats, faults),
        transactions: decide_transactions(written.transactions, faults),
        intake_threads: faults.at_least(1, written.intake.threads.as_ref(), 1),
        value_bytes_max: faults.at_least(1024, written.intake.value_bytes_max.as_ref(), 16 << 20)
            as usize,
        intake: decide_intake(&written.intake, faults),
        sample_every: (rate > 0).then(|| Duration::from_secs(1) / rate.max(1)),
        snapshot_looks_per_second: NonZeroU32::new(snapshot_looks),
        audit: AuditSettings {
            skew_max: skew,
            ..AuditSettings::default()
        },
        listen: decide_listen(written.admin.listen.as_ref(), faults),
        log_form: written.log.form.unwrap_or(LogForm::Text),
        log_level: written
            .log
            .level
            .map_or_else(|| "info".to_owned(), |level| level.value),
        stop_within: faults.duration(written.stop_within.as_ref(), Duration::from_secs(25)),
    }
}

fn decide_outbox(outbox: &OutboxWritten, faults: &mut Faults<'_>) -> OutboxConfig {
    OutboxConfig {
        topic_prefix: outbox
            .topic_prefix
            .clone()
            .unwrap_or_else(|| "freshet.purges.".to_owned()),
        backlog_prefix: outbox
            .backlog_prefix
            .clone()
            .unwrap_or_else(|| "freshet.backlog.".to_owned()),
        dead_letters: Arc::from(
            outbox
                .dead_letters
                .as_deref()
                .unwrap_or("freshet.dead-letters"),
        ),
        positions: Arc::from(outbox.positions.as_deref().unwrap_or("freshet.positions")),
        partitions: faults.at_least(1, outbox.partitions.as_ref(), 6),
        create_topics: outbox.create_topics.unwrap_or(true),
    }
}

fn decide_heartbeats(
    written: BTreeMap<String, Spanned<String>>,
    faults: &mut Faults<'_>,
) -> Heartbeats {
    let limits = written.into_iter().map(|(database, limit)| {
        let limit = faults.duration(Some(&limit), Duration::from_secs(60));
        (Arc::from(database), limit)
    });
    Heartbeats(limits.collect())
}

fn decide_transactions(
    written: BTreeMap<String, TransactionsWritten>,
    faults: &mut Faults<'_>,
) -> BTreeMap<Arc<str>, Duration> {
    let limits = written.into_iter().map(|(database, limit)| {
        let within = faults.duration(limit.within.as_ref(), Duration::from_secs(60));
        if let Some(written) = &limit.within
            && within < Duration::from_secs(1)
        {
            faults.add(written, "is too short", "at least 1s; 60s is usual");
        }
        (Arc::from(database), within)
    });
    limits.collect()
}

fn decide_start(kafka: &KafkaWritten, faults: &mut Faults<'_>) -> StartAt {
    let Some(start) = &kafka.start else {
        return StartAt::Earliest;
    };
    match start.value.as_str() {
        "earliest" => StartAt::Earliest,
        "latest" => StartAt::Latest,
        "error" => StartAt::Error,
        _ => {
            faults.add(start, "is not a start", "one of: earliest, latest, error");
            StartAt::Earliest
        }
    }
}

fn decide_kafka(kafka: &KafkaWritten, base: &Path, faults: &mut Faults<'_>) -> KafkaConnection {
    if kafka.brokers.value.trim().is_empty() {
        faults.add(
            &kafka.brokers,
            "names no broker",
            "for example: kafka-1:9092,kafka-2:9092",
        );
    }
    let mut properties = kafka.properties.clone();
    for (name, secret) in &kafka.secret_properties {
        if properties.contains_key(name) {
            faults.add(
                secret,
                &format!("{name} stands in `properties` too"),
                "keep it in `secret_properties` only",
            );
        }
        properties.insert(name.clone(), faults.secret(secret, base));
    }
    KafkaConnection {
        brokers: kafka.brokers.value.clone(),
        properties,
    }
}

fn decide_schemas(
    written: SchemaRegistryWritten,
    base: &Path,
    faults: &mut Faults<'_>,
) -> WriterSchemasConfig {
    faults.url(&written.url, &["http", "https"]);
    let timeout = faults.duration(written.timeout.as_ref(), Duration::from_secs(2));
    let password = written
        .password
        .as_ref()
        .map(|secret| faults.secret(secret, base));
    let bearer = written
        .bearer
        .as_ref()
        .map(|secret| faults.secret(secret, base));
    WriterSchemasConfig {
        url: written.url.value.trim_end_matches('/').to_owned(),
        username: written.username,
        password,
        bearer,
        timeout,
    }
}

fn decide_intake(written: &IntakeWritten, faults: &mut Faults<'_>) -> Bounds {
    let usual = Bounds::default();
    Bounds {
        round_records_max: faults.at_least(
            1,
            written.round_records_max.as_ref(),
            usual.round_records_max as u32,
        ) as usize,
        rounds_in_flight_max: faults.at_least(
            1,
            written.rounds_in_flight_max.as_ref(),
            usual.rounds_in_flight_max as u32,
        ) as usize,
        commit_every: faults.duration(written.commit_every.as_ref(), usual.commit_every),
        ..usual
    }
}

fn decide_listen(written: Option<&Spanned<String>>, faults: &mut Faults<'_>) -> SocketAddr {
    let usual = SocketAddr::from(([127, 0, 0, 1], 9464));
    let Some(listen) = written else { return usual };
    listen.value.parse().unwrap_or_else(|_| {
        faults.add(
            listen,
            "is not an address",
            "an IP address and a port, such as 0.0.0.0:9464",
        );
        usual
    })
}

/// The settings of a consumer in this config's group.
pub(crate) fn source_config(config: &Config, group: String, topics: Vec<String>) -> SourceConfig {
    SourceConfig {
        group,
        topics,
        client_id: "freshet".to_owned(),
        static_member: config.static_member.clone(),
        start: config.start,
        positions: Some(Arc::clone(&config.outbox.positions)),
    }
}
