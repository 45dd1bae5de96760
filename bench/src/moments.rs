//! When things happened to each row: sent, acknowledged, committed, gone from Redis.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Instant;

use anyhow::anyhow;
use freshet_testbed::Resp;

/// Microseconds from the start to something that happened to each row; zero before it has.
#[derive(Debug)]
pub struct Moments {
    /// The start.
    pub begun: Instant,
    of_row: Vec<AtomicU64>,
}

impl Moments {
    /// Of so many rows, counted from `begun`.
    pub fn new(rows: u32, begun: Instant) -> Self {
        Self {
            begun,
            of_row: (0..rows).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// Notes that it is now; true the first time.
    pub fn note(&self, row: usize) -> bool {
        let now_us = (self.begun.elapsed().as_micros() as u64).max(1);
        let place = self.of_row.get(row);
        place.is_some_and(|place| place.swap(now_us, Ordering::Relaxed) == 0)
    }

    /// When it was; zero when it has not been.
    pub fn at(&self, row: usize) -> u64 {
        self.of_row
            .get(row)
            .map_or(0, |it| it.load(Ordering::Relaxed))
    }
}

/// When each row was acknowledged, by the broker or the database, and when its key was gone.
#[derive(Debug, Clone, Copy)]
pub struct Milestones<'a> {
    /// Acknowledged.
    pub acknowledged: &'a Moments,
    /// Gone from Redis.
    pub gone: &'a Moments,
}

/// Reads Redis' pushes about keys with one prefix, in a thread of its own: when each row's key went.
#[derive(Debug)]
pub struct Watch {
    reader: JoinHandle<()>,
    gone: Arc<Moments>,
    seen: Arc<AtomicU64>,
}

impl Watch {
    /// Begins; `prefix` and the row's number make a key. Moments count from `begun`.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub fn start(redis: &str, prefix: String, rows: u32, begun: Instant) -> anyhow::Result<Self> {
        let mut pushes = Resp::connect(redis)?;
        pushes.track(&prefix)?;
        let seen = Arc::new(AtomicU64::new(0));
        let gone = Arc::new(Moments::new(rows, begun));
        let (moments, count) = (Arc::clone(&gone), Arc::clone(&seen));
        let reader = std::thread::spawn(move || {
            while count.load(Ordering::Relaxed) < u64::from(rows) {
                let read = pushes.read_push(|key| {
                    let row = key.strip_prefix(&prefix);
                    let row = row.and_then(|row| row.parse().ok());
                    if row.is_some_and(|row| moments.note(row)) {
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                });
                // Silent for long: what has not gone will not go.
                if read.is_err() {
                    break;
                }
            }
        });
        Ok(Self { reader, gone, seen })
    }

    /// Keys that went so far.
    pub fn seen(&self) -> u64 {
        self.seen.load(Ordering::Relaxed)
    }

    /// Waits until all have gone, or nothing goes any more.
    ///
    /// # Errors
    /// When its thread panicked.
    pub fn finish(self) -> anyhow::Result<Arc<Moments>> {
        let ended = self.reader.join();
        ended.map_err(|_| anyhow!("the reader of pushes panicked"))?;
        Ok(self.gone)
    }
}
