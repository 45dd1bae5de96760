//! Config and registry → the parts of the pipeline: which adapter serves which target, through which topics.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use freshet_cdn::{Budgets, HttpPurger};
use freshet_core::position::Steady;
use freshet_core::registry::Registry;
use freshet_core::template::NameForm;
use freshet_kafka::{HttpWriterSchemas, KafkaOutbox, KafkaSource, KafkaTopicEnds, TopicWanted};
use freshet_pipeline::backoff::{Backoff, Dice};
use freshet_pipeline::beacon::prove::Prove;
use freshet_pipeline::beacon::{BeaconSeat, Beacons, Beat};
use freshet_pipeline::clock::Clock;
use freshet_pipeline::parts::{BacklogLane, Drive, LiveLane, Parts, Settings, TargetParts};
use freshet_pipeline::round::Bounds;
use freshet_pipeline::rules::RulesInForce;
use freshet_pipeline::status::Status;
use freshet_pipeline::transactions::Transactions;
use freshet_redis::RedisPurger;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::config::{BeaconConfig, Config, Target, TargetConfig};
use crate::looks::Looks;
use crate::purger::AnyPurger;
use crate::topics::TopicWatch;

/// Writer schemas of the configured registry, if there is one.
type Schemas = Option<HttpWriterSchemas>;

/// The pipeline on Kafka.
pub(crate) type KafkaParts = Parts<KafkaSource, AnyPurger, KafkaOutbox, Schemas>;

/// What the parts have in common with the rest of the process.
#[derive(Debug)]
pub(crate) struct Host<'a> {
    pub(crate) status: &'a Status,
    pub(crate) clock: &'a Clock,
    pub(crate) beacons: Beacons,
    pub(crate) beats: mpsc::Receiver<Beat>,
    /// What runs beside the pipeline.
    pub(crate) tasks: &'a mut JoinSet<()>,
}

/// Makes every part; only the outbox topics are created over the network, and that in the background.
pub(crate) fn build(
    config: &Config,
    rules: RulesInForce,
    host: Host<'_>,
) -> anyhow::Result<KafkaParts> {
    let Host {
        status,
        clock,
        beacons,
        beats,
        tasks,
    } = host;
    let registry = Arc::clone(&rules.current().registry);
    let outbox = Arc::new(KafkaOutbox::connect(&config.kafka)?);
    if let Some(partitions) = config.create_topics {
        tasks.spawn(ensure_topics(
            Arc::clone(&outbox),
            topics_wanted(config, &registry, partitions),
            status.clone(),
            clock.clone(),
        ));
    }
    let topics = TopicWatch {
        client: Arc::new(KafkaTopicEnds::connect(&config.kafka)?),
        rules: rules.clone(),
        status: status.clone(),
        clock: clock.clone(),
    };
    tasks.spawn(topics.run());
    let transactions = transactions(config)?;
    let intakes = intakes(config, &registry, &transactions)?;
    let Targets { targets, probes } = targets(config, &registry)?;
    let prove = Prove::new(
        probes.clone(),
        beacons.clone(),
        status.clone(),
        clock.clone(),
    );
    tasks.spawn(prove.run(beats));
    let looks = Looks {
        config,
        registry: &registry,
        clock,
        probes: &probes,
    };
    let reads = looks.start_verifier(&outbox, tasks);
    let samples = looks.start_auditor(tasks);
    Ok(Parts {
        rules,
        status: status.clone(),
        clock: clock.clone(),
        settings: settings(config, transactions),
        intakes,
        targets,
        outbox,
        samples,
        settled: None,
        beacons,
        reads,
    })
}

/// Every target of a registry that is configured, and those that can be looked into.
struct Targets {
    targets: Vec<TargetParts<KafkaSource, AnyPurger>>,
    probes: BTreeMap<Arc<str>, Arc<AnyPurger>>,
}

fn targets(config: &Config, registry: &Registry) -> anyhow::Result<Targets> {
    let (mut targets, mut probes) = (Vec::new(), BTreeMap::new());
    let budgets = Budgets::default();
    for target in &registry.targets {
        if let Some(wanted) = config.targets.get(&target.name) {
            let parts = target_parts(config, &target.name, wanted, &budgets)?;
            if target.names == NameForm::RedisKey {
                probes.insert(Arc::clone(&target.name), Arc::clone(&parts.purger));
            }
            targets.push(parts);
        }
    }
    Ok(Targets { targets, probes })
}

/// A consumer of every topic for each intake thread, with its writer schemas.
fn intakes(
    config: &Config,
    registry: &Registry,
    transactions: &Transactions,
) -> anyhow::Result<Vec<(KafkaSource, Schemas)>> {
    let topics: Vec<String> = registry
        .topics()
        .map(str::to_owned)
        .chain(config.heartbeats.topics())
        .chain(transactions.topics())
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    let mut intakes = Vec::new();
    for thread in 0..config.intake_threads {
        let mut wanted = config.source(config.group.clone(), topics.clone());
        // Two members of one name fence each other off.
        if thread > 0
            && let Some(member) = &mut wanted.static_member
        {
            member.push_str(&format!("-{thread}"));
        }
        let source = KafkaSource::connect(&config.kafka, wanted)?;
        let schemas = config.schema_registry.clone();
        intakes.push((source, schemas.map(HttpWriterSchemas::new).transpose()?));
    }
    Ok(intakes)
}

