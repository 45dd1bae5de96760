//! Drain: the topic is full before, Redis holds every key, and the clock runs from the first key gone to the last.

use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::bail;
use serde_json::{Value, json};

use crate::deployment::{Deployment, Used};
use crate::events;
use crate::resp::Resp;

/// What one drain came to.
#[derive(Debug)]
pub(crate) struct Drained {
    pub(crate) events: u64,
    pub(crate) events_per_second: f64,
    pub(crate) used: Used,
}

pub(crate) fn run(freshet: &Path, rows: u64, partitions: i32) -> anyhow::Result<Drained> {
    let deployment = Deployment::new(partitions)?;
    deployment.fill(rows)?;
    let producer = events::producer(&deployment.kafka.bootstrap(), 20)?;
    for at in 0..rows {
        events::send(&producer, events::row_of(at, rows), 1_795_000_000_000)?;
    }
    events::flush(&producer)?;
    let mut redis = Resp::connect(&deployment.redis.address())?;
    let full = redis.dbsize()?;
    if full != rows * 2 {
        bail!("redis holds {full} keys instead of {}", rows * 2);
    }
    let running = deployment.start(freshet)?;
    let deadline = Instant::now() + Duration::from_secs(300);
    let mut began = None;
    loop {
        let left = redis.dbsize()?;
        if left < full && began.is_none() {
            began = Some((Instant::now(), left));
        }
        if left == 0 {
            break;
        }
        if Instant::now() > deadline {
            bail!("{left} keys are left after 300 s");
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    let Some((began, left_then)) = began else {
        bail!("nothing was drained")
    };
    let elapsed = began.elapsed();
    let drained = (left_then / 2) as f64;
    Ok(Drained {
        events: rows,
        events_per_second: drained / elapsed.as_secs_f64(),
        used: running.used()?,
    })
}

impl Drained {
    fn cpu_us_per_event(&self) -> f64 {
        self.used.cpu.as_secs_f64() * 1e6 / self.events as f64
    }

    pub(crate) fn as_json(&self) -> Value {
        json!({
            "events_per_second": self.events_per_second,
            "cpu_us_per_event": self.cpu_us_per_event(),
            "peak_rss_mib": self.used.peak_mib,
        })
    }
}

impl fmt::Display for Drained {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "{:>8.0} events/s   {:>5.2} µs CPU/event (freshet)   {:>5.0} MiB peak",
            self.events_per_second,
            self.cpu_us_per_event(),
            self.used.peak_mib
        )
    }
}
