//! Puts streams back on their way that the client does not read: those without an offset, and those with a gap.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

use freshet_core::gap::GapCause;
use freshet_core::ports::{SourceError, SourceEvent};
use freshet_core::position::StreamId;
use rdkafka::consumer::{BaseConsumer, Consumer, RebalanceProtocol};
use rdkafka::error::KafkaResult;
use rdkafka::{Offset, TopicPartitionList};

use crate::consumer_state::{Anchor, Assigned, Callbacks};
use crate::gap::{Looked, Lookup, Suspect, Verdict};
use crate::renew::Carried;
use crate::source_config::StartAt;
use crate::unreadable::Doubts;

/// Brokers that could not say are asked again after this.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// A stream that is not fetched for so long is not only on its way to be.
const STOPPED_AFTER: Duration = Duration::from_secs(3);

/// Finds streams that do not flow and makes them flow.
#[derive(Debug)]
pub(crate) struct Mending {
    lookup: Lookup,
    start: StartAt,
    asked: Option<Receiver<Looked>>,
    /// An answer that waits for partitions to be given away first.
    ready: Option<Looked>,
    suspicious: bool,
    not_before: Instant,
    /// Since when streams are not fetched.
    idle: HashMap<StreamId, Instant>,
    carried: Carried,
    /// Why this client should not read on.
    worn: Option<String>,
    pub(crate) doubts: Doubts,
}

impl Mending {
    pub(crate) fn new(lookup: Lookup, start: StartAt) -> Self {
        Self {
            lookup,
            start,
            asked: None,
            ready: None,
            suspicious: false,
            not_before: Instant::now(),
            idle: HashMap::new(),
            carried: Carried::new(),
            worn: None,
            doubts: Doubts::default(),
        }
    }

    /// For a client that takes the place of another.
    pub(crate) fn begin_anew(&mut self, carried: Carried) {
        *self = Self {
            carried,
            ..Self::new(self.lookup.clone(), self.start)
        };
    }

    /// Why another client has to read on, once that is so.
    pub(crate) fn take_worn(&mut self) -> Option<String> {
        self.worn.take()
    }

    /// Some partition is not read, or is not what it was; it is found out which.
    pub(crate) fn suspect(&mut self) {
        self.suspicious = true;
    }

    /// Takes the next step; whether there are events that have to be told before the next record.
    pub(crate) fn serve(
        &mut self,
        consumer: &BaseConsumer<Callbacks>,
    ) -> Result<bool, SourceError> {
        self.receive();
        // Whatever changes the assignment while an answer is owed to the group would be taken for that answer.
        let owed = consumer.context().state().release.is_some();
        if !owed && let Some(looked) = self.ready.take() {
            return self.apply(consumer, looked);
        }
        self.note_stopped(consumer.context());
        let idle = self.asked.is_none() && self.ready.is_none();
        if self.suspicious && idle && Instant::now() >= self.not_before {
            self.suspicious = false;
            self.ask(consumer.context());
        }
        Ok(false)
    }

    fn receive(&mut self) {
        let Some(asked) = &self.asked else {
            return;
        };
        match asked.try_recv() {
            Ok(looked) => self.ready = Some(looked),
            Err(TryRecvError::Empty) => return,
            Err(TryRecvError::Disconnected) => self.ask_again(),
        }
        self.asked = None;
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
        self.suspicious |= self.idle.values().any(|&since| stopped(since));
        self.suspicious |= self.doubts.is_due();
    }

    fn ask(&mut self, callbacks: &Callbacks) {
        let state = callbacks.state();
        let here = state.assigned.iter().filter(|it| !it.leaving);
        let suspects: Vec<Suspect> = here.map(|it| self.suspect_of(it)).collect();
        drop(state);
        if !suspects.is_empty() {
            self.asked = Some(self.lookup.begin(suspects));
        }
    }

