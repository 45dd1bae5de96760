//! `freshet run`: config → parts → pipeline → drain. Everything fallible and synchronous comes first; a socket
//! is opened only when config and registry are known to be good.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use freshet_audit::watch::{LOOK_LABELS, watch};
use freshet_cdn::{FastlyPurger, VarnishPurger};
use freshet_core::registry::{Registry, Tier};
use freshet_kafka::{KafkaOutbox, KafkaSource, TopicWanted};
use freshet_pipeline::backoff::Backoff;
use freshet_pipeline::clock::Clock;
use freshet_pipeline::round::{Bounds, Window};
use freshet_pipeline::rules::RulesInForce;
use freshet_pipeline::run::{OutboxLane, Parts, Settings};
use freshet_pipeline::status::Status;
use freshet_redis::RedisPurger;
use freshet_wire::Limits;
use tokio::sync::{mpsc, watch as stop_channel};
use tokio::task::JoinSet;

use crate::admin::{self, Admin};
use crate::cli::RunArgs;
use crate::config::{self, Config, Target, source_config};
use crate::exit::Exit;
use crate::purger::AnyPurger;
use crate::reload::Reload;
use crate::signals::{self, Signals};
use crate::telemetry;
use crate::writer_schemas::AnyWriterSchemas;

/// Runs the command.
pub(crate) fn run(args: &RunArgs) -> Exit {
    let config = match config::load(&args.config) {
        Ok(config) => config,
        Err(faults) => return refuse(&faults.render()),
    };
    let registry = match freshet_registry::load(&config.registry) {
        Ok(loaded) => {
            if !loaded.warnings.is_empty() {
                eprintln!("{}", loaded.warnings.render());
            }
            loaded.registry
        }
        Err(faults) => return refuse(&faults.render()),
    };
    if let Err(missing) = check_targets(&config, &registry) {
        return refuse(&missing);
    }
    if args.dry_run {
        return describe(&config, &registry);
    }
    let form = args.log_form.unwrap_or(config.log_form);
    let outcome = telemetry::start_logs(form, &config.log_level).and_then(|()| {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("freshet")
            .enable_all()
            .build()
            .context("the runtime could not be started")?;
        let outcome = runtime.block_on(run_until_stopped(config, registry));
        // Whatever still hangs (a half-open socket, a broker that is away) must not hold up the exit.
        runtime.shutdown_timeout(Duration::from_millis(500));
        outcome
    });
    match outcome {
        Ok(()) => Exit::Clean,
        Err(error) => {
            eprintln!("freshet: {error:#}");
            Exit::Failed
        }
    }
}

fn refuse(faults: &str) -> Exit {
    eprintln!("{}", faults.trim_end());
    Exit::BadInput
}

/// Every target that a family names must be configured, as the kind of cache that the family takes it for.
fn check_targets(config: &Config, registry: &Registry) -> Result<(), String> {
    let mut faults = Vec::new();
    for target in &registry.targets {
        let wants = if target.tier == Tier::Store {
            "redis"
        } else {
            "varnish or fastly"
        };
        match (config.targets.get(&target.name), target.tier) {
            (None, _) => faults.push(format!(
                "error: the registry names target `{}`, which the config does not have\n  help: add \
                 `targets: {{ {}: {{ {wants}: … }} }}`",
                target.name, target.name
            )),
            (Some(Target::Redis(_)), Tier::Store)
            | (Some(Target::Varnish(..) | Target::Fastly(..)), Tier::Edge) => {}
            (Some(_), _) => faults.push(format!(
                "error: families take target `{}` for {wants}, the config makes it something else",
                target.name
            )),
        }
    }
    if faults.is_empty() {
        Ok(())
    } else {
        Err(faults.join("\n"))
    }
}

