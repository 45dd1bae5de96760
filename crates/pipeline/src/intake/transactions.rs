//! Transactions whose changes did not all arrive are gaps of the tables concerned (promise P5).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::time::Duration;

use ::metrics::counter;
use freshet_core::change::{Change, Op};
use freshet_core::gap::GapCause;
use freshet_core::members::{Ends, EndsQuestion, Members, MembersLimits, Missing, Outcomes};
use freshet_core::ports::{Origin, TopicEnds};
use freshet_core::position::{Steady, StreamId};
use freshet_core::registry::Registry;
use freshet_core::transaction::Boundary;
use freshet_wire::{DecodeError, Decoded};

use crate::intake::open::Gap;
use crate::metrics;

/// The databases whose transactions are counted, by Debezium's `topic.prefix`.
#[derive(Debug, Clone, Default)]
pub struct Transactions {
    /// How long after its end the records of a transaction may come, by database.
    pub within: BTreeMap<Arc<str>, Duration>,
    /// Says where topics end. Without it nothing is ever missing.
    pub ends: Option<Arc<dyn TopicEnds>>,
}

impl Transactions {
    /// The topics to read for them.
    pub fn topics(&self) -> impl Iterator<Item = String> {
        self.within.keys().map(|database| boundaries_of(database))
    }
}

fn boundaries_of(database: &str) -> String {
    format!("{database}.transaction")
}

/// What one intake counts.
#[derive(Debug)]
pub(crate) struct Watch {
    settings: Transactions,
    /// The registry whose tables are watched.
    revision: Option<u64>,
    databases: Vec<Watched>,
    streams: Vec<(StreamId, Arc<str>, i32)>,
}

#[derive(Debug)]
struct Watched {
    database: Arc<str>,
    boundaries: Arc<str>,
    members: Members,
    asked: Option<Asked>,
}

/// A question that is under way, and where its answer comes.
type Asked = (EndsQuestion, Receiver<Option<(Ends, Ends)>>);

impl Watch {
    /// None when no transactions are to be counted.
    pub(crate) fn new(settings: Transactions) -> Option<Self> {
        for database in settings.within.keys() {
            count(database, Outcomes::default());
        }
        (!settings.within.is_empty()).then(|| Self {
            settings,
            revision: None,
            databases: Vec::new(),
            streams: Vec::new(),
        })
    }

    /// Whether the topic holds the boundaries of transactions.
    pub(crate) fn tells_boundaries(&self, topic: &str) -> bool {
        topic
            .strip_suffix(".transaction")
            .is_some_and(|database| self.settings.within.contains_key(database))
    }

    /// Watches the tables of `registry` from now on.
    fn follow(&mut self, registry: &Registry, now: Steady) {
        if self.revision == Some(registry.revision.sequence) {
            return;
        }
        self.revision = Some(registry.revision.sequence);
        self.databases.clear();
        for (database, within) in &self.settings.within {
            let prefix = format!("{database}.");
            let bound = registry
                .tables
                .iter()
                .filter(|table| !table.bindings.is_empty());
            let tables = bound.filter_map(|table| {
                let collection = table.shape.name.strip_prefix(&prefix)?;
                Some((Arc::from(collection), Arc::clone(&table.shape.topic)))
            });
            let boundaries: Arc<str> = Arc::from(boundaries_of(database));
            let limits = MembersLimits::default();
            let members = Members::new(Arc::clone(&boundaries), tables, *within, limits);
            self.databases.push(Watched {
                database: Arc::clone(database),
                boundaries,
                members,
                asked: None,
            });
        }
        for (_, topic, partition) in &self.streams {
            for watched in &mut self.databases {
                watched.members.assigned(topic, *partition, now);
            }
        }
    }

    /// A partition is read here from now on.
    pub(crate) fn assigned(
        &mut self,
        stream: StreamId,
        topic: &Arc<str>,
        partition: i32,
        now: Steady,
    ) {
        for watched in &mut self.databases {
            watched.members.assigned(topic, partition, now);
        }
        self.streams.push((stream, Arc::clone(topic), partition));
    }

    /// It is not any more.
    pub(crate) fn revoked(&mut self, stream: StreamId, now: Steady) {
        let Some(at) = self.streams.iter().position(|(read, ..)| *read == stream) else {
            return;
        };
        let (_, topic, partition) = self.streams.swap_remove(at);
        for watched in &mut self.databases {
            watched.members.revoked(&topic, partition, now);
        }
    }

    /// Records of the topic are lost, or nobody can read one of them.
    pub(crate) fn spoil(&mut self, topic: &str, now: Steady) {
        for watched in &mut self.databases {
            watched.members.spoil(topic, now);
        }
    }