    fn suspect_of(&self, it: &Assigned) -> Suspect {
        let idle = self.idle.get(&it.stream);
        let place = (Arc::clone(&it.topic), it.partition);
        Suspect {
            stream: it.stream,
            topic: it.topic.clone(),
            partition: it.partition,
            expected: it.read.expected(),
            stopped: idle.is_some_and(|&since| stopped(since)),
            cut_off: it.anchor == Anchor::Lost,
            before: it.before,
            carried: self.carried.get(&place).copied(),
            // What was fetched and waits to be taken can be read.
            step: (self.doubts.are_open() && it.place().is_some())
                .then(|| self.doubts.step_of(&place, it.read.expected())),
        }
    }

    fn apply(
        &mut self,
        consumer: &BaseConsumer<Callbacks>,
        looked: Looked,
    ) -> Result<bool, SourceError> {
        if let Some(reason) = looked.failed {
            tracing::warn!(error = %reason, "where to read on is not known yet");
            self.ask_again();
        }
        if let Some(reason) = looked.forgetful {
            let why = format!(
                "what was read before is not known, so a topic that was made anew may pass for a new one: {reason}"
            );
            tracing::warn!(error = %reason, "what was read before is not known");
            consumer.context().state().note_reachable(false, &why);
        }
        let mut told = false;
        for (suspect, verdict) in looked.verdicts {
            self.idle.remove(&suspect.stream);
            told |= self.carry_out(consumer, &suspect, verdict)?;
        }
        consumer.context().state().not_fetched.clear();
        Ok(told)
    }

    /// Carries a verdict out, unless the stream has moved since it was asked about; whether there is something to report before the next record.
    fn carry_out(
        &mut self,
        consumer: &BaseConsumer<Callbacks>,
        suspect: &Suspect,
        verdict: Verdict,
    ) -> Result<bool, SourceError> {
        let (at, gap, first) = match verdict {
            Verdict::Readable => return Ok(false),
            Verdict::GoOn { at } => (at, None, false),
            Verdict::First { low, high } => (self.start_of(suspect, low, high)?, None, true),
            Verdict::Gap {
                cause,
                from,
                detail,
            } => (from, Some((cause, detail)), false),
        };
        if !go_on_at(consumer.context(), suspect, at) {
            return Ok(false);
        }
        if let Some((cause, detail)) = &gap
            && is_worn(suspect, *cause)
        {
            tell_gap(consumer.context(), suspect, *cause, (at, detail.clone()));
            let (topic, partition) = (&suspect.topic, suspect.partition);
            self.worn = Some(format!(
                "{topic}[{partition}] is another topic of the same name"
            ));
            return Ok(true);
        }
        if let Err(error) = restart(consumer, suspect, at) {
            tracing::warn!(error = %error, topic = %suspect.topic, "a partition cannot be read on yet");
            let mut state = consumer.context().state();
            if let Some(known) = state.find(&suspect.topic, suspect.partition) {
                known.read.forget_to(suspect.expected);
            }
            drop(state);
            self.ask_again();
            return Ok(false);
        }
        self.carried
            .remove(&(Arc::clone(&suspect.topic), suspect.partition));
        if suspect.carried.is_some()
            && let Some(known) = consumer
                .context()
                .state()
                .find(&suspect.topic, suspect.partition)
        {
            // Nothing is committed, and that is known.
            known.anchor = Anchor::None;
        }
        if first {
            commit_start(consumer.context(), suspect, at);
        }
        if let (Some((GapCause::Unreadable, _)), Some(step)) = (&gap, suspect.step) {
            self.doubts
                .note_step(&suspect.topic, suspect.partition, at, step);
        }
        let told = first || gap.is_some();
        if let Some((cause, detail)) = gap {
            tell_gap(consumer.context(), suspect, cause, (at, detail));
        }
        Ok(told)
    }

    fn start_of(&self, suspect: &Suspect, low: i64, high: i64) -> Result<i64, SourceError> {
        match self.start {
            StartAt::Earliest => Ok(low),
            StartAt::Latest => Ok(high),
            StartAt::Error => Err(SourceError::Fatal(format!(
                "{}[{}] has no committed offset, and none is to be assumed",
                suspect.topic, suspect.partition
            ))),
        }
    }
}

