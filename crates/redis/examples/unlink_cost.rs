//! What a purged key costs Redis and us: CPU of both sides, for several sizes of one `UNLINK`.
//!
//! `cargo run --release -p freshet-redis --example unlink_cost`. It starts a `redis-server` of its own. Each row is the
//! median of some passes over batches as a round makes them.
#![allow(clippy::print_stdout, reason = "the program's answer")]

use std::time::{Duration, Instant};

use anyhow::Context;
use freshet_core::ports::Purger;
use freshet_core::position::WallMicros;
use freshet_core::purge::{PurgeBatch, WantedPurge};
use freshet_core::registry::{FamilyId, PurgeMode, Scope, TargetId};
use freshet_redis::{RedisPurger, RedisTarget};
use freshet_testbed::RedisServer;
use tokio::runtime::{Builder, Runtime};

const BATCH: usize = 4096;
const BATCHES: usize = 50;
const PASSES: usize = 5;
/// Visits every name once in an order that looks random to Redis.
const STRIDE: usize = 91_193;

fn main() -> anyhow::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    println!("{BATCHES} batches of {BATCH} keys; ns a key, median of {PASSES}");
    println!(
        "{:>8} {:>10} {:>9} | {:>8} {:>8} {:>8} {:>8}",
        "present", "keys/cmd", "in flight", "ours", "allocs", "redis", "wall"
    );
    for present in [false, true] {
        for (size, in_flight) in [
            (64, 8),
            (128, 8),
            (256, 8),
            (512, 8),
            (1024, 8),
            (2048, 4),
            (4096, 1),
        ] {
            let Row {
                ours,
                allocations,
                redis,
                wall,
            } = measure(&runtime, present, Commands { size, in_flight })?;
            println!(
                "{present:>8} {size:>10} {in_flight:>9} | {ours:>8.0} {allocations:>8.4} {redis:>8.0} {wall:>8.0}"
            );
        }
    }
    Ok(())
}

#[derive(Clone, Copy)]
struct Row {
    ours: f64,
    allocations: f64,
    redis: f64,
    wall: f64,
}

/// How many keys a command has, and how many commands wait for their answers.
#[derive(Clone, Copy)]
struct Commands {
    size: usize,
    in_flight: usize,
}

fn measure(runtime: &Runtime, present: bool, commands: Commands) -> anyhow::Result<Row> {
    let server = RedisServer::start()?;
    let purger = RedisPurger::connect(RedisTarget {
        keys_per_command: commands.size,
        commands_in_flight: commands.in_flight,
        ..RedisTarget::new(server.url())
    })?;
    runtime
        .block_on(purger.ping())
        .map_err(anyhow::Error::msg)?;
    let mut connection = redis::Client::open(server.url())?.get_connection()?;
    let info: String = redis::cmd("INFO").arg("server").query(&mut connection)?;
    let id = info
        .lines()
        .find_map(|line| line.strip_prefix("process_id:"));
    let id: u32 = id.context("process_id")?.trim().parse()?;
    let batches = batches();
    let mut rows = Vec::new();
    for _ in 0..PASSES {
        if present {
            fill(&mut connection)?;
        }
        let mut row = None;
        let counted = allocation_counter::measure(|| {
            row = Some(runtime.block_on(pass(&purger, &batches, id)));
        });
        let mut row = row.context("a pass")??;
        row.allocations = counted.count_total as f64 / (BATCH * BATCHES) as f64;
        rows.push(row);
    }
    let median = |of: fn(&Row) -> f64| {
        let mut all: Vec<f64> = rows.iter().map(of).collect();
        all.sort_by(f64::total_cmp);
        all[PASSES / 2]
    };
    Ok(Row {
        ours: median(|it| it.ours),
        allocations: median(|it| it.allocations),
        redis: median(|it| it.redis),
        wall: median(|it| it.wall),
    })
}

async fn pass(purger: &RedisPurger, batches: &[PurgeBatch], redis: u32) -> anyhow::Result<Row> {
    let keys = (BATCH * BATCHES) as f64;
    let (ours_before, redis_before) = (cpu("self")?, cpu(&redis.to_string())?);
    let begun = Instant::now();
    for batch in batches {
        let report = purger.purge(batch).await;
        anyhow::ensure!(report.is_settled(), "not purged: {:?}", report.reason);
    }
    let wall = begun.elapsed();
    let per_key = |spent: Duration| spent.as_nanos() as f64 / keys;
    Ok(Row {
        ours: per_key(cpu("self")? - ours_before),
        allocations: 0.0,
        redis: per_key(cpu(&redis.to_string())? - redis_before),
        wall: per_key(wall),
    })
}

fn batches() -> Vec<PurgeBatch> {
    let name = |at: usize| name((at * STRIDE) % (BATCH * BATCHES));
    let batch = |batch: usize| {
        let mut one = PurgeBatch::new(TargetId(0));
        for at in batch * BATCH..(batch + 1) * BATCH {
            one.add(WantedPurge {
                family: FamilyId(0),
                scope: Scope::Keys,
                mode: PurgeMode::Hard,
                committed: WallMicros(1),
                name: name(at).as_bytes(),
                cause: None,
            });
        }
        one
    };
    (0..BATCHES).map(batch).collect()
}

fn name(at: usize) -> String {
    format!("catalog:v1:product:{at:07}")
}

fn fill(connection: &mut redis::Connection) -> anyhow::Result<()> {
    let value = [b'v'; 128];
    for from in (0..BATCH * BATCHES).step_by(BATCH) {
        let mut pipe = redis::pipe();
        for at in from..from + BATCH {
            pipe.set(name(at), &value[..]).ignore();
        }
        pipe.exec(connection)?;
    }
    Ok(())
}

/// CPU time of all threads of a process, as the kernel counts it.
fn cpu(process: &str) -> anyhow::Result<Duration> {
    let mut spent = 0;
    for task in std::fs::read_dir(format!("/proc/{process}/task"))? {
        let text = std::fs::read_to_string(task?.path().join("schedstat"))?;
        let first = text.split(' ').next().context("schedstat")?;
        spent += first.parse::<u64>()?;
    }
    Ok(Duration::from_nanos(spent))
}