    /// A record of a table's topic was taken. It may be no change; a change that somebody made belongs to a
    /// transaction.
    fn note(&mut self, origin: Origin<'_>, change: Option<&Change>, now: Steady) {
        for watched in &mut self.databases {
            let Origin {
                topic,
                partition,
                offset,
            } = origin;
            watched.members.note_read(topic, partition, offset);
            let Some(change) = change.filter(|change| change.op != Op::Read) else {
                continue;
            };
            match change.member {
                Some(member) => watched.members.note_member(origin.topic, member),
                None => watched.members.spoil(origin.topic, now),
            }
        }
    }

    /// The same of whatever a record of a table's topic was decoded to.
    pub(crate) fn note_decoded(
        &mut self,
        origin: Origin<'_>,
        decoded: &Result<Decoded, DecodeError>,
        change: &Change,
        now: Steady,
    ) {
        match decoded {
            Ok(Decoded::SchemaWanted { .. }) => {}
            Ok(Decoded::Change) => self.note(origin, Some(change), now),
            Ok(_) => self.note(origin, None, now),
            Err(_) => {
                self.note(origin, None, now);
                self.spoil(origin.topic, now);
            }
        }
    }

    /// A transaction began or ended.
    pub(crate) fn note_boundary(&mut self, origin: Origin<'_>, boundary: Boundary, now: Steady) {
        let mut databases = self.databases.iter_mut();
        let of_topic = databases.find(|watched| *watched.boundaries == *origin.topic);
        if let Some(watched) = of_topic {
            let (partition, offset) = (origin.partition, origin.offset);
            watched
                .members
                .note_boundary(boundary, partition, offset, now);
        }
    }

    /// Asks, judges, and adds what is missing to the gaps.
    pub(crate) fn look(&mut self, registry: &Registry, gaps: &mut Vec<Gap>, now: Steady) {
        self.follow(registry, now);
        let ends = self.settings.ends.as_ref();
        for watched in &mut self.databases {
            watched.receive(now);
            if let Some(ends) = ends {
                watched.ask(ends, now);
            }
            for missing in watched.members.judge() {
                let detail = in_words(&watched.database, &missing);
                gaps.push(Gap {
                    topic: missing.topic,
                    cause: GapCause::MembersMissing,
                    detail,
                });
            }
            let outcomes = watched.members.take_outcomes();
            if outcomes != Outcomes::default() {
                count(&watched.database, outcomes);
            }
        }
    }
}

impl Watched {
    fn receive(&mut self, now: Steady) {
        let Some((question, answer)) = &self.asked else {
            return;
        };
        let ends = match answer.try_recv() {
            Ok(ends) => ends,
            Err(TryRecvError::Empty) => return,
            Err(TryRecvError::Disconnected) => None,
        };
        self.members.answer(question, ends, now);
        self.asked = None;
    }

    /// Asks on a thread of its own, so that changes flow meanwhile. It is rare: twice for each table and assignment,
    /// and before something is called missing.
    fn ask(&mut self, ends: &Arc<dyn TopicEnds>, now: Steady) {
        if self.asked.is_some() {
            return;
        }
        let Some(question) = self.members.question(now) else {
            return;
        };
        let (answer, answered) = sync_channel(1);
        let (ends, wanted) = (Arc::clone(ends), question.clone());
        let started = std::thread::Builder::new()
            .name("topic ends".to_owned())
            .spawn(move || {
                let both = ends
                    .ends(&wanted.topic)
                    .and_then(|table| Ok((table, ends.ends(&wanted.boundaries)?)));
                let both = both.map_err(|error| {
                    tracing::warn!(topic = %wanted.topic, error, "the brokers do not return the ends of topics, the check of transactions waits");
                });
                // Nobody listens when the intake has ended.
                let _ = answer.send(both.ok());
            });
        if let Err(error) = started {
            tracing::warn!(error = %error, "cannot start a thread to request the ends of topics");
        }
        self.asked = Some((question, answered));
    }
}

fn in_words(database: &str, missing: &Missing) -> String {
    let Missing {
        transactions,
        first,
        counted,
        arrived,
        ..
    } = missing;
    let others = match transactions {
        1 => String::new(),
        _ => format!(
            ", and {} more transactions are incomplete",
            transactions - 1
        ),
    };
    format!(
        "transaction {first} of {database} ended with {counted} changes of this table, {arrived} arrived and the topic is \
         read to its end{others}: the connector, a transform or the brokers dropped the rest"
    )
}

/// Counts what became of the transactions of a database.
fn count(database: &str, outcomes: Outcomes) {
    let Outcomes {
        complete,
        missing,
        unjudged,
    } = outcomes;
    for (outcome, count) in [
        ("complete", complete),
        ("missing", missing),
        ("unjudged", unjudged),
    ] {
        counter!(metrics::TRANSACTIONS, "database" => database.to_owned(), "outcome" => outcome)
            .increment(count);
    }
}

#[cfg(test)]
mod tests;