/// Every beacon at every target of its, and the beats that will be answered there.
pub(crate) fn beacons(
    config: &Config,
    registry: &Registry,
    now: Steady,
) -> (Beacons, mpsc::Receiver<Beat>) {
    let seats = config
        .beacons
        .iter()
        .flat_map(|BeaconConfig { beacon, .. }| {
            beacon.targets.iter().map(|target| {
                let is_store = target.names == NameForm::RedisKey;
                let topic = if is_store {
                    beacon.topic(registry)
                } else {
                    config.outbox.lane_topic(&target.name)
                };
                BeaconSeat {
                    database: Arc::clone(&beacon.database),
                    target: Arc::clone(&target.name),
                    topic,
                    in_first_partition: is_store,
                    within: beacon.within,
                    entry: is_store.then(|| (beacon.entry(&target.name), beacon.ttl())),
                }
            })
        });
    Beacons::new(seats.collect(), now)
}

/// What asks the brokers is made only where transactions are counted.
fn transactions(config: &Config) -> anyhow::Result<Transactions> {
    let mut transactions = Transactions {
        within: config.transactions.clone(),
        ends: None,
    };
    if !transactions.within.is_empty() {
        transactions.ends = Some(Arc::new(KafkaTopicEnds::connect(&config.kafka)?));
    }
    Ok(transactions)
}

fn settings(config: &Config, transactions: Transactions) -> Settings {
    Settings {
        intake: config.intake,
        lane: Bounds {
            // Records of lanes hold many purges each, and a backlog merges best in large rounds.
            round_records_max: 4096,
            pull_max: 32,
            rounds_in_flight_max: 1,
            ..config.intake
        },
        backoff: Backoff::default(),
        dice: Dice::default(),
        sample_every: config.sample_every,
        dead_letter_topic: Arc::clone(&config.outbox.dead_letters),
        ping_every: Duration::from_secs(2),
        // What remains is for the commit, closing the sources and the runtime.
        drain_within: config.stop_within.saturating_sub(Duration::from_secs(7)),
        limits: config.limits.clone(),
        heartbeats: config.heartbeats.clone(),
        transactions,
        drive: Drive::Threads,
    }
}

fn target_parts(
    config: &Config,
    name: &Arc<str>,
    wanted: &TargetConfig,
    budgets: &Budgets,
) -> anyhow::Result<TargetParts<KafkaSource, AnyPurger>> {
    let (purger, window) = match &wanted.cache {
        Target::Redis(redis) => (
            AnyPurger::Redis(Box::new(RedisPurger::connect(redis.as_ref().clone())?)),
            None,
        ),
        Target::Http(provider, window) => (
            AnyPurger::Http(Box::new(HttpPurger::new(Arc::clone(provider), budgets)?)),
            Some(*window),
        ),
    };
    // Groups of their own: a lane that stands still must not cause a rebalance of the intake.
    let source = |kind: &str, topic: &str| {
        let group = format!("{}.{kind}.{name}", config.group);
        KafkaSource::connect(&config.kafka, config.source(group, vec![topic.to_owned()]))
    };
    let live = window.map(|window| {
        let topic = config.outbox.lane_topic(name);
        anyhow::Ok(LiveLane {
            source: source("lane", &topic)?,
            topic,
            window,
        })
    });
    let topic = config.outbox.backlog_topic(name);
    Ok(TargetParts {
        name: Arc::clone(name),
        purger: Arc::new(purger),
        live: live.transpose()?,
        backlog: BacklogLane {
            source: source("backlog", &topic)?,
            topic,
            after: wanted.spill_after,
            replay: wanted.replay_window,
            purges_per_second: Some(wanted.backlog_purges_per_second),
        },
    })
}

fn topics_wanted(config: &Config, registry: &Registry, partitions: u32) -> Vec<TopicWanted> {
    let partitions = i32::try_from(partitions).unwrap_or(i32::MAX);
    let wanted = |name: &str, config: &[(&str, &str)]| TopicWanted {
        name: name.to_owned(),
        partitions,
        config: config
            .iter()
            .map(|&(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
    };
    // A backlog lives as long as an entry may that it would purge: a week, and however much it is.
    let kept = [("retention.ms", "604800000"), ("retention.bytes", "-1")];
    let mut topics = vec![
        wanted(&config.outbox.dead_letters, &[]),
        TopicWanted {
            name: config.outbox.positions.to_string(),
            partitions: 1,
            config: vec![("cleanup.policy".to_owned(), "compact".to_owned())],
        },
    ];
    for target in &registry.targets {
        if target.names != NameForm::RedisKey {
            topics.push(wanted(&config.outbox.lane_topic(&target.name), &kept));
        }
        topics.push(wanted(&config.outbox.backlog_topic(&target.name), &kept));
    }
    topics
}

/// Creates our own topics, for as long as it takes for the brokers to answer.
async fn ensure_topics(
    outbox: Arc<KafkaOutbox>,
    wanted: Vec<TopicWanted>,
    status: Status,
    clock: Clock,
) {
    let (part, mut attempt) = ("outbox topics", 0);
    loop {
        match outbox.ensure_topics(&wanted).await {
            Ok(()) => {
                status.ready(part);
                return;
            }
            Err(error) => {
                if status.not_ready(part, &error.to_string(), clock.now()) {
                    tracing::warn!(error = %error, "outbox topics cannot be created, retrying");
                }
                tokio::time::sleep(Backoff::default().wait(attempt, Dice::default().roll())).await;
                attempt += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests;
