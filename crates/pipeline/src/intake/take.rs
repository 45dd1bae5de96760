//! take: one raw record → the open round. Decodes, resolves, merges; puts poison aside.

use std::sync::Arc;
use std::time::Duration;

use freshet_core::broken::Promise;
use freshet_core::change::Change;
use freshet_core::coalesce::ChangeTimes;
use freshet_core::intent::{Asked, Intent};
use freshet_core::ports::{OutboxRecord, RawRecord, WriterSchemas};
use freshet_core::position::{Steady, StreamId, StreamPosition, WallMicros};
use freshet_core::purge::PurgeSet;
use freshet_core::registry::FreshnessClass;
use freshet_core::resolve::resolve;
use freshet_core::sample::ReadSample;
use freshet_wire::{Decoded, Decoder, SCHEMAS_PER_RECORD, Skipped};
use tokio::sync::mpsc;

use crate::clock::Clock;
use crate::dead_letter::{self, Concerned, Reason};
use crate::intake::drift::Drifts;
use crate::intake::gaps::Order;
use crate::intake::parked::{Parked, ParkedStream};
use crate::intake::sample::{Reads, Sampling};
use crate::intake::schemas::{Blame, Fetches};
use crate::intake::taking::Take;
use crate::intake::tally::Tally;
use crate::intake::transactions::{Transactions, Watch};
use crate::lanes::backoff::Dice;
use crate::metrics::IntakeHandles;
use crate::parts::Drive;
use crate::round::Round;
use crate::watch::status::Status;

/// Takes Debezium's records.
pub(crate) struct TakeChanges<W> {
    pub(crate) decoder: Decoder,
    pub(crate) fetches: Fetches<W>,
    pub(crate) handles: IntakeHandles,
    tally: Tally,
    pub(crate) clock: Clock,
    pub(crate) status: Status,
    pub(crate) dead_letter_topic: Arc<str>,
    pub(crate) sampling: Sampling,
    pub(crate) reads: Reads,
    order: Order,
    drifts: Drifts,
    /// Counts the changes of transactions, when asked to.
    pub(crate) watch: Option<Box<Watch>>,
    revision: u64,
    pub(crate) change: Change,
    pub(crate) set: PurgeSet,
    pub(crate) parked: Parked,
    blame: Blame,
}

/// What became of one attempt to take a record.
pub(crate) enum Taken {
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
        let watch = Watch::new(transactions).map(Box::new);
        let handles = IntakeHandles::new(&Skipped::NAMES);
        let decoder = match &watch {
            Some(_) => decoder.reading_members(),
            None => decoder,
        };
        Self {
            decoder,
            fetches: Fetches::new(schemas, drive, dice),
            tally: Tally::new(handles.changes.clone()),
            handles,
            clock,
            status,
            dead_letter_topic,
            sampling: Sampling {
                every: sample_every,
                next: Steady(0),
            },
            reads: Reads::new(reads),
            order: Order::default(),
            drifts: Drifts::default(),
            watch,
            revision: 0,
            change: Change::default(),
            set: PurgeSet::default(),
            parked: Parked::default(),
            blame: Blame::new(part),
        }
    }

    fn try_take(&mut self, record: &RawRecord<'_>, round: &mut Round, now: Steady) -> Taken {
        let registry = &round.rules.registry;
        if self.revision != registry.revision.sequence {
            // Table ids belong to one registry.
            self.revision = registry.revision.sequence;
            self.order.follow(registry);
            self.drifts.forget();
        }
        if let Some(watch) = &mut self.watch
            && watch.tells_boundaries(record.origin.topic)
            && registry.table_of_topic(record.origin.topic).is_none()
        {
            return self.take_boundary(record);
        }
        let decoded = self.decoder.decode(record, registry, &mut self.change);
        self.watch_taken(record, &decoded);
        match decoded {
            Ok(Decoded::Change) => Taken::Done(self.take_change(record, round, now)),
            Ok(Decoded::Unowned) => {
                self.handles.unowned.increment(1);
                Taken::Done(0)
            }
            Ok(Decoded::Skipped(skipped)) => {
                if skipped == Skipped::Heartbeat {
                    round.heartbeats.push(Arc::from(record.origin.topic));
                }
                if let Some(counter) = self.handles.skipped.get(skipped as usize) {
                    counter.increment(1);
                }
                Taken::Done(0)
            }
            Ok(Decoded::SchemaWanted { id }) => match self.fetches.refusal(id, now) {
                None => Taken::WantsSchema(id),
                Some(error) => {
                    let reason = Reason::of_schema(error);
                    Taken::Done(self.take_poison(record, reason, round))
                }
            },
            Err(error) => {
                let reason = Reason {
                    label: error.reason(),
                    detail: error.to_string(),
                };
                Taken::Done(self.take_poison(record, reason, round))
            }
        }
    }

    fn take_change(&mut self, record: &RawRecord<'_>, round: &mut Round, now: Steady) -> u32 {
        self.tally.change();
        let rules = &round.rules;
        let counters = [&self.handles.identity_drift, &self.handles.column_drift];
        self.drifts.note(&rules.registry, &self.change, counters);
        if let Some(cause) = self.order.look(&self.change, record.position) {
            let topic = Arc::from(record.origin.topic);
            let detail = format!("noticed at {}", record.origin);
            round.gaps.push((topic, cause, detail));
        }
        if !resolve(&rules.registry, &self.change, &mut self.set) {
            self.handles.unowned.increment(1);
            return 0;
        }
        let mut strictest = FreshnessClass::Batch;
        self.tally.verdicts(rules, self.set.verdicts());
        for &(family, _) in self.set.verdicts() {
            if let Some(family) = rules.registry.family(family) {
                strictest = strictest.min(family.freshness.class);
            }
        }
        let is_beacon = rules.is_beacon(self.change.table);
        self.offer_reads(rules);
        if self.set.is_empty() {
            return 0;
        }
        let committed = match self.change.committed.at {
            WallMicros(0) => record.appended,
            at => at,
        };
        let first = round.is_empty();
        round.note(committed, strictest, now);
        let times = ChangeTimes {
            committed,
            appended: record.appended,
        };
        round.purges.merge(record.position, &self.set, times);
        if first {
            self.measure_stages(record, self.clock.wall());
        }
        if is_beacon {
            let origin = record.origin;
            round
                .beats
                .push((Arc::from(origin.topic), origin.partition));
        }
        self.sample(round, committed, now);
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
        let intent = Intent {
            cause: Arc::new(reason.cause(record)),
            asked: Asked::Topic(Arc::from(record.origin.topic)),
            class: FreshnessClass::Strict,
            since: record.appended,
        };
        let asked = round.submit(&intent, Some(record.position), self.clock.now());
        let ids = asked.verdicts().iter().map(|&(id, _)| id);
        let concerned = Concerned::by(&round.rules.registry, ids);
        self.tally.verdicts(&round.rules, asked.verdicts());
        tracing::warn!(
            origin = %record.origin,
            reason = reason.label,
            detail = %reason.detail,
            families = ?concerned.families,
            "record put aside, its families are purged as a whole"
        );
        let letter = dead_letter::of_record(record, reason, concerned, self.clock.wall());
        round.dead_letters.push(OutboxRecord {
            topic: Arc::clone(&self.dead_letter_topic),
            key: record.origin.topic.as_bytes().to_vec(),
            payload: letter.encode(),
        });
        1
    }

    /// Takes the records of a stream whose first one has what it waited for, until one waits again.
    fn take_parked(
        &mut self,
        (stream, mut held): (StreamId, ParkedStream),
        round: &mut Round,
        now: Steady,
    ) {
        while let Some(parked) = held.records.pop_front() {
            let record = parked.as_raw();
            let waits_for = match self.try_take(&record, round, now) {
                Taken::Done(waits_for) => waits_for,
                Taken::WantsSchema(id) if held.came < SCHEMAS_PER_RECORD => {
                    held.came += 1;
                    held.wants = id;
                    held.records.push_front(parked);
                    self.fetches.want(id, now);
                    self.parked.put_back(stream, held);
                    return;
                }
                Taken::WantsSchema(_) => self.take_poison(&record, Reason::endless(), round),
            };
            held.came = 0;
            // A record that settles without a round still has an open position: it joins the round bare.
            if waits_for == 0 {
                round.purges.add_position(parked.position);
            }
        }
    }
}

