//! Delivers records, each with its stream.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use freshet_core::ports::{Demand, RawRecord};
use freshet_core::position::StreamId;
use rdkafka::Message;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaResult;
use rdkafka::message::{BorrowedMessage, OwnedMessage};

use super::assigned::Assigned;
use super::pause::Pauses;
use super::rebalance::Callbacks;

/// A pause throws away what was fetched ahead, so a short lack of demand only stops polling.
const PAUSE_AFTER: Duration = Duration::from_millis(500);

/// Takes records out of a client.
#[derive(Default)]
pub(crate) struct Records {
    streams: Streams,
    pub(crate) pauses: Pauses,
    starved_since: Option<Instant>,
    /// Records that arrived without demand.
    kept: VecDeque<(StreamId, OwnedMessage)>,
}

/// The assignment as of `epoch`, so that records find their stream without a lock.
#[derive(Debug, Default)]
struct Streams {
    assigned: Vec<Assigned>,
    epoch: u64,
    last: usize,
}

impl Streams {
    /// Is up to date again when the assignment has changed.
    fn refresh(&mut self, callbacks: &Callbacks) {
        let now = callbacks.epoch();
        if now != self.epoch {
            self.epoch = now;
            self.assigned.clear();
            self.assigned.extend(callbacks.state().staying().cloned());
        }
    }

    /// The stream of a message; neighbours mostly share it. One that is not ours any more is read by its owner.
    fn of(&mut self, message: &BorrowedMessage<'_>) -> Option<&Assigned> {
        let (topic, number) = (message.topic(), message.partition());
        let is = |known: &Assigned| known.partition.is(topic, number);
        if !self.assigned.get(self.last).is_some_and(is) {
            self.last = self.assigned.iter().position(is)?;
        }
        self.assigned.get(self.last)
    }
}

impl Records {
    /// Passes the available records to `take`, at most as many as demanded.
    ///
    /// # Errors
    /// The client's error.
    pub(crate) fn hand_out(
        &mut self,
        consumer: &BaseConsumer<Callbacks>,
        demand: Demand,
        take: &mut dyn FnMut(RawRecord<'_>),
    ) -> KafkaResult<()> {
        self.streams.refresh(consumer.context());
        if demand.records_max == 0 {
            return self.keep_alive(consumer, demand.wait);
        }
        self.starved_since = None;
        if self.pauses.is_all() {
            self.pauses.set_all(consumer, false);
        }
        let handed = self.hand_out_kept(demand.records_max, take);
        let mut wait = match handed {
            0 => whole_ms(demand.wait),
            _ => Duration::ZERO,
        };
        let mut came_although_held = false;
        let mut outcome = Ok(());
        for _ in handed..demand.records_max {
            let polled = consumer.poll(wait);
            wait = Duration::ZERO;
            let message = match polled {
                None => break,
                Some(Err(error)) => {
                    outcome = Err(error);
                    break;
                }
                Some(Ok(message)) => message,
            };
            // A rebalance may have run inside the poll.
            self.streams.refresh(consumer.context());
            if let Some(known) = self.streams.of(&message) {
                known.read.handed(message.offset());
                take(known.raw_record(&message));
                came_although_held |= self.pauses.held().contains(&known.stream);
            }
        }
        if came_although_held {
            // A rebalance or a mended partition has taken the pause back.
            self.pauses.pause_held(consumer);
        }
        outcome
    }

    /// Delivers the records that arrived without demand; returns their number.
    fn hand_out_kept(&mut self, records_max: usize, take: &mut dyn FnMut(RawRecord<'_>)) -> usize {
        let mut handed = 0;
        while handed < records_max
            && let Some((stream, message)) = self.kept.pop_front()
        {
            // A record of an earlier assignment is read by its owner, be it this process again.
            let mut assigned = self.streams.assigned.iter();
            if let Some(known) = assigned.find(|known| known.stream == stream) {
                known.read.handed(message.offset());
                take(known.raw_record(&message));
                handed += 1;
            }
        }
        handed
    }

    /// Without demand: stop polling for a moment, then pause and poll, so that the group keeps its member.
    fn keep_alive(
        &mut self,
        consumer: &BaseConsumer<Callbacks>,
        wait: Duration,
    ) -> KafkaResult<()> {
        let since = *self.starved_since.get_or_insert_with(Instant::now);
        if since.elapsed() < PAUSE_AFTER {
            std::thread::sleep(wait);
            return Ok(());
        }
        if !self.pauses.is_all() {
            self.pauses.set_all(consumer, true);
        }
        if let Some(message) = consumer.poll(wait).transpose()? {
            // A record that was on its way when its partition was paused is kept for later.
            self.streams.refresh(consumer.context());
            if let Some(known) = self.streams.of(&message) {
                self.kept.push_back((known.stream, message.detach()));
            }
        }
        Ok(())
    }
}

/// librdkafka waits for whole milliseconds, and rust-rdkafka asks it without a pause through what is left of one.
fn whole_ms(wait: Duration) -> Duration {
    Duration::from_millis(wait.as_micros().div_ceil(1000) as u64)
}
