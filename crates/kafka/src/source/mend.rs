//! Repairs streams that the client does not read: those without an offset, and those with a gap.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use freshet_core::gap::GapCause;
use freshet_core::ports::{SourceError, SourceEvent};
use freshet_core::position::StreamId;
use rdkafka::Offset;
use rdkafka::consumer::{BaseConsumer, Consumer, RebalanceProtocol};
use rdkafka::error::KafkaResult;

use super::assigned::{Anchor, Assigned};
use super::config::StartAt;
use super::gap::{Gap, Suspect, Verdict};
use super::lookup::{Looked, Lookup};
use super::rebalance::Callbacks;
use super::state::Carried;
use super::unreadable::Doubts;
use crate::client::ask::Asker;
use crate::client::partition::list_at;

/// Pause before a retry if the brokers did not answer.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// A stream that is not fetched for this long is not just starting.
const STOPPED_AFTER: Duration = Duration::from_secs(3);

/// Finds streams that are not read and repairs them.
#[derive(Debug)]
pub(crate) struct Mender {
    lookup: Lookup,
    start: StartAt,
    asker: Asker<Vec<Suspect>, Looked>,
    /// An answer that waits for partitions to be given away first.
    ready: Option<Looked>,
    suspicious: bool,
    not_before: Instant,
    /// Since when streams are not fetched.
    idle: HashMap<StreamId, Instant>,
    carried: Carried,
    doubts: Doubts,
}

/// Result of a step.
#[derive(Debug, Default)]
pub(crate) struct Mended {
    /// There are events that have to be reported before the next record.
    pub(crate) is_reported: bool,
    /// Why the client must be replaced, if so.
    pub(crate) broken: Option<String>,
}

impl Mender {
    pub(crate) fn new(lookup: Lookup, start: StartAt) -> Self {
        Self {
            asker: lookup.asker(),
            lookup,
            start,
            ready: None,
            suspicious: false,
            not_before: Instant::now(),
            idle: HashMap::new(),
            carried: Carried::new(),
            doubts: Doubts::default(),
        }
    }

    /// For a client that replaces another.
    pub(crate) fn begin_anew(&mut self, carried: Carried) {
        *self = Self::new(self.lookup.clone(), self.start);
        self.carried = carried;
    }

    /// A partition is not read, or its topic was recreated; starts a lookup.
    pub(crate) fn suspect(&mut self) {
        self.suspicious = true;
    }

    /// The client reported a record that cannot be fetched; starts a search for it.
    pub(crate) fn doubt(&mut self) {
        self.doubts.raise();
    }

    /// Whether a partition may contain a record that cannot be fetched.
    pub(crate) fn has_doubts(&self) -> bool {
        self.doubts.are_open()
    }

    /// Takes the next step.
    pub(crate) fn serve(
        &mut self,
        consumer: &BaseConsumer<Callbacks>,
    ) -> Result<Mended, SourceError> {
        self.receive();
        // Whatever changes the assignment while an answer is owed to the group would be taken for that answer.
        let owed = consumer.context().state().drain.is_some();
        if !owed && let Some(looked) = self.ready.take() {
            return self.apply(consumer, looked);
        }
        self.note_stopped(consumer.context());
        let idle = !self.asker.is_asked() && self.ready.is_none();
        if self.suspicious && idle && Instant::now() >= self.not_before {
            self.suspicious = false;
            self.ask(consumer.context());
        }
        Ok(Mended::default())
    }

    fn receive(&mut self) {
        if let Some(answer) = self.asker.answer() {
            self.ready = Some(answer.unwrap_or_else(|reason| Looked {
                failed: Some(reason),
                ..Looked::default()
            }));
        }
    }

    fn ask_again(&mut self) {
        self.suspicious = true;
        self.not_before = Instant::now() + ASK_AGAIN;
    }