impl<W: WriterSchemas + 'static> Take for TakeChanges<W> {
    fn take(&mut self, record: RawRecord<'_>, round: &mut Round, now: Steady) -> u32 {
        // In the order of its stream, also where the source goes on giving.
        if self.parked.holds(record.position.stream) {
            self.parked.park(&record, 0);
            return 1;
        }
        match self.try_take(&record, round, now) {
            Taken::Done(waits_for) => waits_for,
            Taken::WantsSchema(id) => {
                self.fetches.want(id, now);
                self.parked.park(&record, id);
                1
            }
        }
    }

    fn is_held_up(&self) -> bool {
        self.parked.is_full()
    }

    fn held(&mut self) -> Option<Vec<StreamId>> {
        self.parked.take_changed()
    }

    fn schema_for(&self, position: StreamPosition) -> Option<u32> {
        self.parked.wanted_at(position)
    }

    fn is_asking(&self) -> bool {
        self.fetches.is_under_way()
    }

    fn oldest(&self) -> Option<WallMicros> {
        self.parked.oldest()
    }

    fn retry(&mut self, round: &mut Round) {
        if self.fetches.is_idle() {
            return;
        }
        let now = self.clock.now();
        while let Some((id, answer)) = self.fetches.next_answer(now) {
            // The decoder remembers a schema that cannot be used and says so for each record that names it.
            if let Ok(json) = answer
                && let Err(error) = self.decoder.add_writer_schema(id, &json)
            {
                tracing::warn!(schema_id = id, error = %error, "writer schema cannot be used");
            }
            while let Some(stream) = self.parked.take_waiting_for(id) {
                self.take_parked(stream, round, now);
            }
        }
        let parked = &self.parked;
        self.fetches.keep(|id| parked.wants(id));
        self.blame.say((&self.fetches, parked), &self.status, now);
    }

    fn assigned(&mut self, stream: StreamId, topic: &Arc<str>, partition: i32) {
        if let Some(watch) = &mut self.watch {
            watch.assigned(stream, topic, partition, self.clock.now());
        }
    }

    fn begins(&mut self, stream: StreamId) {
        self.order.begins(stream);
    }

    fn spoil(&mut self, topic: &str) {
        if let Some(watch) = &mut self.watch {
            watch.spoil(topic, self.clock.now());
        }
    }

    fn look(&mut self, round: &mut Round) {
        self.tally.tell();
        // A record that waits for its schema has been passed, and may be what seems to be missing.
        if let Some(watch) = &mut self.watch
            && self.parked.is_empty()
        {
            watch.look(round, self.clock.now());
        }
    }

    fn forget(&mut self, stream: StreamId) {
        self.order.ended(stream);
        if let Some(watch) = &mut self.watch {
            watch.revoked(stream, self.clock.now());
        }
        self.parked.forget(stream);
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
