//! `make bench`: how fast a backlog drains, and how much latency Freshet adds, on real Kafka and Redis.
//!
//! Two figures that carry from machine to machine are printed beside the rates: CPU per event of each
//! process, and peak memory. Everything runs on this machine, so the broker and Redis take their share.

mod deployment;
mod drain;
mod events;
mod paced;
mod resp;

use std::path::PathBuf;

use clap::Parser;

/// Drain and added latency on real Kafka and Redis.
#[derive(Debug, Parser)]
struct Args {
    /// Events of the backlog
    #[arg(long, default_value_t = 1_000_000)]
    events: u64,
    /// Changes per second in the paced mode
    #[arg(long, default_value_t = 10_000)]
    rate: u64,
    /// Seconds of the paced mode
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// Partitions of the topic
    #[arg(long, default_value_t = 4)]
    partitions: i32,
    /// Rounds of the drain; the first one warms up and is not counted
    #[arg(long, default_value_t = 4)]
    rounds: u32,
    /// The freshet binary
    #[arg(long, default_value = "target/release/freshet")]
    freshet: PathBuf,
    /// Write the figures to this file as JSON
    #[arg(long)]
    json: Option<PathBuf>,
}

#[allow(clippy::print_stdout)] // the program's answer
fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let mut drained = Vec::new();
    println!(
        "drain: {} events, {} partitions, JSON without schema, every key present",
        args.events, args.partitions
    );
    for round in 0..args.rounds {
        let figures = drain::run(&args.freshet, args.events, args.partitions)?;
        let note = if round == 0 && args.rounds > 1 {
            "  (warm-up, not counted)"
        } else {
            ""
        };
        println!("  {figures}{note}");
        if round > 0 || args.rounds == 1 {
            drained.push(figures);
        }
    }
    drained.sort_by(|one, other| one.events_per_second.total_cmp(&other.events_per_second));
    let median = &drained[drained.len() / 2];
    println!("  median: {:.0} events/s", median.events_per_second);
    println!(
        "paced: {} changes/s for {} s, open loop, from the intended send to the key gone",
        args.rate, args.seconds
    );
    let paced = paced::run(&args.freshet, (args.rate, args.seconds), args.partitions)?;
    println!("  {paced}");
    if let Some(path) = &args.json {
        let figures = serde_json::json!({ "drain": median.as_json(), "paced": paced.as_json() });
        std::fs::write(path, serde_json::to_string_pretty(&figures)?)?;
    }
    Ok(())
}
