//! changes: one record of Debezium → the open round. Decodes, inspects, resolves, merges.

use std::sync::Arc;
use std::time::Duration;

use freshet_core::broken::Promise;
use freshet_core::change::Change;
use freshet_core::coalesce::ChangeTimes;
use freshet_core::intent::Asked;
use freshet_core::ports::{RawRecord, WriterSchemas};
use freshet_core::position::{Steady, StreamId, StreamPosition, WallMicros};
use freshet_core::purge::PurgeSet;
use freshet_core::registry::FreshnessClass;
use freshet_core::resolve::resolve;
use freshet_core::sample::ReadSample;
use freshet_wire::{Decoded, Decoder, SCHEMAS_PER_RECORD, Skipped};
use tokio::sync::mpsc;

use crate::clock::Clock;
use crate::dead_letter::Reason;
use crate::intake::inspect::Inspect;
use crate::intake::open::{BeatOn, Open};
use crate::intake::parked::ParkedStream;
use crate::intake::poison::{Poison, Poisoned};
use crate::intake::sample::{Purged, Samples};
use crate::intake::schemas::Fetches;
use crate::intake::take::Take;
use crate::intake::tally::Tally;
use crate::intake::transactions::Transactions;
use crate::intake::waiting::Waiting;
use crate::lanes::backoff::Dice;
use crate::metrics::IntakeHandles;
use crate::parts::Drive;
use crate::round::Round;
use crate::rules::Rules;
use crate::watch::status::Status;

/// Takes Debezium's records.
pub(crate) struct TakeChanges<W> {
    decoder: Decoder,
    change: Change,
    set: PurgeSet,
    waiting: Waiting<W>,
    pub(crate) inspect: Inspect,
    poison: Poison,
    samples: Samples,
    tally: Tally,
    handles: IntakeHandles,
    clock: Clock,
}

/// What became of one attempt to take a record.
enum Taken {
    Done(u32),
    WantsSchema(u32),
}

