//! Deterministic load: which rows change in which order, on a topic, and their keys in Redis.

use std::time::Duration;

use anyhow::Context;
use freshet_testbed::{Resp, push_command};
use rand::distr::Distribution;
use rand::distr::weighted::WeightedIndex;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rdkafka::ClientConfig;
use rdkafka::config::FromClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use crate::bed::Bed;
use crate::case::{Case, Form};
use crate::forms::{Events, Record};
use crate::registry::{idle_topics, prefix};

/// The moment that drained events carry.
const LONG_AGO_MS: u64 = 1_795_000_000_000;

/// A topic for events.
#[derive(Debug)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// The wire form.
    pub form: Form,
    /// How many partitions it has.
    pub partitions: i32,
}

/// A topic with events, and what is cached of their rows.
#[derive(Debug)]
pub struct Load {
    /// The topic.
    pub topic: Topic,
    /// The row of each event, in the order of sending.
    pub rows: Vec<u32>,
    /// Every row that occurs, once.
    pub distinct: Vec<u32>,
    /// Families beside, whose tables have topics without records.
    pub idle: usize,
}

/// Rows of a case's events: each once in random order, each equally often, or drawn by Zipf's law. The same every time.
pub fn rows(case: &Case, events: u32) -> anyhow::Result<Vec<u32>> {
    let mut dice = ChaCha8Rng::seed_from_u64(u64::from(events));
    let mut rows: Vec<u32> = (0..events).collect();
    if let Some(count) = case.rows
        && count < events
    {
        // The last events have rows of their own: a drain is over when their keys are gone.
        let last = (count / 10).clamp(1, events);
        let (often, once) = rows.split_at_mut((events - last) as usize);
        often.iter_mut().for_each(|row| *row %= count);
        often.shuffle(&mut dice);
        once.iter_mut()
            .zip(count..)
            .for_each(|(row, own)| *row = own);
        return Ok(rows);
    }
    rows.shuffle(&mut dice);
    if case.zipf {
        let weights = (1..=events).map(|rank| 1.0 / f64::from(rank));
        let ranks = WeightedIndex::new(weights).context("weights")?;
        let of_rank = std::mem::take(&mut rows);
        rows = (0..events)
            .map(|_| of_rank[ranks.sample(&mut dice)])
            .collect();
    }
    Ok(rows)
}

impl Load {
    /// Makes the topic and fills it.
    ///
    /// # Errors
    /// When the broker refuses.
    pub fn produce(bed: &Bed, case: &Case, events: u32) -> anyhow::Result<Self> {
        let load = Self::empty(bed, case, rows(case, events)?)?;
        let producer: BaseProducer = producer(&bed.kafka.bootstrap(), 20)?;
        let events = Events::new(case.form, bed.schema_ids(case.form)?)?;
        let mut record = Record::default();
        for &row in &load.rows {
            events.write(row, LONG_AGO_MS, &mut record);
            let to = BaseRecord::to(&load.topic.name);
            send(&producer, to.key(&record.key).payload(&record.value))?;
        }
        producer.flush(Duration::from_secs(120)).context("flush")?;
        Ok(load)
    }

    /// Makes the topic and leaves it empty.
    ///
    /// # Errors
    /// When the broker refuses.
    pub fn empty(bed: &Bed, case: &Case, rows: Vec<u32>) -> anyhow::Result<Self> {
        let topic = Topic {
            name: format!("{case}.{}", bed.next_run()),
            form: case.form,
            partitions: case.partitions,
        };
        let mut load = Self::of_topic(bed, topic, rows)?;
        load.idle = case.idle;
        for topic in idle_topics(&load.topic.name, load.idle) {
            bed.kafka.create_topic(&topic, 1)?;
        }
        Ok(load)
    }

    /// Deletes its topics.
    ///
    /// # Errors
    /// When the broker refuses.
    pub fn delete(&self, bed: &Bed) -> anyhow::Result<()> {
        bed.kafka.delete_topic(&self.topic.name)?;
        for topic in idle_topics(&self.topic.name, self.idle) {
            bed.kafka.delete_topic(&topic)?;
        }
        Ok(())
    }

    /// How many events it took, as they were sent, for so many rows to occur.
    pub fn events_for(&self, rows: u64) -> u64 {
        if self.distinct.len() == self.rows.len() {
            return rows;
        }
        let mut unseen = vec![true; self.distinct.last().map_or(0, |last| *last as usize + 1)];
        let mut left = rows;
        for (events, row) in self.rows.iter().enumerate() {
            if left == 0 {
                return events as u64;
            }
            left -= u64::from(std::mem::take(&mut unseen[*row as usize]));
        }
        self.rows.len() as u64
    }

