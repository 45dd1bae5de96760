//! `make bench-regress`: this tree against a commit, in one run. Ends with 1 when it has become slower.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use freshet_bench::base;
use freshet_bench::bed::Bed;
use freshet_bench::callgrind::count;
use freshet_bench::case::{Case, Form};
use freshet_bench::drain::Drained;
use freshet_bench::paced::{Pace, at};
use freshet_bench::participant::Participant;
use freshet_bench::report::CaseReport;
use freshet_bench::rounds::{Comparison, DrainPlan, Loads};

/// Instructions may grow by so much.
const INSTRUCTIONS_MAX: f64 = 1.03;
/// Throughput may fall to so much.
const RATE_MIN: f64 = 0.93;

/// This tree against a commit.
#[derive(Debug, Parser)]
struct Args {
    /// The commit to compare with
    #[arg(long, default_value = "HEAD^")]
    base: String,
    /// The folder with the base's programs, where they are built already: with other settings of the compiler, say
    #[arg(long)]
    base_programs: Option<PathBuf>,
    /// Events of a drain
    #[arg(long, default_value_t = 500_000)]
    events: u32,
    /// Counted rounds of a drain; zero leaves drains and latency out
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Drains that are compared
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "drain-json-4,drain-schema-4,drain-avro-4"
    )]
    drains: Vec<Case>,
    /// Counted seconds of a paced round at 10 000 events/s; zero leaves latency out
    #[arg(long, default_value_t = 15)]
    seconds: u32,
    /// The folder with the programs of this tree
    #[arg(long, default_value = "target/release")]
    programs: PathBuf,
    /// The target folder
    #[arg(long, default_value = "target")]
    target: PathBuf,
}

#[allow(clippy::print_stdout)] // the program's answer
fn main() -> anyhow::Result<ExitCode> {
    let args = Args::parse();
    let base = match &args.base_programs {
        Some(programs) => programs.clone(),
        None => {
            println!("building {}", args.base);
            base::build(&args.target, &args.base)?
        }
    };
    let mut slower = instructions(&args, &base)?;
    if args.rounds > 0 {
        let now = Participant::freshet_at("now", args.programs.join("freshet"));
        let base = Participant::freshet_at("base", base.join("freshet"));
        slower |= servers(&args, &[now, base])?;
    }
    println!(
        "{}",
        if slower {
            "slower than the base"
        } else {
            "no slower than the base"
        }
    );
    Ok(if slower {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

#[allow(clippy::print_stdout)] // the program's answer
fn instructions(args: &Args, base: &std::path::Path) -> anyhow::Result<bool> {
    println!(
        "{:<16} {:>12} {:>12} {:>7}",
        "instructions", "base", "now", "ratio"
    );
    let mut slower = false;
    for form in Form::ALL {
        let (then, now) = (count(base, form)?, count(&args.programs, form)?);
        for (stage, then, now) in [
            ("decode", then.decode, now.decode),
            ("resolve", then.resolve, now.resolve),
        ] {
            let ratio = now / then;
            let bad = ratio > INSTRUCTIONS_MAX;
            slower |= bad;
            let name = format!("{stage} {}", form.name());
            let mark = if bad { "  more" } else { "" };
            println!("{name:<16} {then:>12.1} {now:>12.1} {ratio:>7.3}{mark}");
        }
    }
    Ok(slower)
}

/// Drains and latency of both, alternating on the same servers.
#[allow(clippy::print_stdout)] // the program's answer
fn servers(args: &Args, both: &[Participant]) -> anyhow::Result<bool> {
    let bed = Bed::start(&args.target.join("bench"))?;
    println!("{:<16} {:>12} {:>12} {:>7}", "", "base", "now", "ratio");
    let mut slower = false;
    for case in &args.drains {
        let loads = Loads::produce(&bed, case, args.events, both)?;
        let plan = DrainPlan {
            events: args.events,
            rounds: args.rounds,
            limits: 0,
        };
        let comparison = Comparison {
            bed: &bed,
            case,
            participants: both,
        };
        let report = comparison.drain(plan, &loads, &mut |_| {})?;
        loads.delete(&bed)?;
        if let CaseReport::Drain { participants, .. } = &report
            && let [now_of, then_of] = &participants[..]
        {
            let medians = |figure: fn(&Drained) -> f64| {
                (now_of.spread(figure).median, then_of.spread(figure).median)
            };
            let (now, then) = medians(|it| it.rate);
            let (now_us, then_us) = medians(|it| it.own_us);
            let bad = now / then < RATE_MIN;
            slower |= bad;
            let mark = if bad { "  slower" } else { "" };
            println!(
                "{:<16} {then:>12.0} {now:>12.0} {:>7.3}{mark}",
                case.to_string(),
                now / then
            );
            println!(
                "{:<16} {then_us:>12.2} {now_us:>12.2} {:>7.3}",
                "  own µs",
                now_us / then_us
            );
        }
    }
    if args.seconds > 0 {
        latency(args, &bed, both)?;
    }
    Ok(slower)
}

/// Told and not judged: a percentile of a few seconds is too unsteady to end a build for.
#[allow(clippy::print_stdout)] // the program's answer
fn latency(args: &Args, bed: &Bed, both: &[Participant]) -> anyhow::Result<()> {
    let case: Case = "paced-json-4".parse()?;
    let pace = Pace {
        rate: 10_000,
        seconds: args.seconds,
    };
    let comparison = Comparison {
        bed,
        case: &case,
        participants: both,
    };
    let report = comparison.paced(3, pace, &mut |_| {})?;
    if let CaseReport::Paced { participants, .. } = &report
        && let [now, then] = &participants[..]
    {
        for (name, quantile) in [("net p50 ms", 0.5), ("net p99 ms", 0.99)] {
            let now = now.spread(|it| at(&it.net, quantile)).median;
            let then = then.spread(|it| at(&it.net, quantile)).median;
            println!("{name:<16} {then:>12.2} {now:>12.2} {:>7.3}", now / then);
        }
    }
    Ok(())
}