    fn note_stopped(&mut self, callbacks: &Callbacks) {
        let state = callbacks.state();
        let now = Instant::now();
        self.idle
            .retain(|stream, _| state.not_fetched.contains(stream));
        for &stream in &state.not_fetched {
            self.idle.entry(stream).or_insert(now);
        }
        drop(state);
        self.suspicious |= self.idle.values().any(|&since| has_stopped(since));
        self.suspicious |= self.doubts.is_due();
    }

    fn ask(&mut self, callbacks: &Callbacks) {
        let state = callbacks.state();
        let staying = state.staying();
        let suspects: Vec<Suspect> = staying.map(|known| self.suspect_of(known)).collect();
        drop(state);
        if !suspects.is_empty() && !self.asker.ask(suspects) {
            self.ask_again();
        }
    }

    fn suspect_of(&self, known: &Assigned) -> Suspect {
        let partition = known.partition.clone();
        let idle = self.idle.get(&known.stream);
        let expected = known.read.expected();
        Suspect {
            stream: known.stream,
            expected,
            stopped: idle.is_some_and(|&since| has_stopped(since)),
            cut_off: known.anchor == Anchor::Lost,
            before: known.before,
            carried: self.carried.get(&partition).copied(),
            // What was fetched and waits to be taken can be read.
            step: (self.doubts.are_open() && known.fetched_to().is_some())
                .then(|| self.doubts.step_of(&partition, expected)),
            partition,
        }
    }

    fn apply(
        &mut self,
        consumer: &BaseConsumer<Callbacks>,
        looked: Looked,
    ) -> Result<Mended, SourceError> {
        if let Some(reason) = looked.failed {
            tracing::warn!(error = %reason, "the offset to continue from is not known yet");
            self.ask_again();
        }
        if let Some(reason) = looked.forgetful {
            let why = format!(
                "the topic of positions cannot be read, so a recreated topic cannot be distinguished from a new one: {reason}"
            );
            tracing::warn!(error = %reason, "the topic of positions cannot be read");
            consumer.context().state().note_reachable(false, &why);
        }
        let mut mended = Mended::default();
        for (suspect, verdict) in looked.verdicts {
            self.idle.remove(&suspect.stream);
            match verdict {
                Verdict::Readable => {}
                Verdict::GoOn { at } => {
                    self.go_on(consumer, &suspect, at);
                }
                Verdict::First { low, high } => {
                    let at = self.start_of(&suspect, low, high)?;
                    if self.go_on(consumer, &suspect, at) {
                        commit_start(consumer.context(), &suspect, at);
                        mended.is_reported = true;
                    }
                }
                Verdict::Gap(gap) if is_broken(&suspect, gap.cause) => {
                    if note_next(consumer.context(), &suspect, gap.from) {
                        let partition = &suspect.partition;
                        let why = format!("{partition} was deleted and recreated");
                        mended.broken = Some(why);
                        report_gap(consumer.context(), &suspect, gap);
                        mended.is_reported = true;
                    }
                }
                Verdict::Gap(gap) => {
                    if self.go_on(consumer, &suspect, gap.from) {
                        if let (GapCause::Unreadable, Some(step)) = (gap.cause, suspect.step) {
                            self.doubts.note_step(&suspect.partition, gap.from, step);
                        }
                        report_gap(consumer.context(), &suspect, gap);
                        mended.is_reported = true;
                    }
                }
            }
        }
        consumer.context().state().not_fetched.clear();
        Ok(mended)
    }

    /// Makes the client read a suspect from `at` on. False when the stream has moved since it was asked about, or when
    /// the client does not do so yet.
    fn go_on(&mut self, consumer: &BaseConsumer<Callbacks>, suspect: &Suspect, at: i64) -> bool {
        if !note_next(consumer.context(), suspect, at) {
            return false;
        }
        let restarted = restart(consumer, suspect, at);
        let mut state = consumer.context().state();
        let known = state.find(&suspect.partition);
        if let Err(error) = restarted {
            tracing::warn!(error = %error, topic = %suspect.partition.topic, "a partition cannot be read yet");
            if let Some(known) = known {
                known.read.forget_to(suspect.expected);
            }
            drop(state);
            self.ask_again();
            return false;
        }
        self.carried.remove(&suspect.partition);
        if suspect.carried.is_some()
            && let Some(known) = known
        {
            // Nothing is committed, and that is known.
            known.anchor = Anchor::None;
        }
        true
    }