impl<W: WriterSchemas + 'static> TakeChanges<W> {
    pub(crate) fn new(parts: TakeParts<W>) -> Self {
        let TakeParts {
            decoder,
            schemas,
            clock,
            status,
            dead_letter_topic,
            sample_every,
            reads,
            dice,
            transactions,
            drive,
            part,
        } = parts;
        let handles = IntakeHandles::new(&Skipped::NAMES);
        let inspect = Inspect::new(transactions, handles.drift.clone());
        let decoder = match &inspect.watch {
            Some(_) => decoder.reading_members(),
            None => decoder,
        };
        Self {
            decoder,
            change: Change::default(),
            set: PurgeSet::default(),
            waiting: Waiting::new(Fetches::new(schemas, drive, dice), part, status),
            inspect,
            poison: Poison {
                dead_letter_topic,
                clock: clock.clone(),
            },
            samples: Samples::new(sample_every, reads),
            tally: Tally::new(handles.changes.clone()),
            handles,
            clock,
        }
    }

    fn try_take(&mut self, record: &RawRecord<'_>, open: &mut Open, now: Steady) -> Taken {
        let registry = &open.round.rules.registry;
        self.inspect.follow(registry);
        if self.inspect.is_boundaries(record.origin.topic, registry) {
            return self.take_boundary(record);
        }
        let decoded = self.decoder.decode(record, registry, &mut self.change);
        let clock = &self.clock;
        self.inspect
            .decoded(record, &decoded, &self.change, || clock.now());
        match decoded {
            Ok(Decoded::Change) => Taken::Done(self.take_change(record, open, now)),
            Ok(Decoded::Unowned) => {
                self.handles.unowned.increment(1);
                Taken::Done(0)
            }
            Ok(Decoded::Skipped(skipped)) => {
                if skipped == Skipped::Heartbeat {
                    let topic = Arc::from(record.origin.topic);
                    open.noticed.heartbeats.push(topic);
                }
                self.count_skipped(skipped);
                Taken::Done(0)
            }
            Ok(Decoded::SchemaWanted { id }) => match self.waiting.fetches.refusal(id, now) {
                None => Taken::WantsSchema(id),
                Some(error) => {
                    let reason = Reason::of_schema(error);
                    Taken::Done(self.take_poison(record, reason, &mut open.round))
                }
            },
            Err(error) => {
                let reason = Reason {
                    label: error.reason(),
                    detail: error.to_string(),
                };
                Taken::Done(self.take_poison(record, reason, &mut open.round))
            }
        }
    }

    /// A boundary of a transaction purges nothing.
    fn take_boundary(&mut self, record: &RawRecord<'_>) -> Taken {
        let now = self.clock.now();
        if let Some(id) = self.inspect.boundary(record, &mut self.decoder, now) {
            return Taken::WantsSchema(id);
        }
        self.count_skipped(Skipped::Transaction);
        Taken::Done(0)
    }

    fn count_skipped(&self, skipped: Skipped) {
        if let Some(counter) = self.handles.skipped.get(skipped as usize) {
            counter.increment(1);
        }
    }

    fn take_change(&mut self, record: &RawRecord<'_>, open: &mut Open, now: Steady) -> u32 {
        self.tally.change();
        let Open { round, noticed } = open;
        let rules = &round.rules;
        self.inspect
            .change(record, &self.change, &rules.registry, noticed);
        if !resolve(&rules.registry, &self.change, &mut self.set) {
            self.handles.unowned.increment(1);
            return 0;
        }
        self.tally.verdicts(rules, self.set.verdicts());
        self.samples.offer_reads(rules, &self.change, &self.set);
        if self.set.is_empty() {
            return 0;
        }
        if rules.is_beacon(self.change.table) {
            noticed.beats.push(BeatOn {
                topic: Arc::from(record.origin.topic),
                partition: record.origin.partition,
            });
        }
        let committed = match self.change.committed.at {
            WallMicros(0) => record.appended,
            at => at,
        };
        let first = round.is_empty();
        round.note(committed, strictest(rules, &self.set), now);
        let times = ChangeTimes {
            committed,
            appended: record.appended,
        };
        round.purges.merge(record.position, &self.set, times);
        if first {
            self.measure_stages(record, self.clock.wall());
        }
        let purged = Purged {
            change: &self.change,
            set: &self.set,
            committed,
        };
        self.samples.sample(round, &purged, now);
        1
    }

    /// Stages are measured on the first change of a round only: they are the same for its neighbours, and the
    /// histogram costs more than the decision it measures.
    fn measure_stages(&self, record: &RawRecord<'_>, now: WallMicros) {
        let seconds = |later: WallMicros, earlier: WallMicros| later.since(earlier) as f64 / 1e6;
        let [capture, append, intake, _] = &self.handles.stages;
        let (committed, captured) = (self.change.committed.at, self.change.captured);
        if committed != WallMicros(0) && captured != WallMicros(0) {
            capture.record(seconds(captured, committed));
            append.record(seconds(record.appended, captured));
        }
        if record.appended != WallMicros(0) {
            intake.record(seconds(now, record.appended));
        }
    }

    fn take_poison(&mut self, record: &RawRecord<'_>, reason: Reason, round: &mut Round) -> u32 {
        self.handles.poison.increment(1);
        if Promise::P4.is_broken() {
            return 0;
        }
        let poisoned = Poisoned {
            record,
            reason,
            asked: Asked::Topic(Arc::from(record.origin.topic)),
            measured: Some(record.position),
        };
        let asked = self.poison.put_aside(poisoned, round);
        self.tally.verdicts(&round.rules, asked.verdicts());
        1
    }

    /// Takes the records of a stream whose first one has what it waited for, until one waits again.
    fn take_parked(
        &mut self,
        stream: StreamId,
        mut held: ParkedStream,
        open: &mut Open,
        now: Steady,
    ) {
        while let Some(parked) = held.records.pop_front() {
            let record = parked.as_raw();
            let waits_for = match self.try_take(&record, open, now) {
                Taken::Done(waits_for) => waits_for,
                Taken::WantsSchema(id) if held.came < SCHEMAS_PER_RECORD => {
                    held.came += 1;
                    held.wants = id;
                    held.records.push_front(parked);
                    self.waiting.fetches.want(id, now);
                    self.waiting.parked.put_back(stream, held);
                    return;
                }
                Taken::WantsSchema(_) => {
                    self.take_poison(&record, Reason::endless(), &mut open.round)
                }
            };
            held.came = 0;
            // A record that settles without a round still has an open position: it joins the round bare.
            if waits_for == 0 {
                open.round.purges.add_position(parked.position);
            }
        }
    }
}

