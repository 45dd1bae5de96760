//! `make faults`: real Kafka, Redis and two `freshet` processes under traffic, one fault after the other.
//!
//! Every change outdates one entry in each of two Redis, one tag at a CDN, and the entry of its row. In the end
//! every one of them must be gone: nothing may be lost, whatever fails. A second Redis and the CDN show that a
//! fault of one target costs the others nothing.

mod book;
mod cache;
mod edge;
mod episode;
mod injected;
mod member;
mod outage;
mod setup;
mod traffic;
mod watch;
mod world;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Parser;

use crate::episode::{Row, play};
use crate::injected::{FAULTS, Fault};
use crate::world::{Form, Settings, World};

/// Faults on real processes under traffic; exit code 1 when anything is lost.
#[derive(Debug, Parser)]
struct Args {
    /// Play this fault only; may be given more than once
    #[arg(long)]
    only: Vec<String>,
    /// List the faults
    #[arg(long)]
    list: bool,
    /// Fewer faults, and shorter ones
    #[arg(long)]
    short: bool,
    /// How often members are killed
    #[arg(long, default_value_t = 200)]
    kills: u32,
    /// Changes per second
    #[arg(long, default_value_t = 500)]
    rate: u64,
    /// Decides what is random
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Instead of the faults: one Redis away for so many minutes, best with `--rate 5000`
    #[arg(long, value_name = "MINUTES")]
    outage: Option<u64>,
    /// The freshet binary; the one beside this program if not given
    #[arg(long)]
    freshet: Option<PathBuf>,
}

#[allow(clippy::print_stdout)] // the program's answer
fn main() -> Result<ExitCode> {
    let args = Args::parse();
    if args.list {
        for fault in FAULTS {
            println!(
                "{}{}",
                fault.name,
                if fault.is_short { "  (short)" } else { "" }
            );
        }
        return Ok(ExitCode::SUCCESS);
    }
    let settings = Settings {
        program: program(args.freshet.clone())?,
        seed: args.seed,
        rate: args.rate,
        kills: args.kills,
        is_short: args.short,
        backlog_purges_per_second: 10_000,
    };
    let faults = match args.outage {
        Some(minutes) => play_outage(&settings, minutes)?,
        None => play_faults(&args, &settings)?,
    };
    for fault in &faults {
        println!("FAULT {fault}");
    }
    Ok(ExitCode::from(u8::from(!faults.is_empty())))
}

#[allow(clippy::print_stdout)] // the program's answer
fn play_outage(settings: &Settings, minutes: u64) -> Result<Vec<String>> {
    println!(
        "one Redis away for {minutes} min under {} changes/s",
        settings.rate
    );
    let figures = outage::play(settings, minutes)?;
    for line in figures.lines() {
        println!("{line}");
    }
    Ok(figures.faults())
}

#[allow(clippy::print_stdout)] // the program's answer
fn play_faults(args: &Args, settings: &Settings) -> Result<Vec<String>> {
    let wanted = chosen(args)?;
    println!("seed {}, {} changes/s\n{}", args.seed, args.rate, Row::HEAD);
    let mut faults = Vec::new();
    for form in [Form::Alone, Form::Sentinel, Form::Cluster] {
        let ours: Vec<&Fault> = wanted
            .iter()
            .copied()
            .filter(|it| it.form == form)
            .collect();
        let mut world = None;
        for fault in ours {
            match play_one(&mut world, settings, fault) {
                Ok(row) => {
                    println!("{}", row.line());
                    faults.extend(row.faults.iter().map(|it| format!("{}: {it}", row.name)));
                }
                // The faults after it are played in a world of their own: nobody knows what is left of this one.
                Err(error) => {
                    world = None;
                    let failed = format!("failed: {error:#}");
                    println!("{:<22} {}", fault.name, failed.lines().next().unwrap_or(""));
                    faults.push(format!("{}: {failed}", fault.name));
                }
            }
        }
    }
    Ok(faults)
}

/// Plays one fault in a world that is there already, or in a new one.
fn play_one(world: &mut Option<World>, settings: &Settings, fault: &Fault) -> Result<Row> {
    let world = match world {
        Some(world) => world,
        None => world.insert(World::start(fault.form, settings).context("start the world")?),
    };
    play(world, fault)
}

fn chosen(args: &Args) -> Result<Vec<&'static Fault>> {
    if let Some(unknown) = args
        .only
        .iter()
        .find(|name| !FAULTS.iter().any(|fault| fault.name == **name))
    {
        bail!("no fault is called {unknown}; see --list");
    }
    let is_chosen = |fault: &&Fault| match args.only.is_empty() {
        true => fault.is_short || !args.short,
        false => args.only.iter().any(|name| name == fault.name),
    };
    Ok(FAULTS.iter().filter(is_chosen).collect())
}

fn program(given: Option<PathBuf>) -> Result<PathBuf> {
    let program = match given {
        Some(path) => path,
        None => std::env::current_exe()?.with_file_name("freshet"),
    };
    if !program.is_file() {
        bail!("{} is not there: cargo build -p freshet", program.display());
    }
    Ok(program)
}