#[allow(clippy::print_stdout)] // the answer of --dry-run
fn describe(config: &Config, registry: &Registry) -> Exit {
    println!(
        "config and registry are good: revision {}, {} families, {} tables, {} targets",
        registry.revision.content_hash,
        registry.families.len(),
        registry.tables.len(),
        registry.targets.len()
    );
    for topic in registry.topics() {
        println!("  consumes {topic}");
    }
    for target in &registry.targets {
        let how = match config.targets.get(&target.name) {
            Some(Target::Redis(_)) => "redis, at once".to_owned(),
            Some(Target::Varnish(..)) => {
                format!(
                    "varnish, through {}",
                    config.outbox.lane_topic(&target.name)
                )
            }
            Some(Target::Fastly(..)) => {
                format!("fastly, through {}", config.outbox.lane_topic(&target.name))
            }
            None => "not configured".to_owned(),
        };
        println!("  purges {} ({how})", target.name);
    }
    Exit::Clean
}

async fn run_until_stopped(config: Config, registry: Registry) -> anyhow::Result<()> {
    let metrics = telemetry::start_metrics()?;
    let (status, clock) = (Status::default(), Clock::system());
    let mut tasks = JoinSet::new();
    tasks.spawn(telemetry::fold_histograms(metrics.clone()));
    let admin = Admin {
        status: status.clone(),
        clock: clock.clone(),
        metrics,
        process: metrics_process::Collector::default(),
    };
    let listener = tokio::net::TcpListener::bind(config.listen)
        .await
        .with_context(|| format!("admin.listen {} cannot be listened on", config.listen))?;
    announce(
        &config,
        &registry,
        listener.local_addr().unwrap_or(config.listen),
    );
    tasks.spawn(async move {
        if let Err(error) = axum::serve(listener, admin::router(admin)).await {
            tracing::error!(error = %error, "admin endpoints ended");
        }
    });
    let rules = RulesInForce::new(registry);
    let reload = Reload {
        folder: config.registry.clone(),
        rules: rules.clone(),
        served: rules.current().registry.targets.clone(),
    };
    tasks.spawn(reload.at_every(signals::hang_up()?));
    let parts = build(&config, rules, (&status, &clock), &mut tasks)?;
    let (stop, stopped) = stop_channel::channel(false);
    let mut signals = Signals::listen()?;
    let pipeline = freshet_pipeline::run::run(parts, stopped);
    tokio::pin!(pipeline);
    let sources = tokio::select! {
        ended = &mut pipeline => ended?,
        name = signals.next() => {
            tracing::info!(signal = name, "stopping: draining, committing");
            stop.send_replace(true);
            tokio::select! {
                ended = &mut pipeline => ended?,
                _ = signals.next() => anyhow::bail!("second signal: left at once; unsettled changes come again"),
                () = tokio::time::sleep(config.stop_within) => {
                    anyhow::bail!("not drained within {:?}; unsettled changes come again", config.stop_within)
                }
            }
        }
    };
    for source in sources {
        source.close(Duration::from_secs(1));
    }
    tasks.shutdown().await;
    tracing::info!("stopped");
    Ok(())
}

fn announce(config: &Config, registry: &Registry, listen: SocketAddr) {
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        registry = %registry.revision.content_hash,
        families = registry.families.len(),
        targets = registry.targets.len(),
        group = %config.group,
        admin = %listen,
        "freshet starts"
    );
}

type KafkaParts = Parts<KafkaSource, AnyPurger, KafkaOutbox, AnyWriterSchemas>;

fn build(
    config: &Config,
    rules: RulesInForce,
    (status, clock): (&Status, &Clock),
    tasks: &mut JoinSet<()>,
) -> anyhow::Result<KafkaParts> {
    let registry = Arc::clone(&rules.current().registry);
    let outbox = Arc::new(KafkaOutbox::connect(&config.kafka)?);
    if config.outbox.create_topics {
        tasks.spawn(ensure_topics(
            Arc::clone(&outbox),
            topics_wanted(config, &registry),
            status.clone(),
            clock.clone(),
        ));
    }
    let topics: Vec<String> = registry
        .topics()
        .map(str::to_owned)
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    let mut intakes = Vec::new();
    for thread in 0..config.intake_threads {
        let mut wanted = source_config(config, config.group.clone(), topics.clone());
        // Two members of one name fence each other off.
        if thread > 0
            && let Some(member) = &mut wanted.static_member
        {
            member.push_str(&format!("-{thread}"));
        }
        let source = KafkaSource::connect(&config.kafka, wanted)?;
        intakes.push((source, AnyWriterSchemas::new(config)?));
    }
    let mut inline = BTreeMap::new();
    let mut outbox_lanes = Vec::new();
    for target in &registry.targets {
        match config.targets.get(&target.name) {
            Some(Target::Redis(redis)) => {
                let purger = AnyPurger::Redis(Box::new(RedisPurger::connect(redis.clone())?));
                inline.insert(Arc::clone(&target.name), Arc::new(purger));
            }
            Some(Target::Varnish(varnish, window)) => {
                let purger = AnyPurger::Varnish(VarnishPurger::new(varnish.clone())?);
                outbox_lanes.push(lane(config, &target.name, (purger, *window))?);
            }
            Some(Target::Fastly(fastly, window)) => {
                let purger = AnyPurger::Fastly(FastlyPurger::new(fastly.clone())?);
                outbox_lanes.push(lane(config, &target.name, (purger, *window))?);
            }
            None => {}
        }
    }
    let samples = start_auditor(config, (&registry, clock), &inline, tasks);
    Ok(Parts {
        rules,
        status: status.clone(),
        clock: clock.clone(),
        settings: settings(config),
        intakes,
        inline,
        outbox_lanes,
        outbox,
        samples,
    })
}

