//! From the commit in Postgres to the key gone, through Debezium, Kafka and Freshet, at a fixed rate of commits.
//!
//! The database's own work is outside: the clock starts when the server has acknowledged a commit. What the writer is
//! late for counts, since each commit has a time at which it is due and the rate never waits for anybody.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use freshet_testbed::{Connect, PgConnector, Postgres};
use hdrhistogram::Histogram;
use postgres::{Client, NoTls};
use serde_json::{Value, json};

use crate::bed::Bed;
use crate::case::Form;
use crate::forms::TABLE;
use crate::load::{Load, Topic};
use crate::moments::{Milestones, Moments, Watch};
use crate::paced::{Pace, at};
use crate::participant::{Participant, Running, Task};
use crate::registry::prefix;

/// The name of the one family.
const FAMILY: &str = "items";
/// Committed first and waited for: Debezium's snapshot phase, a cold JVM and a young group are not what is measured.
const WARM_UP_SECONDS: u32 = 20;
const START_WITHIN: Duration = Duration::from_secs(120);
const WRITERS: u32 = 8;

/// Debezium tuned for freshness, as docs/performance.md says.
const TUNED: [(&str, &str); 6] = [
    ("poll.interval.ms", "1"),
    ("snapshot.mode", "no_data"),
    ("status.update.interval.ms", "1000"),
    ("max.batch.size", "2048"),
    ("max.queue.size", "8192"),
    ("producer.override.linger.ms", "0"),
];

/// The stages of `freshet_freshness_stage_seconds`, in their order.
const STAGES: [&str; 4] = ["capture", "append", "intake", "purge"];

/// What came of a run. Times are microseconds.
#[derive(Debug)]
pub struct Commits {
    /// From the acknowledged commit to the key gone.
    pub total: Histogram<u64>,
    /// From when the commit was due to the key gone.
    pub since_due: Histogram<u64>,
    /// Each stage and its mean in milliseconds, as Freshet tells them.
    pub stages: Vec<(&'static str, f64)>,
    /// Keys that never went.
    pub left: u64,
}

/// Commits updates at this pace, and sees each of them purge its key.
///
/// # Errors
/// When a server does not start or refuses.
pub fn run(bed: &Bed, freshet: &Participant, pace: Pace) -> anyhow::Result<Commits> {
    let Pace { rate, seconds } = pace;
    let warm = rate * WARM_UP_SECONDS;
    let rows = warm + rate * seconds;
    let postgres = Postgres::start()?;
    postgres.sql(&format!(
        "create table items (id bigint primary key, title text not null, price numeric(10,2) not null, stock int not null);
         alter table items replica identity full;
         insert into items select id, 'item ' || id, 9.99, 0 from generate_series(0, {}) id",
        rows - 1
    ))?;
    let mut connector = PgConnector::new("shop", &["public.items"]);
    connector.extra = TUNED
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec();
    let topic = Topic {
        name: TABLE.to_owned(),
        form: Form::Json,
        partitions: 1,
    };
    let load = Load::of_topic(bed, topic, (0..rows).collect())?;
    let _connect = Connect::builder(&bed.kafka)
        .postgres_connector("shop", &postgres, &connector)
        .start()?;
    load.fill(&mut bed.resp()?, &[FAMILY])?;
    let run = bed.next_run();
    let running = freshet.start(Task {
        bed,
        run: &run,
        redis: &bed.redis.address(),
        load: &load,
        families: &[FAMILY],
    })?;
    let begun = Instant::now();
    let watch = Watch::start(&bed.redis.address(), prefix(FAMILY), rows, begun)?;
    let committed = Arc::new(Moments::new(rows, begun));
    let writer = Writer {
        url: postgres.url(),
        committed: Arc::clone(&committed),
        rate,
    };
    writer.run(0..warm)?;
    wait_for(&watch, u64::from(warm), &running)?;
    let before = stages(&running)?;
    let start_us = writer.run(warm..rows)?;
    let gone = watch.finish()?;
    let stages = means(&before, &stages(&running)?);
    let due = |row: u32| start_us + u64::from(row - warm) * 1_000_000 / u64::from(rate);
    let milestones = Milestones {
        acknowledged: &committed,
        gone: &gone,
    };
    collect(warm..rows, due, milestones, stages)
}

fn wait_for(watch: &Watch, keys: u64, running: &Running) -> anyhow::Result<()> {
    let deadline = Instant::now() + START_WITHIN;
    while watch.seen() < keys {
        running.used()?;
        if Instant::now() > deadline {
            bail!(
                "only {} of {keys} keys went; see {}",
                watch.seen(),
                running.log.display()
            );
        }
        sleep(Duration::from_millis(20));
    }
    Ok(())
}

struct Writer {
    url: String,
    committed: Arc<Moments>,
    rate: u32,
}

/// Rows that the writers share out among themselves.
struct Schedule {
    rows: Range<u32>,
    /// The row that the next free writer takes.
    next: AtomicU32,
    /// When the first row is due, counted as `Moments` are.
    start: Duration,
}

impl Writer {
    /// Commits each row when it is due, or at once when that is past; says when the first was due.
    fn run(&self, rows: Range<u32>) -> anyhow::Result<u64> {
        let connect = || Client::connect(&self.url, NoTls).context("connect to postgres");
        let mut clients = (0..WRITERS)
            .map(|_| connect())
            .collect::<anyhow::Result<Vec<_>>>()?;
        let schedule = &Schedule {
            next: AtomicU32::new(rows.start),
            start: self.committed.begun.elapsed(),
            rows,
        };
        scope(|threads| {
            let write = |client| threads.spawn(move || self.write(client, schedule));
            let writers: Vec<_> = clients.iter_mut().map(write).collect();
            let ends = writers
                .into_iter()
                .map(|it| it.join().map_err(|_panic| anyhow!("a writer panicked"))?);
            ends.collect::<anyhow::Result<()>>()
        })?;
        Ok(schedule.start.as_micros() as u64)
    }

