//! `make bench-commits`: from a commit in Postgres to the key gone from Redis, through Debezium and Kafka.

use std::path::PathBuf;

use clap::Parser;
use freshet_bench::bed::Bed;
use freshet_bench::commits;
use freshet_bench::paced::{Pace, at};
use freshet_bench::participant::Participant;
use freshet_bench::usage;

/// From a commit in Postgres to the key gone from Redis.
#[derive(Debug, Parser)]
struct Args {
    /// Commits per second
    #[arg(long, default_value_t = 1_000)]
    rate: u32,
    /// Counted seconds
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// The freshet binary
    #[arg(long, default_value = "target/release/freshet")]
    freshet: PathBuf,
    /// The target folder, for logs and the result
    #[arg(long, default_value = "target")]
    target: PathBuf,
}

#[allow(clippy::print_stdout)] // the program's answer
fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let out = args.target.join("bench");
    std::fs::create_dir_all(&out)?;
    let machine = usage::machine();
    let bed = Bed::start(&out)?;
    let freshet = Participant::freshet_at("freshet", args.freshet);
    println!(
        "{} commits/s for {} s, one row each, Postgres and Debezium and Kafka and Redis on this machine",
        args.rate, args.seconds
    );
    let pace = Pace {
        rate: args.rate,
        seconds: args.seconds,
    };
    let commits = commits::run(&bed, &freshet, pace)?;
    for (what, histogram) in [
        ("commit to purge", &commits.total),
        ("due to purge", &commits.since_due),
    ] {
        let ms = [0.5, 0.9, 0.99, 1.0].map(|share| at(histogram, share));
        println!(
            "{what:<16} p50 {:.1} ms, p90 {:.1} ms, p99 {:.1} ms, max {:.1} ms",
            ms[0], ms[1], ms[2], ms[3]
        );
    }
    let whole: f64 = commits.stages.iter().map(|(_, mean)| mean).sum();
    for (stage, mean) in &commits.stages {
        println!(
            "  {stage:<14} mean {mean:.2} ms, {:.0} %",
            mean / whole * 100.0
        );
    }
    println!("keys left        {}", commits.left);
    let result = serde_json::json!({ "machine": machine, "commits": commits.as_json() });
    let file = out.join("commits.json");
    std::fs::write(&file, serde_json::to_string_pretty(&result)?)?;
    println!("{}", file.display());
    Ok(())
}
