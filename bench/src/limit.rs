//! How fast anybody could drain here: the cost of each stage, measured on its own in the same run, and the model of
//! `docs/performance.md` that makes a limit of them.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Context;
use freshet_testbed::push_command;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};
use serde_json::{Value, json};

use crate::bed::Bed;
use crate::case::Case;
use crate::decode::Probe;
use crate::figures::Spread;
use crate::load::Load;
use crate::registry::prefix;
use crate::usage::{cores, micros_each, thread_cpu, used_by};

const KEYS_PER_COMMAND: usize = 512;
const COMMANDS_IN_FLIGHT: usize = 4;

/// Costs in microseconds of CPU for each event, and what follows.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    /// Reading the topic with a bare librdkafka consumer.
    pub fetch_us: f64,
    /// The broker's share of that.
    pub broker_us: f64,
    /// Freshet's decode and resolve from memory.
    pub decode_us: f64,
    /// Writing the names as multi-key UNLINKs and reading the answers.
    pub write_us: f64,
    /// Redis' share of that, all keys present.
    pub redis_us: f64,
    /// Cores for all of it.
    pub cores: usize,
    /// The least that was seen of a consumer's own, the broker's and Redis' cost: of the stages above, and of any
    /// participant.
    pub least_us: [f64; 3],
}

impl Limit {
    /// Measures every stage on this load so many times; of each the median stands.
    ///
    /// # Errors
    /// When a server fails.
    pub fn measure(bed: &Bed, load: &Load, case: &Case, times: u32) -> anyhow::Result<Self> {
        let mut stages: [Vec<f64>; 5] = Default::default();
        for _ in 0..times {
            let (fetch_us, broker_us) = fetch(bed, load)?;
            let (write_us, redis_us) = purge(bed, load, case)?;
            let costs = [fetch_us, broker_us, decode(case)?, write_us, redis_us];
            for (stage, cost) in stages.iter_mut().zip(costs) {
                stage.push(cost);
            }
        }
        let [fetch_us, broker_us, decode_us, write_us, redis_us] =
            stages.map(|costs| Spread::of(costs.into_iter()).median);
        Ok(Self {
            fetch_us,
            broker_us,
            decode_us,
            write_us,
            redis_us,
            cores: cores(),
            least_us: [fetch_us + decode_us + write_us, broker_us, redis_us],
        })
    }

    /// Takes note of what a participant needed: nobody can be faster than the limit because he decodes for less.
    pub fn lower(&mut self, seen_us: [f64; 3]) {
        for (least, seen) in self.least_us.iter_mut().zip(seen_us) {
            *least = least.min(seen);
        }
    }

    /// Events a second when every core is busy.
    pub fn by_box(&self) -> f64 {
        self.cores as f64 * 1e6 / self.least_us.iter().sum::<f64>()
    }

    /// Events a second when Redis' one thread is busy.
    pub fn by_redis(&self) -> f64 {
        let [_, _, redis] = self.least_us;
        1e6 / redis
    }

    /// The lower of the two.
    pub fn rate(&self) -> f64 {
        self.by_box().min(self.by_redis())
    }

    /// As it stands in the result.
    pub fn as_json(&self) -> Value {
        json!({
            "fetch_us": self.fetch_us,
            "decode_and_resolve_us": self.decode_us,
            "write_us": self.write_us,
            "broker_us": self.broker_us,
            "redis_us": self.redis_us,
            "cores": self.cores,
            "least_own_us": self.least_us[0],
            "least_broker_us": self.least_us[1],
            "least_redis_us": self.least_us[2],
            "by_box": self.by_box(),
            "by_redis": self.by_redis(),
            "events_per_second": self.rate(),
        })
    }
}

