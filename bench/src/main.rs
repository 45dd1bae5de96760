//! `make bench`: Freshet and its peers side by side, on real Kafka and Redis, in one run.

use std::path::PathBuf;

use anyhow::Context;
use clap::Parser;
use freshet_bench::bed::Bed;
use freshet_bench::case::{Case, Form, Mode};
use freshet_bench::paced::Pace;
use freshet_bench::participant::{PEERS, Participant};
use freshet_bench::peers::PeerFolder;
use freshet_bench::report::{self, CaseReport};
use freshet_bench::rounds::{Comparison, DrainPlan, Loads};
use freshet_bench::{table, usage};

/// Drains where everybody takes part; elsewhere the best peer stands for the others.
const ALL_TAKE_PART: [&str; 3] = ["drain-json-4", "drain-schema-4", "drain-avro-4"];
const DEFAULT_CASES: [&str; 10] = [
    "drain-json-4",
    "drain-json-4-f1",
    "drain-json-4-f8",
    "drain-json-4-zipf",
    "drain-json-1",
    "drain-json-64",
    "drain-schema-4",
    "drain-avro-4",
    "paced-json-4",
    "paced-avro-4",
];
/// What must cost an event no more: families, partitions, rows, a second process.
const GROWTH_CASES: [&str; 7] = [
    "drain-json-4-f1",
    "drain-json-4-f1-i999",
    "drain-json-1-f1",
    "drain-json-64-f1",
    "drain-json-4-f1-k10000",
    "drain-json-4-f1-k100000",
    "drain-json-4-f1-k10000000",
];
const QUICK_CASES: [&str; 3] = ["drain-json-4", "drain-avro-4", "paced-json-4"];
const RIVALS: [&str; 2] = ["freshet", "go"];
/// A backlog of so many events is measured a few times only.
const HUGE: u32 = 5_000_000;

/// Freshet and its peers side by side on real Kafka and Redis.
#[derive(Debug, Parser)]
struct Args {
    /// Cases, such as drain-json-4, drain-avro-64-zipf-f8, drain-json-4-f1-k10000, paced-schema-4
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Participants of every case: freshet, go, python-2, python, connect, naive, freshet-2
    #[arg(long, value_delimiter = ',')]
    participants: Vec<String>,
    /// The short run: two participants, fewer events, two rounds
    #[arg(long)]
    quick: bool,
    /// Freshet alone, with more families, partitions, rows and processes
    #[arg(long)]
    growth: bool,
    /// Events of a backlog (half of it with schema, a quarter for eight families)
    #[arg(long)]
    events: Option<u32>,
    /// Counted rounds of a drain
    #[arg(long)]
    rounds: Option<u32>,
    /// Rounds of a paced case
    #[arg(long)]
    paced_rounds: Option<u32>,
    /// Events per second in paced cases
    #[arg(long, default_value_t = 10_000)]
    rate: u32,
    /// Counted seconds of a paced round
    #[arg(long)]
    seconds: Option<u32>,
    /// Do not look whether a crash loses purges
    #[arg(long)]
    no_safety: bool,
    /// The folder with the programs of the release build
    #[arg(long, default_value = "target/release")]
    programs: PathBuf,
    /// The target folder, for what is built and measured
    #[arg(long, default_value = "target")]
    target: PathBuf,
}

impl Args {
    fn cases(&self) -> anyhow::Result<Vec<Case>> {
        let names: Vec<&str> = match (self.only.is_empty(), self.growth, self.quick) {
            (false, _, _) => self.only.iter().map(String::as_str).collect(),
            (true, true, _) => GROWTH_CASES.to_vec(),
            (true, false, true) => QUICK_CASES.to_vec(),
            (true, false, false) => DEFAULT_CASES.to_vec(),
        };
        names.into_iter().map(str::parse).collect()
    }

