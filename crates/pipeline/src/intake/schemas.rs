//! Writer schemas that records wait for, fetched beside the intake: one that does not come costs no other anything.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::time::Duration;

use ::metrics::counter;
use freshet_core::ports::{WriterSchemaError, WriterSchemas};
use freshet_core::position::Steady;

use crate::intake::parked::Parked;
use crate::lanes::backoff::{Backoff, Dice};
use crate::metrics::SCHEMA_FETCHES;
use crate::parts::Drive;
use crate::watch::status::Status;

/// Schemas that are fetched at the same time at most, each on a thread of its own.
const FETCHES_MAX: usize = 8;

/// That the registry does not have an id is remembered for so long: an id is given once, so it may
/// come to be there, and until then each record that names it would be a request.
const REFUSED_FOR: Duration = Duration::from_secs(30);

/// Ids that are remembered as refused at most.
const REFUSED_MAX: usize = 4_096;

type Answer = Result<String, WriterSchemaError>;

/// Fetches writer schemas.
pub(crate) struct Fetches<W> {
    schemas: Arc<W>,
    drive: Drive,
    dice: Dice,
    wanted: BTreeMap<u32, Wanted>,
    refused: BTreeMap<u32, (WriterSchemaError, Steady)>,
}

/// A schema that somebody waits for.
struct Wanted {
    state: State,
    attempts: u32,
    /// Why it did not come the last time.
    failed: Option<String>,
}

enum State {
    /// To be asked for at this time.
    Due(Steady),
    Asked(Receiver<Answer>),
}

impl<W: WriterSchemas + 'static> Fetches<W> {
    pub(crate) fn new(schemas: W, drive: Drive, dice: Dice) -> Self {
        Self {
            schemas: Arc::new(schemas),
            drive,
            dice,
            wanted: BTreeMap::new(),
            refused: BTreeMap::new(),
        }
    }

    /// Why there is no schema `id`, if the registry answered so recently.
    pub(crate) fn refusal(&self, id: u32, now: Steady) -> Option<&WriterSchemaError> {
        let (error, until) = self.refused.get(&id)?;
        (now < *until).then_some(error)
    }

    /// Fetches a schema, as soon as its turn comes.
    pub(crate) fn want(&mut self, id: u32, now: Steady) {
        self.wanted.entry(id).or_insert(Wanted {
            state: State::Due(now),
            attempts: 0,
            failed: None,
        });
    }

    /// Whether nothing is wanted.
    pub(crate) fn is_idle(&self) -> bool {
        self.wanted.is_empty()
    }

    /// Whether an answer is on its way.
    pub(crate) fn is_under_way(&self) -> bool {
        let mut wanted = self.wanted.values();
        wanted.any(|schema| matches!(schema.state, State::Asked(_)))
    }

    /// Schemas that did not come, and why not.
    pub(crate) fn failing(&self) -> impl Iterator<Item = (u32, &str)> {
        let wanted = self.wanted.iter();
        wanted.filter_map(|(id, schema)| Some((*id, schema.failed.as_deref()?)))
    }

    /// Forgets what nobody waits for any more.
    pub(crate) fn keep(&mut self, is_wanted: impl Fn(u32) -> bool) {
        self.wanted
            .retain(|id, schema| matches!(schema.state, State::Asked(_)) || is_wanted(*id));
    }

    /// A schema that came, or that the registry does not have. Asks for what is due.
    pub(crate) fn next_answer(&mut self, now: Steady) -> Option<(u32, Answer)> {
        self.ask(now);
        let came = |(id, schema): (&u32, &Wanted)| match &schema.state {
            State::Asked(answer) => match answer.try_recv() {
                Ok(answer) => Some((*id, answer)),
                Err(TryRecvError::Empty) => None,
                Err(TryRecvError::Disconnected) => Some((
                    *id,
                    Err(unreachable(*id, "the request ended without an answer")),
                )),
            },
            State::Due(_) => None,
        };
        while let Some((id, answer)) = self.wanted.iter().find_map(came) {
            match answer {
                Err(WriterSchemaError::Unreachable { reason, .. }) => self.put_off(id, reason, now),
                Err(error) => {
                    count("refused");
                    self.wanted.remove(&id);
                    self.refuse(id, error.clone(), now);
                    return Some((id, Err(error)));
                }
                Ok(json) => {
                    count("fetched");
                    self.wanted.remove(&id);
                    self.refused.remove(&id);
                    return Some((id, Ok(json)));
                }
            }
        }
        None
    }

    fn put_off(&mut self, id: u32, reason: String, now: Steady) {
        count("failed");
        let roll = self.dice.roll();
        if let Some(wanted) = self.wanted.get_mut(&id) {
            let wait = Backoff::default().wait(wanted.attempts, roll);
            wanted.attempts = wanted.attempts.saturating_add(1);
            wanted.failed = Some(reason);
            wanted.state = State::Due(now.plus(wait));
        }
    }

    fn refuse(&mut self, id: u32, error: WriterSchemaError, now: Steady) {
        if self.refused.len() >= REFUSED_MAX {
            let first = self.refused.iter().min_by_key(|(_, (_, until))| *until);
            let first = first.map(|(id, _)| *id);
            first.and_then(|id| self.refused.remove(&id));
        }
        self.refused.insert(id, (error, now.plus(REFUSED_FOR)));
    }

    /// Asks for what is due, for what is due the longest first.
    fn ask(&mut self, now: Steady) {
        let asked = |schema: &&Wanted| matches!(schema.state, State::Asked(_));
        let free = FETCHES_MAX.saturating_sub(self.wanted.values().filter(asked).count());
        let mut due: Vec<(Steady, u32)> = Vec::new();
        for (id, schema) in &self.wanted {
            if let State::Due(at) = schema.state
                && at <= now
            {
                due.push((at, *id));
            }
        }
        due.sort_unstable();
        for (_, id) in due.into_iter().take(free) {
            let answer = self.fetch(id);
            if let Some(wanted) = self.wanted.get_mut(&id) {
                wanted.state = State::Asked(answer);
            }
        }
    }

    fn fetch(&self, id: u32) -> Receiver<Answer> {
        let (answer, answered) = sync_channel(1);
        let schemas = Arc::clone(&self.schemas);
        // Nobody listens when the intake has ended.
        let fetch = move || drop(answer.send(schemas.fetch(id)));
        match self.drive {
            Drive::Steps(_) => fetch(),
            Drive::Threads => {
                let thread = std::thread::Builder::new().name("writer schema".to_owned());
                if let Err(error) = thread.spawn(fetch) {
                    tracing::warn!(error = %error, "cannot start a thread to fetch a writer schema");
                }
            }
        }
        answered
    }
}