/// The strictest class of the families concerned.
fn strictest(rules: &Rules, set: &PurgeSet) -> FreshnessClass {
    let mut strictest = FreshnessClass::Batch;
    for &(family, _) in set.verdicts() {
        if let Some(family) = rules.registry.family(family) {
            strictest = strictest.min(family.freshness.class);
        }
    }
    strictest
}

impl<W: WriterSchemas + 'static> Take for TakeChanges<W> {
    fn take(&mut self, record: RawRecord<'_>, open: &mut Open, now: Steady) -> u32 {
        // In the order of its stream, also where the source goes on giving.
        if self.waiting.take_behind(&record) {
            return 1;
        }
        match self.try_take(&record, open, now) {
            Taken::Done(waits_for) => waits_for,
            Taken::WantsSchema(id) => {
                self.waiting.take_first(&record, id, now);
                1
            }
        }
    }

    fn is_held_up(&self) -> bool {
        self.waiting.parked.is_full()
    }

    fn held(&mut self) -> Option<Vec<StreamId>> {
        self.waiting.parked.take_changed()
    }

    fn schema_for(&self, position: StreamPosition) -> Option<u32> {
        self.waiting.parked.wanted_at(position)
    }

    fn is_asking(&self) -> bool {
        self.waiting.fetches.is_under_way()
    }

    fn oldest(&self) -> Option<WallMicros> {
        self.waiting.parked.oldest()
    }

    fn retry(&mut self, open: &mut Open) {
        if self.waiting.fetches.is_idle() {
            return;
        }
        let now = self.clock.now();
        while let Some((id, answer)) = self.waiting.fetches.next_answer(now) {
            // The decoder remembers a schema that cannot be used and says so for each record that names it.
            if let Ok(json) = answer
                && let Err(error) = self.decoder.add_writer_schema(id, &json)
            {
                tracing::warn!(schema_id = id, error = %error, "writer schema cannot be used");
            }
            while let Some((stream, held)) = self.waiting.parked.take_waiting_for(id) {
                self.take_parked(stream, held, open, now);
            }
        }
        self.waiting.report(now);
    }

    fn assigned(&mut self, stream: StreamId, topic: &Arc<str>, partition: i32) {
        let now = self.clock.now();
        self.inspect.assigned(stream, topic, partition, now);
    }

    fn begins(&mut self, stream: StreamId) {
        self.inspect.begins(stream);
    }

    fn spoil(&mut self, topic: &str) {
        self.inspect.spoil(topic, self.clock.now());
    }

    fn look(&mut self, open: &mut Open) {
        self.tally.tell();
        // A record that waits for its schema has been passed, and may be what seems to be missing.
        if self.waiting.parked.is_empty() {
            let clock = &self.clock;
            self.inspect.judge(open, || clock.now());
        }
    }

    fn forget(&mut self, stream: StreamId) {
        self.inspect.forget(stream, self.clock.now());
        self.waiting.parked.forget(stream);
    }
}

/// What [`TakeChanges`] is made of.
pub(crate) struct TakeParts<W> {
    pub(crate) decoder: Decoder,
    pub(crate) schemas: W,
    pub(crate) clock: Clock,
    pub(crate) status: Status,
    pub(crate) dead_letter_topic: Arc<str>,
    pub(crate) sample_every: Option<Duration>,
    pub(crate) reads: Option<mpsc::Sender<ReadSample>>,
    pub(crate) dice: Dice,
    pub(crate) transactions: Transactions,
    pub(crate) drive: Drive,
    /// What [`Status`] calls the schema registry.
    pub(crate) part: String,
}

#[cfg(test)]
mod tests;
