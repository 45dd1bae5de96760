//! Written → decided, section by section. Targets, beacons and Kafka have files of their own.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use freshet_audit::watch::AuditSettings;
use freshet_core::outbox::OutboxTopics;
use freshet_kafka::WriterSchemasConfig;
use freshet_pipeline::heartbeat::Heartbeats;
use freshet_pipeline::round::Bounds;
use freshet_wire::Limits;
use serde_saphyr::Spanned;

use super::decided::Config;
use super::faults::{Faults, UrlRule};
use super::ranges::*;
use super::targets::{self, TargetConfig};
use super::values::DurationWritten;
use super::written::{
    ConfigWritten, IntakeWritten, OutboxWritten, SchemaRegistryWritten, TransactionsWritten,
};
use super::{beacons, kafka};
use crate::telemetry::{LEVELS, LogForm};

/// Decides everything, with each fault noted; what is faulty has its usual value.
pub(super) fn decide(written: ConfigWritten, base: &Path, faults: &mut Faults<'_>) -> Config {
    let registry = base.join(&written.registry.value);
    if !registry.is_dir() {
        faults.add(
            &written.registry,
            "is not a directory",
            "give the directory with `sources/` and `families/`, relative to the config file",
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
    let beacons = beacons::decide(written.beacons, &targets, faults);
    let (intake, audit) = (&written.intake, &written.audit);
    let rate = faults.number(audit.samples_per_second.as_ref(), &SAMPLES_PER_SECOND);
    let looks = audit.snapshot_looks_per_second.as_ref();
    let kafka_written = &written.kafka.value;
    let partitions = faults.number(written.outbox.partitions.as_ref(), &PARTITIONS);
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
        beacons: beacons.into(),
        outbox: decide_outbox(&written.outbox),
        create_topics: written
            .outbox
            .create_topics
            .unwrap_or(true)
            .then_some(partitions),
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

fn decide_outbox(outbox: &OutboxWritten) -> OutboxTopics {
    let usual = OutboxTopics::default();
    let prefix = |name: &Option<String>, usual| name.clone().unwrap_or(usual);
    let named = |name: &Option<String>, usual| name.as_deref().map_or(usual, Arc::from);
    OutboxTopics {
        topic_prefix: prefix(&outbox.topic_prefix, usual.topic_prefix),
        backlog_prefix: prefix(&outbox.backlog_prefix, usual.backlog_prefix),
        dead_letters: named(&outbox.dead_letters, usual.dead_letters),
        positions: named(&outbox.positions, usual.positions),
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
