//! Detects a client that fetches nothing although there are records: the fetched offset of a partition does not
//! change while its log is longer. A client does not report this, for example if a topic
//! was recreated and its leaders have earlier epochs than the known ones: librdkafka ignores them forever.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use freshet_core::position::StreamId;
use rdkafka::Offset;
use rdkafka::consumer::{BaseConsumer, Consumer};

use super::assigned::Assigned;
use super::rebalance::Callbacks;
use crate::client::ask::{ANSWER_WITHIN, Asker, Onlooker};
use crate::client::partition::{Partition, list_at};

/// After this time without progress, the offset is compared with the end of the log.
const UNMOVED_FOR: Duration = Duration::from_secs(5);

/// Minimum interval of requests to the brokers.
const ASK_EVERY: Duration = Duration::from_secs(5);

/// What lies behind that offset is fetched within this by any client that fetches at all, also after its
/// brokers have restarted.
const FETCHED_WITHIN: Duration = Duration::from_secs(10);

/// The client counts once a second.
const LOOK_EVERY: Duration = Duration::from_millis(500);

type Question = HashMap<StreamId, Partition>;
type Ends = HashMap<StreamId, i64>;

#[derive(Debug)]
struct Unmoved {
    at: i64,
    since: Instant,
    /// Where the log ended, and since when that is known.
    end: Option<(i64, Instant)>,
}

/// How far streams are fetched.
#[derive(Debug, Default)]
struct Fetched(HashMap<StreamId, Unmoved>);

/// Looks for stalls.
#[derive(Debug)]
pub(crate) struct StallWatch {
    asker: Asker<Question, Ends>,
    fetched: Fetched,
    look_at: Instant,
    ask_at: Instant,
}

impl StallWatch {
    pub(crate) fn new(onlooker: Onlooker) -> Self {
        Self {
            asker: Asker::new("kafka ends", onlooker.with_one_client(ends_of)),
            fetched: Fetched::default(),
            look_at: Instant::now(),
            ask_at: Instant::now(),
        }
    }

    /// Nothing is asked for, so nothing has to be fetched.
    pub(crate) fn forget(&mut self) {
        self.fetched.0.clear();
    }

    /// Takes the next step; a stall, if there is one, in words. Nothing is fetched of streams that are `held`.
    pub(crate) fn serve(&mut self, callbacks: &Callbacks, held: &[StreamId]) -> Option<String> {
        let now = Instant::now();
        if now < self.look_at {
            return None;
        }
        self.look_at = now + LOOK_EVERY;
        let answer = self.asker.answer();
        let state = callbacks.state();
        self.fetched.note(&state.assigned, held, now);
        // Brokers that do not answer are away, which is told elsewhere.
        if let Some(Ok(ends)) = answer {
            self.fetched.compare(&ends, now);
        }
        if !self.asker.is_asked() && now >= self.ask_at {
            let question = self.fetched.unmoved(&state.assigned, now);
            if !question.is_empty() {
                self.ask_at = now + ASK_EVERY;
                self.asker.ask(question);
            }
        }
        self.fetched.stall(&state.assigned, now)
    }
}

impl Fetched {
    /// Partitions that are fetched no further for long.
    fn unmoved(&self, assigned: &[Assigned], now: Instant) -> Question {
        let is_old = |known: &&Assigned| {
            let unmoved = self.0.get(&known.stream);
            unmoved.is_some_and(|unmoved| now.duration_since(unmoved.since) >= UNMOVED_FOR)
        };
        let old = assigned.iter().filter(is_old);
        old.map(|known| (known.stream, known.partition.clone()))
            .collect()
    }

    fn stall(&self, assigned: &[Assigned], now: Instant) -> Option<String> {
        assigned.iter().find_map(|known| {
            let Unmoved { at, end, .. } = self.0.get(&known.stream)?;
            let (end, known_since) = (*end)?;
            let partition = &known.partition;
            (now.duration_since(known_since) >= FETCHED_WITHIN).then(|| {
                format!("{partition} has records up to {end}, but nothing was fetched from {at}")
            })
        })
    }

    fn note(&mut self, assigned: &[Assigned], held: &[StreamId], now: Instant) {
        let is_assigned = |stream| assigned.iter().any(|known| known.stream == stream);
        self.0.retain(|stream, _| is_assigned(*stream));
        for known in assigned.iter().filter(|known| !known.leaving) {
            let stream = known.stream;
            let Some(at) = known.fetched_to().filter(|_| !held.contains(&stream)) else {
                // What was fetched waits to be taken, or nothing is to be fetched.
                self.0.remove(&stream);
                continue;
            };
            if self.0.get(&stream).is_none_or(|unmoved| unmoved.at != at) {
                let (since, end) = (now, None);
                self.0.insert(stream, Unmoved { at, since, end });
            }
        }
    }

    fn compare(&mut self, ends: &Ends, now: Instant) {
        for (stream, &end) in ends {
            if let Some(unmoved) = self.0.get_mut(stream) {
                let since = unmoved.end.map_or(now, |(_, since)| since);
                unmoved.end = (end > unmoved.at).then_some((end, since));
            }
        }
    }
}

/// Where logs end, for readers of committed records: open transactions are not there yet.
fn ends_of(client: &BaseConsumer, question: &Question) -> Result<Ends, String> {
    let asked = question.values().map(|partition| (partition, Offset::End));
    let found = list_at(asked).and_then(|asked| client.offsets_for_times(asked, ANSWER_WITHIN));
    let found = found.map_err(|error| error.to_string())?;
    let end_of = |(stream, partition): (&StreamId, &Partition)| {
        let element = found.find_partition(&partition.topic, partition.number)?;
        // A topic that is not there has no end.
        match (element.error(), element.offset()) {
            (Ok(()), Offset::Offset(end)) => Some((*stream, end)),
            _ => None,
        }
    };
    Ok(question.iter().filter_map(end_of).collect())
}

#[cfg(test)]
mod tests;