    fn names_for(&self, case: &Case) -> Vec<&str> {
        if !self.participants.is_empty() {
            return self.participants.iter().map(String::as_str).collect();
        }
        let name = case.to_string();
        if self.growth {
            let with_two = ["freshet", "freshet-2"];
            with_two[..if name == GROWTH_CASES[0] { 2 } else { 1 }].to_vec()
        } else if !self.quick && ALL_TAKE_PART.contains(&&*name) {
            PEERS.to_vec()
        } else {
            RIVALS.to_vec()
        }
    }

    fn events_of(&self, case: &Case) -> u32 {
        let usual = if self.quick { 300_000 } else { 1_000_000 };
        let mut events = self.events.unwrap_or(usual);
        if case.form == Form::JsonSchema {
            events /= 2;
        }
        if case.families > 2 {
            events /= 4;
        }
        events.max(case.rows.unwrap_or(0))
    }

    /// What a participant commits hangs neither on keys and families nor on partitions.
    fn is_crashed(&self, case: &Case) -> bool {
        let name = case.to_string();
        let forms = ALL_TAKE_PART.contains(&&*name) && !self.quick;
        !self.no_safety && !self.growth && (forms || name == ALL_TAKE_PART[0])
    }

    fn rounds_of(&self, case: &Case) -> u32 {
        match (case.mode, self.quick) {
            (Mode::Drain, _) if self.events_of(case) >= HUGE => self.rounds.unwrap_or(2),
            (Mode::Drain, quick) => self.rounds.unwrap_or(if quick { 2 } else { 5 }),
            (Mode::Paced, quick) => self.paced_rounds.unwrap_or(if quick { 1 } else { 3 }),
        }
    }
}

#[allow(clippy::print_stdout)] // the program's answer
fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let out = args.target.join("bench");
    std::fs::create_dir_all(&out)?;
    let peers = PeerFolder::below(&args.target)?;
    let machine = usage::machine();
    let bed = Bed::start(&out)?;
    let mut built: Vec<Participant> = Vec::new();
    let (mut reports, mut loads): (Vec<CaseReport>, Option<Loads>) = (Vec::new(), None);
    for case in args.cases()? {
        let mut participants = Vec::new();
        for name in args.names_for(&case) {
            if !built.iter().any(|it| it.name == name) {
                built.push(Participant::named(name, &args.programs, &peers)?);
            }
            participants.extend(built.iter().find(|it| it.name == name).cloned());
        }
        participants.retain(|it| it.reads(case.form));
        println!("\n{case}");
        let comparison = Comparison {
            bed: &bed,
            case: &case,
            participants: &participants,
        };
        let report = run_case(&args, comparison, &mut loads)?;
        println!("{}", table::of(&report));
        reports.push(report);
        report::write(&out.join("result.json"), &machine, &reports)?;
    }
    if args.growth {
        println!("{}", table::growth(&reports));
    }
    println!("{}", out.join("result.json").display());
    Ok(())
}

#[allow(clippy::print_stdout)] // how it goes
fn run_case(
    args: &Args,
    comparison: Comparison<'_>,
    loads: &mut Option<Loads>,
) -> anyhow::Result<CaseReport> {
    let Comparison {
        bed,
        case,
        participants,
    } = comparison;
    let mut say = |line: String| println!("  {line}");
    if case.mode == Mode::Paced {
        let pace = Pace {
            rate: args.rate,
            seconds: args.seconds.unwrap_or(if args.quick { 8 } else { 30 }),
        };
        return comparison.paced(args.rounds_of(case), pace, &mut say);
    }
    let events = args.events_of(case);
    if !loads
        .as_ref()
        .is_some_and(|it| it.serve(case, events, participants))
    {
        if let Some(old) = loads.take() {
            old.delete(bed)?;
        }
        *loads = Some(Loads::produce(bed, case, events, participants)?);
    }
    let loads = loads.as_ref().context("a load")?;
    let plan = DrainPlan {
        events,
        rounds: args.rounds_of(case),
        limits: match (args.growth, args.quick) {
            (true, _) => 0,
            (false, true) => 1,
            (false, false) => 3,
        },
    };
    let mut report = comparison.drain(plan, loads, &mut say)?;
    if args.is_crashed(case) {
        comparison.check_safety(&mut report, loads, &mut say)?;
    }
    Ok(report)
}
