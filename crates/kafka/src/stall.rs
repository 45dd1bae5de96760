//! Notices a client that fetches nothing although there is something: a partition whose place does not move while
//! its log ends further on. A client has ways to get there that it does not tell, such as a topic that was made anew
//! and whose leaders have earlier epochs than those it knows: to librdkafka that is old news, for ever.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use freshet_core::position::StreamId;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Offset, TopicPartitionList};

use crate::ask::{ANSWER_WITHIN, Asker};
use crate::consumer_state::{Assigned, Callbacks};
use crate::gap::Lookup;

/// A place that has not moved for so long is compared with the end of its log.
const UNMOVED_FOR: Duration = Duration::from_secs(5);

/// The brokers are asked no more often than this.
const ASK_EVERY: Duration = Duration::from_secs(5);

/// What lies behind an unmoved place is fetched within this by any client that fetches at all, also after its
/// brokers have restarted.
const FETCHED_WITHIN: Duration = Duration::from_secs(10);

/// The client counts once a second.
const LOOK_EVERY: Duration = Duration::from_millis(500);

type Question = Vec<(StreamId, Arc<str>, i32)>;
type Ends = Vec<(StreamId, i64)>;

/// A partition that is not fetched.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Stall {
    topic: Arc<str>,
    partition: i32,
    next: i64,
    end: i64,
}

impl fmt::Display for Stall {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            topic,
            partition,
            next,
            end,
        } = self;
        write!(
            out,
            "{topic}[{partition}] holds records up to {end}, and nothing was fetched from {next} on"
        )
    }
}

#[derive(Debug)]
struct Unmoved {
    at: i64,
    since: Instant,
    /// Where the log ended, and since when that is known.
    end: Option<(i64, Instant)>,
}

/// Where fetching stands.
#[derive(Debug, Default)]
struct Places(HashMap<StreamId, Unmoved>);

/// Looks for stalls.
#[derive(Debug)]
pub(crate) struct Stalls {
    asker: Asker<Question, Ends>,
    places: Places,
    look_at: Instant,
    ask_at: Instant,
}

impl Stalls {
    pub(crate) fn new(lookup: Lookup) -> Self {
        Self {
            asker: Asker::new("kafka ends", lookup, ends_of),
            places: Places::default(),
            look_at: Instant::now(),
            ask_at: Instant::now(),
        }
    }

    /// Nothing is asked for, so nothing has to be fetched.
    pub(crate) fn forget(&mut self) {
        self.places.0.clear();
    }

    /// Takes the next step; a stall, if there is one. Nothing is fetched of streams that are `held`.
    pub(crate) fn serve(&mut self, callbacks: &Callbacks, held: &[StreamId]) -> Option<Stall> {
        let now = Instant::now();
        if now < self.look_at {
            return None;
        }
        self.look_at = now + LOOK_EVERY;
        let answer = self.asker.answer();
        let state = callbacks.state();
        self.places.note(&state.assigned, held, now);
        // Brokers that do not answer are away, which is told elsewhere.
        if let Some(Ok(ends)) = answer {
            self.places.compare(&ends, now);
        }
        self.ask(&state.assigned, now);
        self.places.stall(&state.assigned, now)
    }

    fn ask(&mut self, assigned: &[Assigned], now: Instant) {
        if self.asker.is_asked() || now < self.ask_at {
            return;
        }
        let question = self.places.unmoved(assigned, now);
        if !question.is_empty() {
            self.ask_at = now + ASK_EVERY;
            self.asker.ask(question);
        }
    }
}

impl Places {
    /// Partitions whose place has not moved for long.
    fn unmoved(&self, assigned: &[Assigned], now: Instant) -> Question {
        let is_old = |it: &&Assigned| {
            let unmoved = self.0.get(&it.stream);
            unmoved.is_some_and(|it| now.duration_since(it.since) >= UNMOVED_FOR)
        };
        let place = |it: &Assigned| (it.stream, Arc::clone(&it.topic), it.partition);
        assigned.iter().filter(is_old).map(place).collect()
    }

    fn stall(&self, assigned: &[Assigned], now: Instant) -> Option<Stall> {
        assigned.iter().find_map(|it| {
            let unmoved = self.0.get(&it.stream)?;
            let (end, known_since) = unmoved.end?;
            (now.duration_since(known_since) >= FETCHED_WITHIN).then(|| Stall {
                topic: Arc::clone(&it.topic),
                partition: it.partition,
                next: unmoved.at,
                end,
            })
        })
    }

    fn note(&mut self, assigned: &[Assigned], held: &[StreamId], now: Instant) {
        self.0
            .retain(|stream, _| assigned.iter().any(|it| it.stream == *stream));
        for it in assigned.iter().filter(|it| !it.leaving) {
            let place = it.place().filter(|_| !held.contains(&it.stream));
            let Some(place) = place else {
                // What was fetched waits to be taken, or nothing is to be fetched.
                self.0.remove(&it.stream);
                continue;
            };
            let fresh = || Unmoved {
                at: place,
                since: now,
                end: None,
            };
            let known = self.0.entry(it.stream).or_insert_with(fresh);
            if known.at != place {
                *known = fresh();
            }
        }
    }

    fn compare(&mut self, ends: &Ends, now: Instant) {
        for &(stream, end) in ends {
            if let Some(unmoved) = self.0.get_mut(&stream) {
                let since = unmoved.end.map_or(now, |(_, since)| since);
                unmoved.end = (end > unmoved.at).then_some((end, since));
            }
        }
    }
}

/// Where logs end, for readers of committed records: open transactions are not there yet.
fn ends_of(client: &BaseConsumer, question: &Question) -> Result<Ends, String> {
    let mut asked = TopicPartitionList::new();
    for (_, topic, partition) in question {
        let added = asked.add_partition_offset(topic, *partition, Offset::End);
        added.map_err(|error| error.to_string())?;
    }
    let found = client
        .offsets_for_times(asked, ANSWER_WITHIN)
        .map_err(|error| error.to_string())?;
    let end_of = |(stream, topic, partition): &(StreamId, Arc<str>, i32)| {
        let element = found.find_partition(topic, *partition)?;
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
