//! Plays many seeds and prints what was seen; `--seed N` plays one again.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use freshet_sim::{Scenario, Summary, Violation, play};

/// Seeded simulation of the pipeline: random faults under virtual time, an oracle that knows every change
#[derive(Debug, Parser)]
struct Args {
    /// Play the seeds from --from on, this many
    #[arg(long, default_value_t = 500)]
    seeds: u64,
    /// The first seed
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Play this seed only, twice, and show what happened
    #[arg(long)]
    seed: Option<u64>,
}

#[allow(clippy::print_stdout, clippy::print_stderr)] // its whole purpose
fn main() -> ExitCode {
    let args = Args::parse();
    if let Some(seed) = args.seed {
        let scenario = Scenario::random(seed);
        println!("{scenario:#?}");
        return match play(&scenario) {
            Ok(summary) => {
                println!("{summary:#?}");
                ExitCode::SUCCESS
            }
            Err(violation) => {
                eprintln!("{violation}");
                ExitCode::FAILURE
            }
        };
    }
    let begun = Instant::now();
    let mut total = Total::default();
    for seed in args.from..args.from + args.seeds {
        match play(&Scenario::random(seed)) {
            Ok(summary) => total.add(&summary),
            Err(violation) => total.broken.push(violation),
        }
        if total.broken.len() >= 10 {
            break;
        }
    }
    println!("{}", total.table(begun.elapsed()));
    for violation in &total.broken {
        eprintln!("{violation}");
    }
    if total.broken.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

#[derive(Debug, Default)]
struct Total {
    seeds: usize,
    sum: Summary,
    broken: Vec<Violation>,
}

impl Total {
    fn add(&mut self, summary: &Summary) {
        self.seeds += 1;
        let sum = &mut self.sum;
        sum.changes += summary.changes;
        sum.expected += summary.expected;
        sum.purges += summary.purges;
        sum.faults += summary.faults;
        sum.kills += summary.kills;
        sum.spilled += summary.spilled;
        sum.dead_letters += summary.dead_letters;
        sum.assignments += summary.assignments;
        sum.recovery = sum.recovery.max(summary.recovery);
        sum.open_max = sum.open_max.max(summary.open_max);
    }

    fn table(&self, took: Duration) -> String {
        let sum = &self.sum;
        format!(
            "seeds kept     {}\nseeds broken   {}\nfaults         {}\nkills          {}\nchanges        {}\n\
             expected       {} purges\npurged         {} times\nspilled        {} purges\ndead letters   {}\n\
             assignments    {}\nrecovery       {:.1} s at most, virtual\nopen records   {} at most\ntook           {:.1} s",
            self.seeds,
            self.broken.len(),
            sum.faults,
            sum.kills,
            sum.changes,
            sum.expected,
            sum.purges,
            sum.spilled,
            sum.dead_letters,
            sum.assignments,
            sum.recovery.as_secs_f64(),
            sum.open_max,
            took.as_secs_f64()
        )
    }
}