    fn write(&self, client: &mut Client, schedule: &Schedule) -> anyhow::Result<()> {
        let Range { start: first, end } = schedule.rows;
        let update = client.prepare("update items set stock = stock + 1 where id = $1")?;
        loop {
            let row = schedule.next.fetch_add(1, Ordering::Relaxed);
            if row >= end {
                return Ok(());
            }
            let due = schedule.start
                + Duration::from_nanos(
                    u64::from(row - first) * 1_000_000_000 / u64::from(self.rate),
                );
            let early = due.saturating_sub(self.committed.begun.elapsed());
            if !early.is_zero() {
                sleep(early);
            }
            client.execute(&update, &[&i64::from(row)])?;
            self.committed.note(row as usize);
        }
    }
}

/// Sum in seconds and count of each stage.
fn stages(running: &Running) -> anyhow::Result<Vec<(f64, f64)>> {
    let url = running.metrics.as_ref().context("it exposes metrics")?;
    let text = freshet_testbed::get(url)?.body;
    let figure = |name: &str, stage: &str| {
        let series = format!("freshet_freshness_stage_seconds_{name}{{stage=\"{stage}\"}} ");
        let line = text.lines().find_map(|line| line.strip_prefix(&series));
        line.and_then(|it| it.parse::<f64>().ok())
            .with_context(|| format!("no {series}"))
    };
    STAGES
        .iter()
        .map(|stage| Ok((figure("sum", stage)?, figure("count", stage)?)))
        .collect()
}

fn means(before: &[(f64, f64)], after: &[(f64, f64)]) -> Vec<(&'static str, f64)> {
    let spent = before.iter().zip(after);
    let means =
        spent.map(|(before, after)| (after.0 - before.0) * 1000.0 / (after.1 - before.1).max(1.0));
    STAGES.into_iter().zip(means).collect()
}

fn collect(
    rows: Range<u32>,
    due: impl Fn(u32) -> u64,
    milestones: Milestones<'_>,
    stages: Vec<(&'static str, f64)>,
) -> anyhow::Result<Commits> {
    let mut commits = Commits {
        total: Histogram::new(3)?,
        since_due: Histogram::new(3)?,
        stages,
        left: 0,
    };
    for row in rows {
        let (due, gone) = (due(row), milestones.gone.at(row as usize));
        let committed = milestones.acknowledged.at(row as usize);
        if gone == 0 {
            commits.left += 1;
            continue;
        }
        commits.total.record(gone.saturating_sub(committed))?;
        commits.since_due.record(gone.saturating_sub(due))?;
    }
    Ok(commits)
}

impl Commits {
    /// As it stands in the result.
    pub fn as_json(&self) -> Value {
        let quantiles = |histogram: &Histogram<u64>| json!({ "p50": at(histogram, 0.5), "p90": at(histogram, 0.9), "p99": at(histogram, 0.99), "max": at(histogram, 1.0) });
        let stages: serde_json::Map<String, Value> = self
            .stages
            .iter()
            .map(|&(stage, mean)| (stage.to_owned(), json!(mean)))
            .collect();
        json!({
            "commit_to_purge_ms": quantiles(&self.total),
            "due_to_purge_ms": quantiles(&self.since_due),
            "stage_mean_ms": stages,
            "keys_left": self.left,
        })
    }
}