fn settings(config: &Config) -> Settings {
    Settings {
        intake: config.intake,
        lane: Bounds {
            round_records_max: 512,
            rounds_in_flight_max: 1,
            ..config.intake
        },
        backoff: Backoff::default(),
        sample_every: config.sample_every,
        dead_letter_topic: Arc::clone(&config.outbox.dead_letters),
        ping_every: Duration::from_secs(2),
        // What remains is for the commit, closing the sources and the runtime.
        drain_within: config.stop_within.saturating_sub(Duration::from_secs(7)),
        limits: Limits {
            value_bytes_max: config.value_bytes_max,
            ..Limits::default()
        },
    }
}

fn lane(
    config: &Config,
    target: &Arc<str>,
    (purger, window): (AnyPurger, Window),
) -> anyhow::Result<OutboxLane<KafkaSource, AnyPurger>> {
    let topic = config.outbox.lane_topic(target);
    // A group of its own: a lane that stands still must not cause a rebalance of the intake.
    let group = format!("{}.lane.{target}", config.group);
    let source = KafkaSource::connect(
        &config.kafka,
        source_config(config, group, vec![topic.to_string()]),
    )?;
    Ok(OutboxLane {
        target: Arc::clone(target),
        topic,
        source,
        purger: Arc::new(purger),
        window,
    })
}

fn start_auditor(
    config: &Config,
    (registry, clock): (&Registry, &Clock),
    inline: &BTreeMap<Arc<str>, Arc<AnyPurger>>,
    tasks: &mut JoinSet<()>,
) -> Option<mpsc::Sender<freshet_core::sample::PurgedSample>> {
    config.sample_every?;
    for family in &registry.families {
        let target = family
            .redis
            .as_ref()
            .and_then(|redis| registry.target(redis.target));
        if let Some(target) = target {
            freshet_audit::metrics::register(&family.name, &target.name, &LOOK_LABELS);
        }
    }
    let (offer, samples) = mpsc::channel(256);
    let (probes, settings, clock) = (inline.clone(), config.audit, clock.clone());
    tasks.spawn(async move { watch(probes, samples, settings, move || clock.now()).await });
    Some(offer)
}

fn topics_wanted(config: &Config, registry: &Registry) -> Vec<TopicWanted> {
    let partitions = i32::try_from(config.outbox.partitions).unwrap_or(i32::MAX);
    let lanes = registry
        .targets
        .iter()
        .filter(|target| target.tier != Tier::Store)
        .map(|target| config.outbox.lane_topic(&target.name).to_string());
    lanes
        .chain([config.outbox.dead_letters.to_string()])
        .map(|name| TopicWanted {
            name,
            partitions,
            config: Vec::new(),
        })
        .chain([TopicWanted {
            name: config.outbox.positions.to_string(),
            partitions: 1,
            config: vec![("cleanup.policy".to_owned(), "compact".to_owned())],
        }])
        .collect()
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
                    tracing::warn!(error = %error, "outbox topics cannot be created yet");
                }
                tokio::time::sleep(Backoff::default().wait_random(attempt)).await;
                attempt += 1;
            }
        }
    }
}