/// Says which schemas do not come, and whom that holds.
pub(crate) struct Blame {
    /// What [`Status`] calls the schema registry.
    part: String,
    said: bool,
}

impl Blame {
    pub(crate) fn new(part: String) -> Self {
        Self { part, said: false }
    }

    /// Says what is so now.
    pub(crate) fn say<W: WriterSchemas + 'static>(
        &mut self,
        fetches: &Fetches<W>,
        parked: &Parked,
        status: &Status,
        now: Steady,
    ) {
        let mut failing = fetches.failing().filter(|(id, _)| parked.wants(*id));
        let Some((id, reason)) = failing.next() else {
            if self.said && status.ready(&self.part) {
                tracing::info!(part = %self.part, "records no longer wait for writer schemas");
            }
            self.said = false;
            return;
        };
        let others = match failing.count() {
            0 => String::new(),
            others => format!(", and {others} more schemas are unavailable"),
        };
        let (topic, partition) = parked.place_of(id).unwrap_or_default();
        let reason = format!(
            "schema {id}: {reason}; {topic}[{partition}] waits for it{others}; waiting partitions: {}",
            parked.len()
        );
        self.said = true;
        if status.not_ready(&self.part, &reason, now) {
            tracing::warn!(part = %self.part, reason, "writer schemas are unavailable, their partitions wait");
        }
    }
}

fn unreachable(id: u32, reason: &str) -> WriterSchemaError {
    WriterSchemaError::Unreachable {
        id,
        reason: reason.to_owned(),
    }
}

fn count(outcome: &'static str) {
    counter!(SCHEMA_FETCHES, "outcome" => outcome).increment(1);
}

#[cfg(test)]
mod tests;