/// Whether this client knows things of the topic's predecessor that keep it from reading: librdkafka takes leaders of
/// an earlier epoch for old news.
fn is_worn(suspect: &Suspect, cause: GapCause) -> bool {
    let anew = matches!(cause, GapCause::Recreated | GapCause::OffsetsGone);
    anew && (suspect.before.by_this_client || suspect.expected.is_some())
}

/// Notes where a stream goes on; not when it moved, or left, since it was asked about.
fn go_on_at(callbacks: &Callbacks, suspect: &Suspect, at: i64) -> bool {
    let state = callbacks.state();
    let same = |it: &&Assigned| it.stream == suspect.stream && !it.leaving;
    let known = state.assigned.iter().find(same);
    let unmoved = |it: &&Assigned| suspect.cut_off || it.read.expected() == suspect.expected;
    let unmoved = known.filter(unmoved);
    if let Some(known) = unmoved {
        known.read.goes_on_at(at);
    }
    unmoved.is_some()
}

fn tell_gap(
    callbacks: &Callbacks,
    suspect: &Suspect,
    cause: GapCause,
    (from, detail): (i64, String),
) {
    let mut state = callbacks.state();
    if cause == GapCause::Recreated {
        state.renew(&suspect.topic, suspect.partition, from);
        callbacks.turn_epoch();
    } else if cause == GapCause::OffsetsGone
        && let Some(known) = state.find(&suspect.topic, suspect.partition)
    {
        known.anchor = Anchor::None;
    }
    state.events.push(SourceEvent::Gap {
        topic: suspect.topic.clone(),
        partition: suspect.partition,
        cause,
        detail,
    });
}

fn stopped(since: Instant) -> bool {
    since.elapsed() >= STOPPED_AFTER
}

/// Reports a first start. It is decided once: what comes after it is never skipped, also when nothing was read by then.
fn commit_start(callbacks: &Callbacks, suspect: &Suspect, at: i64) {
    let mut state = callbacks.state();
    if let Some(known) = state.find(&suspect.topic, suspect.partition) {
        known.settled_next = Some(at);
        known.anchor = Anchor::None;
        state.commit_due = true;
    }
    let stream = suspect.stream;
    state.events.push(SourceEvent::Begins { stream });
}

/// Makes the client read a partition from `at`. A seek does not do: it is refused for a partition that has stopped.
fn restart(consumer: &BaseConsumer<Callbacks>, suspect: &Suspect, at: i64) -> KafkaResult<()> {
    let place = |list: &mut TopicPartitionList, offset| {
        list.add_partition_offset(&suspect.topic, suspect.partition, offset)
    };
    match consumer.rebalance_protocol() {
        RebalanceProtocol::Cooperative => {
            let (mut from, mut to) = (TopicPartitionList::new(), TopicPartitionList::new());
            place(&mut from, Offset::Invalid)?;
            place(&mut to, Offset::Offset(at))?;
            consumer.incremental_unassign(&from)?;
            consumer.incremental_assign(&to)
        }
        // Only a whole assignment can be replaced; the others go on where they are.
        RebalanceProtocol::Eager | RebalanceProtocol::None => {
            let mut whole = TopicPartitionList::new();
            for it in &consumer.context().state().assigned {
                let offset = it.read.expected().map_or(Offset::Stored, Offset::Offset);
                whole.add_partition_offset(&it.topic, it.partition, offset)?;
            }
            consumer.assign(&whole)
        }
    }
}

/// The partitions of streams, with nothing said about offsets.
pub(crate) fn partitions_of<'a>(streams: impl Iterator<Item = &'a Assigned>) -> TopicPartitionList {
    let mut partitions = TopicPartitionList::new();
    for it in streams {
        partitions.add_partition(&it.topic, it.partition);
    }
    partitions
}
