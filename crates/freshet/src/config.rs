//! The config twice: as written, then as decided. Everything that is wrong is reported at once, with its place;
//! the rest of the program sees only what was decided.

mod canaries;
mod faults;
mod kafka;
mod ranges;
mod redis;
mod targets;
mod values;
mod written;
mod yaml;

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
use freshet_registry::files::{self, CONFIG_BYTES_MAX};
use freshet_registry::yaml::{CONFIG_NODES_MAX, parse};
use freshet_wire::Limits;
use serde_saphyr::Spanned;

use crate::cli::LogForm;
use crate::telemetry::LEVELS;
pub(crate) use canaries::{CanaryConfig, add_canaries};
use faults::{Faults, UrlRule};
use ranges::*;
pub(crate) use targets::{Target, TargetConfig};
use values::DurationWritten;
use written::{
    ConfigWritten, IntakeWritten, OutboxWritten, SchemaRegistryWritten, TransactionsWritten,
};

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

impl Default for OutboxConfig {
    fn default() -> Self {
        Self {
            topic_prefix: "freshet.purges.".to_owned(),
            backlog_prefix: "freshet.backlog.".to_owned(),
            dead_letters: Arc::from("freshet.dead-letters"),
            positions: Arc::from("freshet.positions"),
            partitions: PARTITIONS.usual,
            create_topics: true,
        }
    }
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

/// A config that is not good.
pub(crate) struct Refused {
    /// Every fault, with its place.
    pub(crate) faults: Diagnostics,
    /// The form of log lines that it asks for, if so much of it could be read.
    pub(crate) log_form: Option<LogForm>,
}

impl From<Diagnostics> for Refused {
    fn from(faults: Diagnostics) -> Self {
        let log_form = None;
        Self { faults, log_form }
    }
}

/// Reads the file, parses and decides.
///
/// # Errors
/// Every fault of the file, with its place.
pub(crate) fn load(path: &Path) -> Result<Config, Refused> {
    match files::read_text(path, CONFIG_BYTES_MAX) {
        Ok(text) => read(path, &text),
        Err(error) => Err(faults::unreadable(path, &error).into()),
    }
}

/// Parses and decides. `path` is where the text stands.
///
/// # Errors
/// Every fault of the text, with its place.
pub(crate) fn read(path: &Path, text: &str) -> Result<Config, Refused> {
    let written: ConfigWritten =
        parse(text, CONFIG_NODES_MAX).map_err(|error| yaml::unparsable(path, &error))?;
    let base = path.parent().unwrap_or(Path::new("."));
    let log_form = written.log.form;
    let mut faults = Faults::new(path);
    let config = decide(written, base, &mut faults);
    let refused = |faults| Refused { faults, log_form };
    faults.finish(config).map_err(refused)
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
    let limits = decide_limits(&written.intake, written.schema_registry.as_ref(), faults);
    let targets: BTreeMap<Arc<str>, TargetConfig> = written
        .targets
        .into_iter()
        .filter_map(|(name, target)| {
            Some((Arc::from(name), targets::decide(target, base, faults)?))
        })
        .collect();
    let canaries = canaries::decide(written.canaries, &targets, faults);
    let (intake, audit) = (&written.intake, &written.audit);
    let rate = faults.number(audit.samples_per_second.as_ref(), &SAMPLES_PER_SECOND);
    let looks = audit.snapshot_looks_per_second.as_ref();
    let kafka_written = &written.kafka.value;
    Config {
        registry,
        group: kafka_written.group.clone(),
        start: kafka::decide_start(kafka_written, faults),
        static_member: kafka_written.static_member.clone(),
        kafka: kafka::decide(&written.kafka, base, faults),
        schema_registry: written
            .schema_registry
            .map(|it| decide_schemas(it, base, faults)),
        targets,
        canaries: canaries.into(),
        outbox: decide_outbox(&written.outbox, faults),
        heartbeats: decide_heartbeats(written.heartbeats, faults),
        transactions: decide_transactions(written.transactions, faults),
        intake_threads: faults.number(intake.threads.as_ref(), &THREADS),
        limits,
        intake: decide_intake(intake, faults),
        sample_every: (rate > 0).then(|| Duration::from_secs(1) / rate.max(1)),
        snapshot_looks_per_second: NonZeroU32::new(
            faults.number(looks, &SNAPSHOT_LOOKS_PER_SECOND),
        ),
        audit: AuditSettings {
            skew_max: faults.duration(audit.clock_skew_max.as_ref(), &CLOCK_SKEW_MAX),
            ..AuditSettings::default()
        },
        listen: decide_listen(written.admin.listen.as_ref(), faults),
        log_form: written.log.form.unwrap_or(LogForm::Text),
        log_level: decide_level(written.log.level.as_ref(), faults),
        stop_within: faults.duration(written.stop_within.as_ref(), &STOP_WITHIN),
    }
}

/// A level that the log filter does not know would silence everything.
fn decide_level(written: Option<&Spanned<String>>, faults: &mut Faults<'_>) -> String {
    let usual = "info";
    let Some(level) = written else {
        return usual.to_owned();
    };
    if !LEVELS.contains(&level.value.as_str()) {
        faults.choice(level, &level.value, &LEVELS);
    }
    level.value.clone()
}

fn decide_outbox(outbox: &OutboxWritten, faults: &mut Faults<'_>) -> OutboxConfig {
    let usual = OutboxConfig::default();
    let named = |name: &Option<String>, usual| name.as_deref().map_or(usual, Arc::from);
    OutboxConfig {
        topic_prefix: outbox.topic_prefix.clone().unwrap_or(usual.topic_prefix),
        backlog_prefix: outbox
            .backlog_prefix
            .clone()
            .unwrap_or(usual.backlog_prefix),
        dead_letters: named(&outbox.dead_letters, usual.dead_letters),
        positions: named(&outbox.positions, usual.positions),
        partitions: faults.number(outbox.partitions.as_ref(), &PARTITIONS),
        create_topics: outbox.create_topics.unwrap_or(usual.create_topics),
    }
}

fn decide_heartbeats(
    written: BTreeMap<String, Spanned<DurationWritten>>,
    faults: &mut Faults<'_>,
) -> Heartbeats {
    let limits = written.into_iter().map(|(database, limit)| {
        let limit = faults.duration(Some(&limit), &HEARTBEAT);
        (Arc::from(database), limit)
    });
    Heartbeats(limits.collect())
}

fn decide_transactions(
    written: BTreeMap<String, TransactionsWritten>,
    faults: &mut Faults<'_>,
) -> BTreeMap<Arc<str>, Duration> {
    let limits = written.into_iter().map(|(database, limit)| {
        let within = faults.duration(limit.within.as_ref(), &TRANSACTIONS_WITHIN);
        (Arc::from(database), within)
    });
    limits.collect()
}

const SCHEMAS_URL: UrlRule = UrlRule {
    schemes: &["http", "https"],
    credentials: "give `username:` and `password: { env: NAME }` or `{ file: PATH }` instead",
};

fn decide_schemas(
    written: SchemaRegistryWritten,
    base: &Path,
    faults: &mut Faults<'_>,
) -> WriterSchemasConfig {
    faults.url(&written.url, &SCHEMAS_URL);
    let timeout = faults.duration(written.timeout.as_ref(), &SCHEMAS_TIMEOUT);
    let password = written
        .password
        .as_ref()
        .map(|secret| faults.secret(secret, base));
    let bearer = written
        .bearer
        .as_ref()
        .map(|secret| faults.secret(secret, base));
    WriterSchemasConfig {
        url: written.url.value.0.trim_end_matches('/').to_owned(),
        username: written.username,
        password,
        bearer,
        timeout,
        answer_bytes_max: faults.number(written.answer_bytes_max.as_ref(), &ANSWER_BYTES_MAX)
            as usize,
    }
}

fn decide_limits(
    intake: &IntakeWritten,
    schemas: Option<&SchemaRegistryWritten>,
    faults: &mut Faults<'_>,
) -> Limits {
    let cache = schemas.and_then(|it| it.cache_bytes_max.as_ref());
    Limits {
        value_bytes_max: faults.number(intake.value_bytes_max.as_ref(), &VALUE_BYTES_MAX) as usize,
        steps_max: faults.number(intake.steps_max.as_ref(), &STEPS_MAX) as usize,
        writer_schemas_bytes_max: faults.number(cache, &CACHE_BYTES_MAX) as usize,
        ..Limits::default()
    }
}

fn decide_intake(written: &IntakeWritten, faults: &mut Faults<'_>) -> Bounds {
    let records = faults.number(written.round_records_max.as_ref(), &ROUND_RECORDS_MAX);
    let rounds = faults.number(written.rounds_in_flight_max.as_ref(), &ROUNDS_IN_FLIGHT_MAX);
    Bounds {
        round_records_max: records as usize,
        rounds_in_flight_max: rounds as usize,
        commit_every: faults.duration(written.commit_every.as_ref(), &COMMIT_EVERY),
        ..Bounds::default()
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
