//! Paced: an open loop at a fixed rate. Latency counts from when an event *should* have been sent to the moment
//! in which Redis pushes that its key is gone, so a stall anywhere is in the figures.

use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use hdrhistogram::Histogram;
use rdkafka::ClientContext;
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};
use serde_json::{Value, json};

use crate::bed::Bed;
use crate::case::Case;
use crate::forms::{Events, Record};
use crate::load::{Load, client};
use crate::moments::{Milestones, Moments, Watch};
use crate::participant::{Participant, Task};
use crate::registry::prefix;
use crate::usage::{Usage, micros_each};

/// A cold broker and a cold JVM compile their code in the first seconds; they are run and not counted.
const WARM_UP_SECONDS: u32 = 5;
/// Sent first and waited for, so that the participant has joined its group before the clock starts.
const PRIMERS: u32 = 64;
const START_DEADLINE: Duration = Duration::from_secs(120);

struct Acks(Arc<Moments>);

impl ClientContext for Acks {}

impl ProducerContext for Acks {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, row: usize) {
        if result.is_ok() {
            self.0.note(row);
        }
    }
}

/// How fast events come, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Events a second.
    pub rate: u32,
    /// Seconds that count; a warm-up goes before.
    pub seconds: u32,
}

/// What one paced run came to. Times are microseconds.
#[derive(Debug)]
pub struct Paced {
    /// From the intended send to the key gone.
    pub total: Histogram<u64>,
    /// From the intended send to the producer's acknowledgement.
    pub acknowledged: Histogram<u64>,
    /// From the acknowledgement to the key gone; zero when the key went first.
    pub net: Histogram<u64>,
    /// The participant's CPU for each event.
    pub own_us: f64,
    /// Its peak resident memory in MiB.
    pub peak_mib: f64,
    /// Keys that never went.
    pub left: u64,
}

/// Purges events at this pace through one participant.
///
/// # Errors
/// When it does not start, or the producer is refused.
pub fn run(bed: &Bed, case: &Case, participant: &Participant, pace: Pace) -> anyhow::Result<Paced> {
    let Pace { rate, seconds } = pace;
    let events = rate * (seconds + WARM_UP_SECONDS);
    let load = Load::empty(bed, case, (0..events + PRIMERS).collect())?;
    let mut redis = bed.resp()?;
    load.fill(&mut redis, case.families())?;
    let run = bed.next_run();
    let running = participant.start(Task {
        bed,
        run: &run,
        redis: &bed.redis.address(),
        load: &load,
        families: case.families(),
    })?;
    let sender = Sender::new(bed, &load)?;
    let family = case.families().first().context("a family")?;
    let (keys, begun) = (events + PRIMERS, sender.acks.begun);
    let watch = Watch::start(&bed.redis.address(), prefix(family), keys, begun)?;
    for row in events..events + PRIMERS {
        sender.send(row)?;
    }
    let deadline = Instant::now() + START_DEADLINE;
    while watch.seen() < u64::from(PRIMERS) {
        running.used()?;
        if Instant::now() > deadline {
            bail!("it does not begin; see {}", running.log.display());
        }
        sleep(Duration::from_millis(20));
    }
    let before = running.used()?;
    let start_us = sender.run(events, rate)?;
    let gone = watch.finish()?;
    let used = running.used()? - before;
    drop(running);
    bed.forget(&run)?;
    load.delete(bed)?;
    let due = |row: u32| start_us + u64::from(row) * 1_000_000 / u64::from(rate);
    let milestones = Milestones {
        acknowledged: &sender.acks,
        gone: &gone,
    };
    collect(rate * WARM_UP_SECONDS..events, due, milestones, used)
}

fn collect(
    counted: std::ops::Range<u32>,
    due: impl Fn(u32) -> u64,
    milestones: Milestones<'_>,
    used: Usage,
) -> anyhow::Result<Paced> {
    let histogram = || Histogram::<u64>::new(3);
    let mut paced = Paced {
        total: histogram()?,
        acknowledged: histogram()?,
        net: histogram()?,
        own_us: micros_each(used.cpu, u64::from(counted.end)),
        peak_mib: used.peak_mib,
        left: 0,
    };
    for row in counted {
        let (due, gone) = (due(row), milestones.gone.at(row as usize));
        let acked = milestones.acknowledged.at(row as usize);
        if gone == 0 {
            paced.left += 1;
            continue;
        }
        paced.total.record(gone.saturating_sub(due))?;
        paced.acknowledged.record(acked.saturating_sub(due))?;
        paced.net.record(gone.saturating_sub(acked.max(due)))?;
    }
    Ok(paced)
}

struct Sender {
    producer: ThreadedProducer<Acks>,
    events: Events,
    topic: String,
    acks: Arc<Moments>,
}

impl Sender {
    fn new(bed: &Bed, load: &Load) -> anyhow::Result<Self> {
        let acks = Arc::new(Moments::new(load.rows.len() as u32, Instant::now()));
        let producer = client(&bed.kafka.bootstrap(), 1)
            .create_with_context::<_, ThreadedProducer<Acks>>(Acks(Arc::clone(&acks)))
            .context("producer")?;
        Ok(Self {
            producer,
            events: Events::new(load.topic.form, bed.schema_ids(load.topic.form)?)?,
            topic: load.topic.name.clone(),
            acks,
        })
    }

    fn send(&self, row: u32) -> anyhow::Result<()> {
        let now_ms = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() as u64;
        let mut record = Record::default();
        self.events.write(row, now_ms, &mut record);
        let to = BaseRecord::with_opaque_to(&self.topic, row as usize);
        self.producer
            .send(to.key(&record.key).payload(&record.value))
            .map_err(|(error, _)| error.into())
    }

    /// Sends each event when it is due, or at once when that is past; says when the first was due.
    fn run(&self, events: u32, rate: u32) -> anyhow::Result<u64> {
        let start = self.acks.begun.elapsed();
        for row in 0..events {
            let due =
                start + Duration::from_nanos(u64::from(row) * 1_000_000_000 / u64::from(rate));
            // Sleeping leaves the core to those who are measured; what the sleep adds counts, since an event is
            // due when it is due.
            let early = due.saturating_sub(self.acks.begun.elapsed());
            if !early.is_zero() {
                sleep(early.max(Duration::from_micros(500)));
            }
            self.send(row)?;
        }
        self.producer
            .flush(Duration::from_secs(60))
            .context("flush")?;
        Ok(start.as_micros() as u64)
    }
}

/// A quantile in milliseconds.
pub fn at(histogram: &Histogram<u64>, quantile: f64) -> f64 {
    histogram.value_at_quantile(quantile) as f64 / 1000.0
}

impl Paced {
    /// As it stands in the result.
    pub fn as_json(&self) -> Value {
        let quantiles = |histogram: &Histogram<u64>| {
            json!({
                "p50": at(histogram, 0.5),
                "p90": at(histogram, 0.9),
                "p99": at(histogram, 0.99),
                "p999": at(histogram, 0.999),
                "max": at(histogram, 1.0),
            })
        };
        json!({
            "total_ms": quantiles(&self.total),
            "acknowledged_ms": quantiles(&self.acknowledged),
            "net_ms": quantiles(&self.net),
            "own_us_per_event": self.own_us,
            "peak_rss_mib": self.peak_mib,
            "keys_left": self.left,
        })
    }
}
