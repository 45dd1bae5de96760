//! The shop of `examples/shop` under traffic: writers change its rows, readers look at them through Redis and over
//! HTTP, and every answer that is older than the last commit is counted.

mod audience;
mod beacon;
mod clock;
mod conclusion;
mod database;
mod demo;
mod envelope;
mod freshet;
mod freshness;
mod purge_watch;
mod report;
mod site;
mod stack;
mod tally;
mod traffic;
mod verify;
mod warm_up;
mod writers;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};

use crate::report::say;
use crate::site::Pace;

/// Nothing in the demo needs to run in.
const DEMO_WARMS: Duration = Duration::ZERO;
/// Debezium's JVM compiles while it runs.
const STACK_WARMS: Duration = Duration::from_secs(8);

/// Traffic for Freshet: writes a shop, reads it through caches, and counts every stale answer.
///
/// Exit code 0: every purge arrived and no answer was staler than its family's objective. 1: not so; the reasons
/// are shown.
#[derive(Debug, Parser)]
#[command(name = "freshet-demo", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Kafka and the edge in this process, rows in memory; needs redis-server and nothing else
    Demo(Traffic),
    /// Postgres, Debezium, Kafka, Redis, Varnish and Prometheus as child processes
    Stack(Traffic),
}

#[derive(Debug, Args)]
struct Traffic {
    /// End after so many seconds instead of on Ctrl-C
    #[arg(long, env = "DEMO_SECONDS")]
    seconds: Option<u64>,
    /// Rows changed a second
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
    rate: u32,
    /// Reads a second, of Redis entries and pages together
    #[arg(long, default_value_t = 3_000)]
    reads: u32,
}

impl Traffic {
    fn pace(&self, warms: Duration) -> Pace {
        Pace {
            warms,
            lasts: self.seconds.map(Duration::from_secs),
            changes: self.rate,
            reads: self.reads,
        }
    }
}

/// Where schema, registry and dashboards lie.
fn shop_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/shop")
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(&cli.command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("\nnot ok: {error:#}\n"));
            ExitCode::FAILURE
        }
    }
}

fn run(command: &Command) -> Result<bool> {
    let runtime = tokio::runtime::Runtime::new()?;
    let shop = shop_folder();
    let registry = shop.join("registry");
    match command {
        Command::Demo(traffic) => runtime.block_on(demo::demo(&registry, traffic.pace(DEMO_WARMS))),
        Command::Stack(traffic) => {
            runtime.block_on(stack::stack(&shop, &registry, traffic.pace(STACK_WARMS)))
        }
    }
}