/// Our own and the broker's cost of reading the whole topic.
fn fetch(bed: &Bed, load: &Load) -> anyhow::Result<(f64, f64)> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", bed.kafka.bootstrap())
        .set("group.id", "fetch-probe")
        .set("enable.auto.commit", "false")
        .set("queued.max.messages.kbytes", "32768")
        .set("queued.min.messages", "20000")
        .set("fetch.queue.backoff.ms", "5")
        .create()?;
    let mut from = TopicPartitionList::new();
    for partition in 0..load.topic.partitions {
        from.add_partition_offset(&load.topic.name, partition, Offset::Beginning)?;
    }
    let own = used_by(std::process::id())?;
    let [broker, _] = bed.used()?;
    consumer.assign(&from)?;
    let mut bytes = 0;
    for _ in 0..load.rows.len() {
        let message = consumer
            .poll(Duration::from_secs(30))
            .context("the topic ends early")??;
        bytes += message.payload().map_or(0, <[u8]>::len);
    }
    std::hint::black_box(bytes);
    let events = load.rows.len() as u64;
    let own = used_by(std::process::id())? - own;
    let broker = bed.used()?[0] - broker;
    Ok((
        micros_each(own.cpu, events),
        micros_each(broker.cpu, events),
    ))
}

fn decode(case: &Case) -> anyhow::Result<f64> {
    const RECORDS: u32 = 20_000;
    let mut probe = Probe::new(case.form, case.families(), RECORDS)?;
    probe.pass(true)?;
    let (began, mut passes, start) = (Instant::now(), 0, thread_cpu()?);
    while began.elapsed() < Duration::from_millis(500) {
        probe.pass(true)?;
        passes += 1;
    }
    let used = thread_cpu()? - start;
    Ok(micros_each(used, passes * u64::from(RECORDS)))
}

/// Our own and Redis' cost of unlinking every key once, in the order in which the events name them.
fn purge(bed: &Bed, load: &Load, case: &Case) -> anyhow::Result<(f64, f64)> {
    let mut redis = bed.resp()?;
    load.fill(&mut redis, case.families())?;
    let names = names(load, case.families());
    let mut answering = 0;
    let [_, before] = bed.used()?;
    let own = thread_cpu()?;
    let mut request = Vec::new();
    for chunk in names.chunks(KEYS_PER_COMMAND) {
        request.clear();
        let words: Vec<&str> = std::iter::once("UNLINK")
            .chain(chunk.iter().map(String::as_str))
            .collect();
        push_command(&mut request, &words);
        redis.send(&request)?;
        answering += 1;
        if answering == COMMANDS_IN_FLIGHT {
            redis.number()?;
            answering -= 1;
        }
    }
    for _ in 0..answering {
        redis.number()?;
    }
    let own = thread_cpu()? - own;
    // The kernel books a tick late what ran just now.
    sleep(Duration::from_millis(20));
    let used = bed.used()?[1] - before;
    let events = load.rows.len() as u64;
    Ok((micros_each(own, events), micros_each(used.cpu, events)))
}

/// Every key once, by the first event that names it: what perfect merging of duplicates would send.
fn names(load: &Load, families: &[&str]) -> Vec<String> {
    let prefixes: Vec<String> = families.iter().map(|name| prefix(name)).collect();
    let mut seen = vec![false; load.rows.len()];
    let mut names = Vec::with_capacity(load.distinct.len() * families.len());
    for &row in &load.rows {
        if !std::mem::replace(&mut seen[row as usize], true) {
            names.extend(prefixes.iter().map(|prefix| format!("{prefix}{row}")));
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::Limit;

    #[test]
    fn the_limit_is_the_lower_of_box_and_redis() {
        let mut limit = Limit {
            fetch_us: 0.6,
            broker_us: 0.5,
            decode_us: 1.2,
            write_us: 0.2,
            redis_us: 1.5,
            cores: 2,
            least_us: [2.0, 0.5, 1.5],
        };
        assert_eq!(limit.rate(), 500_000.0);
        // A participant that needs less of its own, and pays for it at Redis.
        limit.lower([1.0, 0.5, 2.0]);
        assert_eq!(limit.rate().round(), 666_667.0);
        assert_eq!(limit.rate(), limit.by_redis().min(limit.by_box()));
        limit.lower([0.1, 0.1, 1.5]);
        assert_eq!(limit.rate(), limit.by_redis());
    }
}
