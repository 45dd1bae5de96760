//! Paced: an open loop at a fixed rate. Latency counts from when an event *should* have been sent to the moment
//! in which Redis pushes that its key is gone, so a stall anywhere is in the figures.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::bail;
use hdrhistogram::Histogram;
use serde_json::{Value, json};

use crate::deployment::{Deployment, Used};
use crate::events;
use crate::resp::Resp;

/// What the paced run came to. Times in microseconds.
#[derive(Debug)]
pub(crate) struct Paced {
    latency: Histogram<u64>,
    events: u64,
    used: Used,
}

/// A cold broker compiles its code in the first seconds; they are run and not counted.
const WARM_UP_SECONDS: u64 = 5;

const PREFIX: &str = "bench:v1:product:";

pub(crate) fn run(
    freshet: &Path,
    (rate, seconds): (u64, u64),
    partitions: i32,
) -> anyhow::Result<Paced> {
    let warm_up = rate * WARM_UP_SECONDS;
    let rows = rate * seconds + warm_up;
    let deployment = Deployment::new(partitions)?;
    deployment.fill(rows)?;
    let running = deployment.start(freshet)?;
    deployment.wait_ready()?;
    let mut pushes = Resp::connect(&deployment.redis.address())?;
    pushes.track(PREFIX)?;
    let gone: Arc<Vec<AtomicU64>> = Arc::new((0..rows).map(|_| AtomicU64::new(0)).collect());
    let begun = Instant::now();
    let reader = {
        let gone = Arc::clone(&gone);
        std::thread::spawn(move || read_pushes(&mut pushes, &gone, begun))
    };
    let producer = events::producer(&deployment.kafka.bootstrap(), 1)?;
    for at in 0..rows {
        let due = Duration::from_nanos(at * 1_000_000_000 / rate);
        // Sleeping leaves the core to those who are measured; what the sleep adds counts, since an event is due
        // when it is due.
        let early = due.saturating_sub(begun.elapsed());
        if !early.is_zero() {
            std::thread::sleep(early.max(Duration::from_micros(500)));
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() as u64;
        events::send(&producer, at, now)?;
        if at % 64 == 0 {
            producer.poll(Duration::ZERO);
        }
    }
    events::flush(&producer)?;
    if reader
        .join()
        .map_err(|_| anyhow::anyhow!("the reader of pushes panicked"))?
        < rows
    {
        bail!("not every key was purged within a minute of the last event");
    }
    let mut latency = Histogram::<u64>::new(3)?;
    for (at, gone) in gone.iter().enumerate().skip(warm_up as usize) {
        let due_us = at as u64 * 1_000_000 / rate;
        latency.record(gone.load(Ordering::Relaxed).saturating_sub(due_us).max(1))?;
    }
    Ok(Paced {
        latency,
        events: rows,
        used: running.used()?,
    })
}

/// Notes when each row's key went, in microseconds since `begun`; returns how many did.
fn read_pushes(pushes: &mut Resp, gone: &[AtomicU64], begun: Instant) -> u64 {
    let mut seen = 0;
    while seen < gone.len() as u64 {
        let read = pushes.read_push(|key| {
            let now_us = begun.elapsed().as_micros() as u64;
            let row = std::str::from_utf8(key)
                .ok()
                .and_then(|key| key.strip_prefix(PREFIX)?.parse::<usize>().ok());
            if let Some(place) = row.and_then(|row| gone.get(row))
                && place.swap(now_us.max(1), Ordering::Relaxed) == 0
            {
                seen += 1;
            }
        });
        if read.is_err() {
            break;
        }
    }
    seen
}

impl Paced {
    fn at(&self, quantile: f64) -> f64 {
        self.latency.value_at_quantile(quantile) as f64 / 1000.0
    }

    pub(crate) fn as_json(&self) -> Value {
        json!({
            "p50_ms": self.at(0.5),
            "p99_ms": self.at(0.99),
            "p999_ms": self.at(0.999),
            "max_ms": self.at(1.0),
            "cpu_us_per_event": self.used.cpu.as_secs_f64() * 1e6 / self.events as f64,
            "peak_rss_mib": self.used.peak_mib,
        })
    }
}

impl fmt::Display for Paced {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "p50 {:.2} ms   p99 {:.2} ms   p99.9 {:.2} ms   max {:.2} ms   {:.1} µs CPU/event   {:.0} MiB peak",
            self.at(0.5),
            self.at(0.99),
            self.at(0.999),
            self.at(1.0),
            self.used.cpu.as_secs_f64() * 1e6 / self.events as f64,
            self.used.peak_mib
        )
    }
}