    /// Makes this topic, for somebody else to write to.
    ///
    /// # Errors
    /// When the broker refuses.
    pub fn of_topic(bed: &Bed, topic: Topic, rows: Vec<u32>) -> anyhow::Result<Self> {
        bed.kafka.create_topic(&topic.name, topic.partitions)?;
        let mut distinct = rows.clone();
        distinct.sort_unstable();
        distinct.dedup();
        Ok(Self {
            topic,
            rows,
            distinct,
            idle: 0,
        })
    }

    /// Empties Redis, puts every key of every row there, values of 512 bytes, and says how many they are.
    ///
    /// # Errors
    /// When Redis refuses or holds another number of keys afterwards.
    pub fn fill(&self, redis: &mut Resp, families: &[&str]) -> anyhow::Result<u64> {
        redis.call(&["FLUSHALL", "SYNC"])?;
        let value = "v".repeat(512);
        let prefixes: Vec<String> = families.iter().map(|name| prefix(name)).collect();
        let (mut commands, mut waiting) = (Vec::new(), 0);
        for row in &self.distinct {
            for prefix in &prefixes {
                push_command(&mut commands, &["SET", &format!("{prefix}{row}"), &value]);
                waiting += 1;
            }
            if waiting >= 1000 {
                redis.pipeline(&commands, waiting)?;
                commands.clear();
                waiting = 0;
            }
        }
        redis.pipeline(&commands, waiting)?;
        let wanted = (self.distinct.len() * families.len()) as u64;
        let full = redis.dbsize()?;
        anyhow::ensure!(
            full == wanted,
            "redis holds {full} keys instead of {wanted}"
        );
        redis.call(&["CONFIG", "RESETSTAT"])?;
        Ok(full)
    }
}

/// A producer with a deep queue.
///
/// # Errors
/// When the client refuses its settings.
pub fn producer<P: FromClientConfig>(bootstrap: &str, linger_ms: u32) -> anyhow::Result<P> {
    client(bootstrap, linger_ms).create().context("producer")
}

/// The settings of such a producer.
pub fn client(bootstrap: &str, linger_ms: u32) -> ClientConfig {
    let mut client = ClientConfig::new();
    client
        .set("bootstrap.servers", bootstrap)
        .set("linger.ms", linger_ms.to_string())
        .set("partitioner", "murmur2_random")
        .set("batch.size", "1000000")
        .set("queue.buffering.max.messages", "500000")
        .set("queue.buffering.max.kbytes", "524288");
    client
}

/// Sends a record; waits when the queue is full.
fn send(
    producer: &BaseProducer,
    mut record: BaseRecord<'_, Vec<u8>, Vec<u8>>,
) -> anyhow::Result<()> {
    loop {
        match producer.send(record) {
            Ok(()) => return Ok(()),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                producer.poll(Duration::from_millis(5));
                record = back;
            }
            Err((error, _)) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::rows;

    #[test]
    fn rows_come_once_each_or_by_their_rank_and_the_same_every_time() {
        let case = |name: &str| name.parse().expect("a case");
        let mut once = rows(&case("drain-json-4"), 1000).expect("rows");
        assert_eq!(once, rows(&case("drain-json-4"), 1000).expect("rows"));
        assert!(once.windows(2).any(|pair| pair[0] > pair[1]));
        once.sort_unstable();
        assert!(once.into_iter().eq(0..1000));

        let drawn = rows(&case("drain-json-4-zipf"), 100_000).expect("rows");
        let mut count = vec![0_u32; 100_000];
        drawn.iter().for_each(|row| count[*row as usize] += 1);
        count.sort_unstable_by(|one, other| other.cmp(one));
        // 1 / (ln n + 0.58) of the events are of the first rank, half as many of the second.
        assert!((7_500..9_000).contains(&count[0]), "{}", count[0]);
        assert!((3_700..4_600).contains(&count[1]), "{}", count[1]);
    }

    #[test]
    fn few_rows_change_often_and_the_last_events_have_their_own() {
        let case = "drain-json-4-k100".parse().expect("a case");
        let rows = rows(&case, 10_000).expect("rows");
        let mut count = vec![0_u32; 110];
        rows.iter().for_each(|row| count[*row as usize] += 1);
        assert!(count[..100].iter().all(|it| (99..=100).contains(it)));
        assert_eq!(rows[9990..], (100..110).collect::<Vec<u32>>());
    }
}
