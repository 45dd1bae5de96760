//! What an event costs on its way, stage by stage: nanoseconds and allocations.
//!
//! `cargo run --release -p freshet-pipeline --example path_cost`. The stages of the intake are run one by one, each with
//! those before it, and told by their differences; then the whole pipeline runs between memory ports, and each of its
//! threads tells its own CPU time. Metrics are recorded for real.
#![allow(clippy::print_stdout, reason = "the program's answer")]

#[path = "../tests/steady/mod.rs"]
mod steady;

use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use freshet_core::change::Change;
use freshet_core::coalesce::{ChangeTimes, PurgeRound};
use freshet_core::ledger::OffsetLedger;
use freshet_core::purge::PurgeSet;
use freshet_core::registry::Registry;
use freshet_core::resolve::resolve;
use freshet_pipeline::metrics::{Bucketed, COUNTED};
use freshet_pipeline::parts::Drive;
use freshet_wire::{Decoder, Limits};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use steady::{Load, envelopes, parts, record, registry, run_in_one_thread};
use tokio::sync::watch;

const EVENTS: u64 = 1_000_000;
const ROWS: u64 = 200_000;
const PER_ROUND: u64 = 2048;
const STAGES: [&str; 4] = ["decode", "+ resolve", "+ merge", "+ ledger"];

fn main() {
    let recorder = start_metrics();
    let values = Arc::new(envelopes(ROWS));
    println!("{EVENTS} events of {} bytes, 3 keys each", values[0].len());
    println!("{:<28} {:>10} {:>14}", "stage", "ns/event", "allocs/event");
    stages(&values);
    whole(&values, &recorder);
    let cache = Arc::default();
    let many = |events| allocation_counter::measure(|| run_in_one_thread(&values, &cache, events));
    let (few, many) = (many(EVENTS / 2), many(EVENTS + EVENTS / 2));
    let grown = (many.count_total - few.count_total) as f64 / EVENTS as f64;
    println!("{:<28} {:>10} {grown:>14.5}", "pipeline, one thread", "");
    let bytes = (many.bytes_total - few.bytes_total) as f64 / EVENTS as f64;
    println!("{:<28} {:>10} {bytes:>14.1}", "  bytes allocated/event", "");
}

/// The stages of the intake, each with those before it.
fn stages(values: &[Vec<u8>]) {
    let mut before = 0.0;
    for (depth, name) in STAGES.iter().enumerate() {
        let mut stages = Stages::new(depth);
        stages.run(values, EVENTS / 4);
        let mut passes: Vec<f64> = (0..5)
            .map(|_| {
                let begun = spent("/proc/thread-self/schedstat");
                stages.run(values, EVENTS / 4);
                let spent = spent("/proc/thread-self/schedstat") - begun;
                spent as f64 / (EVENTS / 4) as f64
            })
            .collect();
        passes.sort_by(f64::total_cmp);
        let counted = allocation_counter::measure(|| stages.run(values, EVENTS / 4));
        let allocations = counted.count_total as f64 / (EVENTS / 4) as f64;
        println!(
            "{name:<28} {:>10.0} {allocations:>14.5}",
            passes[2] - before
        );
        before = passes[2];
    }
}

struct Stages {
    depth: usize,
    registry: Arc<Registry>,
    decoder: Decoder,
    change: Change,
    set: PurgeSet,
    round: PurgeRound,
    ledger: OffsetLedger,
    next: u64,
}

impl Stages {
    fn new(depth: usize) -> Self {
        let registry = Arc::new(registry());
        Self {
            depth,
            decoder: Decoder::new(Limits::default()),
            change: Change::default(),
            set: PurgeSet::default(),
            round: PurgeRound::new(Arc::clone(&registry)),
            ledger: OffsetLedger::default(),
            next: 0,
            registry,
        }
    }

    fn run(&mut self, values: &[Vec<u8>], events: u64) {
        for _ in 0..events / PER_ROUND {
            self.run_round(values);
        }
    }

    fn run_round(&mut self, values: &[Vec<u8>]) {
        self.round.reset(&self.registry);
        for at in self.next..self.next + PER_ROUND {
            let record = record(values, at);
            let decoded = self
                .decoder
                .decode(&record, &self.registry, &mut self.change);
            black_box(decoded.is_ok());
            if self.depth >= 1 {
                black_box(resolve(&self.registry, &self.change, &mut self.set));
            }
            if self.depth >= 2 {
                let times = ChangeTimes {
                    committed: self.change.committed.at,
                    appended: record.appended,
                };
                self.round.merge(record.position, &self.set, times);
            }
            if self.depth >= 3 {
                self.ledger.open(record.position, 1);
            }
        }
        self.next += PER_ROUND;
        if self.depth >= 3 {
            for &position in self.round.positions() {
                self.ledger.settle(position);
            }
            self.ledger.take_committable(|position| {
                black_box(position);
            });
        }
    }
}

/// The whole pipeline on its threads, once warm.
fn whole(values: &Arc<Vec<Vec<u8>>>, recorder: &PrometheusHandle) {
    let progress = Arc::new(AtomicU64::new(0));
    let load = Load::new(values, 3 * EVENTS, &progress);
    let (stop, stopped) = watch::channel(false);
    let pipeline = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("rounds")
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let run = tokio::spawn(freshet_pipeline::run::run(
                parts(load, &Arc::default(), Drive::Threads),
                stopped,
            ));
            drop(run.await);
        });
    });
    let wait_for = |events: u64| {
        while progress.load(Ordering::Acquire) < events {
            std::thread::sleep(Duration::from_millis(5));
            recorder.run_upkeep();
        }
        (progress.load(Ordering::Acquire), threads())
    };
    let (from, before) = wait_for(EVENTS);
    let (to, after) = wait_for(3 * EVENTS - EVENTS / 10);
    for (name, cpu) in &after {
        let spent = cpu - before.get(name).copied().unwrap_or(0);
        let each = spent as f64 / (to - from) as f64;
        if each >= 1.0 {
            println!("{:<28} {each:>10.0}", format!("thread {name:?}"));
        }
    }
    stop.send_replace(true);
    pipeline.join().expect("no panic");
}

/// CPU time of each thread of this process, as the kernel counts it.
fn threads() -> BTreeMap<String, u64> {
    let mut all = BTreeMap::new();
    let tasks = std::fs::read_dir("/proc/self/task").expect("Linux");
    for task in tasks.flatten() {
        let name = std::fs::read_to_string(task.path().join("comm")).unwrap_or_default();
        *all.entry(name.trim().to_owned()).or_default() += spent(task.path().join("schedstat"));
    }
    all
}

/// Nanoseconds on a CPU; what waits for one is not in it.
fn spent(schedstat: impl AsRef<Path>) -> u64 {
    let text = std::fs::read_to_string(schedstat).unwrap_or_default();
    let first = text.split(' ').next();
    first.and_then(|it| it.parse().ok()).unwrap_or(0)
}

fn start_metrics() -> PrometheusHandle {
    let others = PrometheusBuilder::new().build_recorder();
    let handle = others.handle();
    let recorder = Bucketed::new(others, &COUNTED);
    metrics::set_global_recorder(recorder).expect("the first recorder");
    handle
}
