//! `freshet run`: config → parts → pipeline → drain. Everything fallible and synchronous comes first; a socket
//! is opened only when config and registry are known to be good.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use freshet_core::registry::Registry;
use freshet_pipeline::clock::Clock;
use freshet_pipeline::rules::RulesInForce;
use freshet_pipeline::status::Status;
use tokio::sync::watch as stop_channel;
use tokio::task::JoinSet;

use crate::admin::{self, Admin};
use crate::cli::RunArgs;
use crate::config::{self, Config, Target};
use crate::exit::Exit;
use crate::files;
use crate::parts::{self, Host};
use crate::reload::Reload;
use crate::rules::{self, RegistryFolder};
use crate::signals::{self, Signals};
use crate::telemetry::{self, LogForm};

/// Runs the command.
pub(crate) fn run(args: &RunArgs) -> Exit {
    let config = match config::load(&args.config) {
        Ok(config) => config,
        Err(refused) => {
            let form = args.log_form.or(refused.log_form);
            let form = form.unwrap_or(LogForm::Text);
            // FRESHET_LOG may be wrong too; the config is reported first.
            let _ = telemetry::start_logs(form, "info");
            telemetry::report(form, &refused.faults.render());
            return Exit::BadInput;
        }
    };
    // What a dry run finds is for people.
    let form = match args.dry_run {
        true => args.log_form.unwrap_or(LogForm::Text),
        false => args.log_form.unwrap_or(config.log_form),
    };
    if let Err(reason) = telemetry::start_logs(form, &config.log_level) {
        telemetry::report(form, &reason);
        return Exit::BadInput;
    }
    let registry = match load_registry(&config, form) {
        Ok(registry) => registry,
        Err(faults) => {
            telemetry::report(form, &faults);
            return Exit::BadInput;
        }
    };
    if args.dry_run {
        return describe(&config, &registry);
    }
    match run_on_runtime(config, registry) {
        Ok(()) => Exit::Clean,
        Err(error) => {
            telemetry::report(form, &format!("freshet: {error:#}"));
            Exit::Failed
        }
    }
}

/// The registry of the config. Its warnings are for the log.
fn load_registry(config: &Config, form: LogForm) -> Result<Registry, String> {
    let loaded = rules::load(config)?;
    if !loaded.warnings.is_empty() {
        let warnings = loaded.warnings.render();
        match form {
            LogForm::Text => eprintln!("{warnings}"),
            LogForm::Json => {
                tracing::warn!(warnings = %warnings.trim_end(), "the registry has warnings");
            }
        }
    }
    Ok(loaded.registry)
}

fn run_on_runtime(config: Config, registry: Registry) -> anyhow::Result<()> {
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
}

#[allow(clippy::print_stdout)] // the answer of --dry-run
fn describe(config: &Config, registry: &Registry) -> Exit {
    println!(
        "config and registry are valid: revision {}, {} families, {} tables, {} targets",
        registry.revision.content_hash,
        registry.families.len(),
        registry.tables.len(),
        registry.targets.len()
    );
    for topic in registry.topics() {
        println!("  consumes {topic}");
    }
    for database in config.transactions.keys() {
        println!("  counts the transactions of {database}");
    }
    for target in &registry.targets {
        let how = match config.targets.get(&target.name).map(|it| &it.cache) {
            Some(Target::Redis(_)) => "redis, at once".to_owned(),
            Some(cache @ Target::Http(..)) => {
                let topic = config.outbox.lane_topic(&target.name);
                format!("{}, through {topic}", cache.kind())
            }
            None => "not configured".to_owned(),
        };
        println!("  purges {} ({how})", target.name);
    }
    Exit::Clean
}

async fn run_until_stopped(config: Config, registry: Registry) -> anyhow::Result<()> {
    // Before anybody is told that there is a process: until then a signal has its default effect, and SIGHUP's is to end it.
    let (mut signals, hang_up) = (Signals::listen()?, signals::hang_up()?);
    files::raise_limit();
    let metrics = telemetry::start_metrics()?;
    metrics.measure(&registry);
    let (status, clock) = (Status::default(), Clock::system());
    let mut tasks = JoinSet::new();
    tasks.spawn(telemetry::fold_histograms(metrics.clone()));
    let (beacons, beats) = parts::beacons(&config, &registry, clock.now());
    let admin = Admin {
        beacons: beacons.clone(),
        status: status.clone(),
        clock: clock.clone(),
        metrics: metrics.clone(),
        process: metrics_process::Collector::default(),
    };
    let listener = tokio::net::TcpListener::bind(config.listen)
        .await
        .with_context(|| format!("cannot listen on admin.listen {}", config.listen))?;
    announce(
        &config,
        &registry,
        listener.local_addr().unwrap_or(config.listen),
    );
    tasks.spawn(admin::serve::serve(listener, admin::router(admin)));
    let rules = RulesInForce::new(registry);
    let reload = Reload {
        metrics,
        folder: Arc::new(RegistryFolder::of(&config)),
        rules: rules.clone(),
        served: rules.current().registry.targets.clone(),
    };
    tasks.spawn(reload.at_every(hang_up));
    let host = Host {
        status: &status,
        clock: &clock,
        beacons,
        beats,
        tasks: &mut tasks,
    };
    let parts = parts::build(&config, rules, host)?;
    let (stop, stopped) = stop_channel::channel(false);
    let pipeline = freshet_pipeline::run::run(parts, stopped);
    tokio::pin!(pipeline);
    let sources = tokio::select! {
        ended = &mut pipeline => ended?,
        name = signals.next() => {
            tracing::info!(signal = name, "stopping: draining and committing");
            stop.send_replace(true);
            tokio::select! {
                ended = &mut pipeline => ended?,
                _ = signals.next() => anyhow::bail!("second signal: exiting at once; unsettled changes will be redelivered"),
                () = tokio::time::sleep(config.stop_within) => {
                    anyhow::bail!("not drained within {:?}; unsettled changes will be redelivered", config.stop_within)
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
        "freshet started"
    );
}
