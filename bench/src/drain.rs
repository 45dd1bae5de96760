//! Drain: the topic is full before, Redis holds every key, and the clock runs from the first key gone to the last.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::bail;
use freshet_testbed::Resp;
use serde_json::{Value, json};

use crate::bed::Bed;
use crate::load::Load;
use crate::participant::{Participant, Running, Task};
use crate::usage::{Usage, micros_each};

/// A JVM with its plugins takes a while.
const START_DEADLINE: Duration = Duration::from_secs(120);
/// Nothing purged for so long: what is left is left.
const STALL: Duration = Duration::from_secs(15);
/// How often the keys are counted. Each count costs Redis some 20 µs.
const LOOK: Duration = Duration::from_millis(5);

/// What one drain came to. Costs are microseconds of CPU for each event, within the time that counts.
#[derive(Debug, Clone, Copy)]
pub struct Drained {
    /// Events a second.
    pub rate: f64,
    /// The participant's own processes.
    pub own_us: f64,
    /// The broker.
    pub broker_us: f64,
    /// Redis.
    pub redis_us: f64,
    /// Peak resident memory of the participant in MiB.
    pub peak_mib: f64,
    /// UNLINK commands for each event.
    pub unlinks: f64,
    /// Bytes that Redis was sent for each event.
    pub bytes: f64,
    /// Keys that were still there when nothing more happened.
    pub left: u64,
    /// Of the participant's processor time, the share of the process that used least.
    pub least_share: f64,
}

/// The moment at which the clock starts.
struct First {
    at: Instant,
    left: u64,
    own: Usage,
    servers: [Usage; 2],
}

/// Lets one participant drain the load once.
///
/// # Errors
/// When it does not start or purges nothing at all.
pub fn run(
    bed: &Bed,
    load: &Load,
    participant: &Participant,
    families: &[&str],
) -> anyhow::Result<Drained> {
    let mut redis = bed.resp()?;
    let full = load.fill(&mut redis, families)?;
    let run = bed.next_run();
    let task = Task {
        bed,
        run: &run,
        redis: &bed.redis.address(),
        load,
        families,
    };
    let running = participant.start(task)?;
    let first = wait_first(bed, &running, &mut redis, full)?;
    let (end, left) = wait_last(&mut redis, &first)?;
    let each = running.used_each()?;
    let own = running.used()? - first.own;
    let [broker, used_redis] = bed.used()?;
    let [broker_then, redis_then] = first.servers;
    drop(running);
    bed.forget(&run)?;
    let all = load.rows.len() as f64;
    let gone = |left: u64| load.events_for((full - left) / families.len() as u64) as f64;
    let counted = gone(left) - gone(first.left);
    let least = each.iter().map(|it| it.cpu.as_secs_f64());
    let least_share = least.clone().fold(f64::MAX, f64::min) / least.sum::<f64>();
    let each = |used: Usage| micros_each(used.cpu, counted as u64);
    Ok(Drained {
        rate: counted / end.duration_since(first.at).as_secs_f64().max(1e-6),
        own_us: each(own),
        broker_us: each(broker - broker_then),
        redis_us: each(used_redis - redis_then),
        peak_mib: own.peak_mib,
        unlinks: redis.info("commandstats", "cmdstat_unlink:calls=")? as f64 / all,
        bytes: redis.info("stats", "total_net_input_bytes:")? as f64 / all,
        left,
        least_share,
    })
}

fn wait_first(bed: &Bed, running: &Running, redis: &mut Resp, full: u64) -> anyhow::Result<First> {
    let deadline = Instant::now() + START_DEADLINE;
    loop {
        let left = redis.dbsize()?;
        let own = running.used()?;
        if left < full {
            return Ok(First {
                at: Instant::now(),
                left,
                own,
                servers: bed.used()?,
            });
        }
        if Instant::now() > deadline {
            bail!("nothing was purged; see {}", running.log.display());
        }
        sleep(LOOK);
    }
}

/// When the last key went, and how many did not.
fn wait_last(redis: &mut Resp, first: &First) -> anyhow::Result<(Instant, u64)> {
    let (mut last, mut moved) = (first.left, first.at);
    while last > 0 && moved.elapsed() < STALL {
        sleep(LOOK);
        let left = redis.dbsize()?;
        if left != last {
            (last, moved) = (left, Instant::now());
        }
    }
    Ok((moved, last))
}

impl Drained {
    /// As it stands in the result.
    pub fn as_json(&self) -> Value {
        json!({
            "events_per_second": self.rate,
            "own_us_per_event": self.own_us,
            "broker_us_per_event": self.broker_us,
            "redis_us_per_event": self.redis_us,
            "peak_rss_mib": self.peak_mib,
            "unlinks_per_event": self.unlinks,
            "redis_bytes_per_event": self.bytes,
            "keys_left": self.left,
            "least_share": self.least_share,
        })
    }
}