    fn start_of(&self, suspect: &Suspect, low: i64, high: i64) -> Result<i64, SourceError> {
        match self.start {
            StartAt::Earliest => Ok(low),
            StartAt::Latest => Ok(high),
            StartAt::Error => Err(SourceError::Fatal(format!(
                "{} has no committed offset, and kafka.start is `error`",
                suspect.partition
            ))),
        }
    }
}

/// Whether this client knows things of the topic's predecessor that keep it from reading: librdkafka takes leaders of
/// an earlier epoch for old news.
fn is_broken(suspect: &Suspect, cause: GapCause) -> bool {
    let anew = matches!(cause, GapCause::Recreated | GapCause::OffsetsGone);
    anew && (suspect.before.by_this_client || suspect.expected.is_some())
}

/// Notes where a stream goes on; not when it moved, or left, since it was asked about.
fn note_next(callbacks: &Callbacks, suspect: &Suspect, at: i64) -> bool {
    let state = callbacks.state();
    let mut staying = state.staying();
    let known = staying.find(|known| known.stream == suspect.stream);
    let unmoved =
        known.filter(|known| suspect.cut_off || known.read.expected() == suspect.expected);
    if let Some(known) = unmoved {
        known.read.goes_on_at(at);
    }
    unmoved.is_some()
}

fn report_gap(callbacks: &Callbacks, suspect: &Suspect, gap: Gap) {
    let mut state = callbacks.state();
    if gap.cause == GapCause::Recreated {
        state.renew(&suspect.partition, gap.from);
        callbacks.turn_epoch();
    } else if gap.cause == GapCause::OffsetsGone
        && let Some(known) = state.find(&suspect.partition)
    {
        known.anchor = Anchor::None;
    }
    state.events.push(SourceEvent::Gap {
        topic: suspect.partition.topic.clone(),
        partition: suspect.partition.number,
        cause: gap.cause,
        detail: gap.detail,
    });
}

fn has_stopped(since: Instant) -> bool {
    since.elapsed() >= STOPPED_AFTER
}

/// Reports a first start. It is decided once: what comes after it is never skipped, also when nothing was read by then.
fn commit_start(callbacks: &Callbacks, suspect: &Suspect, at: i64) {
    let mut state = callbacks.state();
    if let Some(known) = state.find(&suspect.partition) {
        known.settled_next = Some(at);
        known.anchor = Anchor::None;
        state.commit_due = true;
    }
    let stream = suspect.stream;
    state.events.push(SourceEvent::Begins { stream });
}

/// Makes the client read a partition from `at`. A seek does not do: it is refused for a partition that has stopped.
fn restart(consumer: &BaseConsumer<Callbacks>, suspect: &Suspect, at: i64) -> KafkaResult<()> {
    let list = |offset| list_at([(&suspect.partition, offset)]);
    match consumer.rebalance_protocol() {
        RebalanceProtocol::Cooperative => {
            let to = list(Offset::Offset(at))?;
            consumer.incremental_unassign(&list(Offset::Invalid)?)?;
            consumer.incremental_assign(&to)
        }
        // Only a whole assignment can be replaced; the others go on where they are.
        RebalanceProtocol::Eager | RebalanceProtocol::None => {
            let whole = {
                let state = consumer.context().state();
                list_at(state.assigned.iter().map(|known| {
                    let next = known.read.expected();
                    (
                        &known.partition,
                        next.map_or(Offset::Stored, Offset::Offset),
                    )
                }))?
            };
            consumer.assign(&whole)
        }
    }
}
