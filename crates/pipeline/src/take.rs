//! take: one raw record → the open round. Decodes, resolves, merges; puts poison aside.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use freshet_core::change::Change;
use freshet_core::coalesce::ChangeTimes;
use freshet_core::ports::{OutboxRecord, RawRecord, WriterSchemaError, WriterSchemas};
use freshet_core::position::{StreamId, UnixMicros};
use freshet_core::purge::PurgeSet;
use freshet_core::registry::FreshnessClass;
use freshet_core::resolve::{resolve, resolve_fallback};
use freshet_core::sample::ReadSample;
use freshet_wire::{Decoded, Decoder, Skipped};
use tokio::sync::mpsc;

use crate::backoff::Dice;
use crate::clock::Clock;
use crate::dead_letter::{self, Concerned, Reason};
use crate::gaps::Order;
use crate::metrics::IntakeHandles;
use crate::parked::ParkedRecord;
use crate::round::Round;
use crate::sample::{Reads, Sampling};
use crate::status::Status;
use crate::tally::Tally;
use crate::transactions::{Transactions, Watch};

/// What an intake does with each record it is given.
pub(crate) trait Take: Send {
    /// Puts what the record asks for into `round`. Returns how many answers its position waits for: zero
    /// settles it at once, one waits for the round. Records that were at hand together have one `now`.
    fn take(&mut self, record: RawRecord<'_>, round: &mut Round, now: UnixMicros) -> u32;

    /// Whether records wait for something else than a round; nothing more is to be taken until they do not.
    fn is_held_up(&self) -> bool;

    /// Tries again what was held up, when its time has come.
    fn retry(&mut self, round: &mut Round);

    /// Drops what is held up for a stream that somebody else reads now.
    fn forget(&mut self, stream: StreamId);

    /// A partition is read here from now on.
    fn assigned(&mut self, _stream: StreamId, _of: (&Arc<str>, i32)) {}

    /// Records of a topic are lost.
    fn spoil(&mut self, _topic: &str) {}

    /// Looks for what can be said only after some time. Called before each pull.
    fn look(&mut self, _round: &mut Round) {}
}

/// Takes Debezium's records.
pub(crate) struct TakeChanges<W> {
    pub(crate) decoder: Decoder,
    pub(crate) schemas: W,
    pub(crate) handles: IntakeHandles,
    tally: Tally,
    pub(crate) clock: Clock,
    pub(crate) status: Status,
    pub(crate) dead_letter_topic: Arc<str>,
    pub(crate) sampling: Sampling,
    pub(crate) reads: Reads,
    pub(crate) dice: Dice,
    order: Order,
    /// Counts the changes of transactions, when asked to.
    pub(crate) watch: Option<Box<Watch>>,
    revision: u64,
    pub(crate) change: Change,
    pub(crate) set: PurgeSet,
    pub(crate) parked: VecDeque<ParkedRecord>,
    pub(crate) parked_attempts: u32,
    pub(crate) parked_until: UnixMicros,
}

/// What became of one attempt to take a record.
pub(crate) enum Taken {
    Done(u32),
    WantsSchema(u32),
}

impl<W: WriterSchemas> TakeChanges<W> {
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
        } = parts;
        let watch = Watch::new(transactions).map(Box::new);
        let handles = IntakeHandles::new(&Skipped::NAMES);
        let decoder = match &watch {
            Some(_) => decoder.reading_members(),
            None => decoder,
        };
        Self {
            decoder,
            schemas,
            tally: Tally::new(handles.changes.clone()),
            handles,
            clock,
            status,
            dead_letter_topic,
            sampling: Sampling {
                every: sample_every,
                next: UnixMicros(0),
            },
            reads: Reads::new(reads),
            dice,
            order: Order::default(),
            watch,
            revision: 0,
            change: Change::default(),
            set: PurgeSet::default(),
            parked: VecDeque::new(),
            parked_attempts: 0,
            parked_until: UnixMicros(0),
        }
    }

    fn try_take(&mut self, record: &RawRecord<'_>, round: &mut Round, now: UnixMicros) -> Taken {
        let registry = &round.rules.registry;
        if self.revision != registry.revision.sequence {
            // Table ids belong to one registry.
            self.revision = registry.revision.sequence;
            self.order.forget();
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
            Ok(Decoded::SchemaWanted { id }) => Taken::WantsSchema(id),
            Err(error) => {
                let reason = Reason {
                    label: error.reason(),
                    detail: error.to_string(),
                };
                Taken::Done(self.take_poison(record, reason, round))
            }
        }
    }

    fn take_change(&mut self, record: &RawRecord<'_>, round: &mut Round, now: UnixMicros) -> u32 {
        self.tally.change();
        if self.change.identity_drift {
            self.handles.identity_drift.increment(1);
        }
        let rules = &round.rules;
        if let Some(cause) = self.order.look(&self.change) {
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
        let is_canary = rules.is_canary(self.change.table);
        self.offer_reads(rules);
        if self.set.is_empty() {
            return 0;
        }
        let committed = match self.change.committed.at {
            UnixMicros(0) => record.appended,
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
        if is_canary {
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
    fn measure_stages(&self, record: &RawRecord<'_>, now: UnixMicros) {
        let seconds = |later: UnixMicros, earlier: UnixMicros| later.since(earlier) as f64 / 1e6;
        let [capture, append, intake, _] = &self.handles.stages;
        let (committed, captured) = (self.change.committed.at, self.change.captured);
        if committed != UnixMicros(0) && captured != UnixMicros(0) {
            capture.record(seconds(captured, committed));
            append.record(seconds(record.appended, captured));
        }
        if record.appended != UnixMicros(0) {
            intake.record(seconds(now, record.appended));
        }
    }

    fn take_poison(&mut self, record: &RawRecord<'_>, reason: Reason, round: &mut Round) -> u32 {
        self.handles.poison.increment(1);
        let rules = Arc::clone(&round.rules);
        resolve_fallback(&rules.registry, record.origin.topic, &mut self.set);
        let ids = self.set.verdicts().iter().map(|&(id, _)| id);
        let concerned = Concerned::by(&rules.registry, ids);
        self.tally.verdicts(&rules, self.set.verdicts());
        tracing::warn!(
            origin = %record.origin,
            reason = reason.label,
            detail = %reason.detail,
            families = ?concerned.families,
            "record put aside, its families are purged as a whole"
        );
        let now = self.clock.now();
        let letter = dead_letter::of_record(record, reason, concerned, self.clock.wall());
        round.dead_letters.push(OutboxRecord {
            topic: Arc::clone(&self.dead_letter_topic),
            key: record.origin.topic.as_bytes().to_vec(),
            payload: letter.encode(),
        });
        round.note(record.appended, FreshnessClass::Strict, now);
        let times = ChangeTimes {
            committed: record.appended,
            appended: record.appended,
        };
        round.purges.merge(record.position, &self.set, times);
        1
    }

    /// Fetches a schema and puts it to use. Some answer when the record is poison or must wait.
    fn fetch(&mut self, id: u32) -> Result<(), WriterSchemaError> {
        let json = self.schemas.fetch(id)?;
        if let Err(error) = self.decoder.add_writer_schema(id, &json) {
            // The decoder remembers the broken schema and says so for each record that names it.
            tracing::warn!(schema_id = id, error = %error, "writer schema cannot be used");
        }
        self.status.ready("schema registry");
        Ok(())
    }
}

/// A record may name two schemas: its value's and, for a delete without a before-image, its key's.
const SCHEMAS_PER_RECORD: usize = 2;

impl<W: WriterSchemas> Take for TakeChanges<W> {
    fn take(&mut self, record: RawRecord<'_>, round: &mut Round, now: UnixMicros) -> u32 {
        for _ in 0..=SCHEMAS_PER_RECORD {
            let id = match self.try_take(&record, round, now) {
                Taken::Done(waits_for) => return waits_for,
                Taken::WantsSchema(id) => id,
            };
            // While others wait for the registry, asking again for each record would hammer it.
            let answer = if self.parked.is_empty() {
                self.fetch(id)
            } else {
                Err(WriterSchemaError::Unreachable {
                    id,
                    reason: "waiting to ask again".to_owned(),
                })
            };
            match answer {
                Ok(()) => {}
                Err(error @ WriterSchemaError::Unreachable { .. }) => {
                    self.park(&record, &error.to_string());
                    return 1;
                }
                Err(error) => {
                    let reason = Reason {
                        label: "unknown_schema",
                        detail: error.to_string(),
                    };
                    return self.take_poison(&record, reason, round);
                }
            }
        }
        let detail = "it asks for one writer schema after another".to_owned();
        self.take_poison(
            &record,
            Reason {
                label: "unknown_schema",
                detail,
            },
            round,
        )
    }

    fn is_held_up(&self) -> bool {
        !self.parked.is_empty()
    }

    fn retry(&mut self, round: &mut Round) {
        if self.parked.is_empty() {
            return;
        }
        let now = self.clock.now();
        if now < self.parked_until {
            return;
        }
        let waiting = std::mem::take(&mut self.parked);
        for parked in waiting {
            // A record that settles without a round still has an open position: it joins the round bare.
            if self.take(parked.as_raw(), round, now) == 0 {
                round.purges.add_position(parked.position);
            }
        }
        self.parked_attempts = if self.parked.is_empty() {
            0
        } else {
            self.parked_attempts + 1
        };
    }

    fn assigned(&mut self, stream: StreamId, of: (&Arc<str>, i32)) {
        if let Some(watch) = &mut self.watch {
            watch.assigned(stream, of, self.clock.now());
        }
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
        if let Some(watch) = &mut self.watch {
            watch.revoked(stream, self.clock.now());
        }
        self.parked
            .retain(|parked| parked.position.stream != stream);
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
}
