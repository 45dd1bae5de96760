//! Where to read on when Kafka cannot say: which partitions begin, and which have lost records.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use freshet_core::gap::GapCause;
use freshet_core::position::StreamId;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Offset, TopicPartitionList};

use crate::connection::KafkaConnection;
use crate::consumer_state::Before;
use crate::positions::{self, Place};
use crate::unreadable;

/// A question to the brokers takes no longer than this.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// A stream that may not be read on as it is.
#[derive(Debug, Clone)]
pub(crate) struct Suspect {
    pub(crate) stream: StreamId,
    pub(crate) topic: Arc<str>,
    pub(crate) partition: i32,
    /// The offset to be read next, once something was read.
    pub(crate) expected: Option<i64>,
    /// The client has stopped to fetch it.
    pub(crate) stopped: bool,
    /// Its committed offset went with its topic.
    pub(crate) cut_off: bool,
    /// What this process knows of the partition.
    pub(crate) before: Before,
    /// Where an earlier client was about to read on, with everything before it told.
    pub(crate) carried: Option<i64>,
    /// It may hold a record that cannot be fetched: how many offsets to step over then.
    pub(crate) step: Option<i64>,
}

/// What is to be done about a suspect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing: what is read next is there.
    Readable,
    /// Nothing is lost, but the client has to be told where to go on.
    GoOn {
        /// The offset.
        at: i64,
    },
    /// The group never read it.
    First {
        /// The oldest offset there is.
        low: i64,
        /// The offset of what comes next.
        high: i64,
    },
    /// Records are lost.
    Gap {
        /// What it was noticed by.
        cause: GapCause,
        /// The oldest offset there is.
        from: i64,
        /// Which offsets.
        detail: String,
    },
}

/// What the brokers say about one partition.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts {
    pub(crate) low: i64,
    pub(crate) high: i64,
    pub(crate) committed: Option<i64>,
    /// How far the group had read, as remembered beside Kafka's own offsets.
    pub(crate) remembered: Option<i64>,
}

/// The verdict about one suspect.
pub(crate) fn judge(suspect: &Suspect, facts: Facts) -> Verdict {
    let Facts { low, high, .. } = facts;
    let range = format!("the log holds {low} to {high}");
    let gap = |cause, detail| Verdict::Gap {
        cause,
        from: low,
        detail,
    };
    let Some(next) = suspect.expected.or(facts.committed) else {
        return match (
            suspect.carried,
            facts.remembered.or(suspect.before.committed),
        ) {
            (Some(at), _) => Verdict::GoOn {
                at: at.clamp(low, high.max(low)),
            },
            (None, Some(read)) => {
                let detail = format!("read up to {read}, no offset is committed any more, {range}");
                gap(GapCause::OffsetsGone, detail)
            }
            (None, None) => Verdict::First { low, high },
        };
    };
    if suspect.cut_off {
        let detail =
            format!("read up to {next}, the committed offset went with its topic, {range}");
        return gap(GapCause::Recreated, detail);
    }
    if next < low {
        let detail = format!("offsets {next} to {low} were removed unread, {range}");
        return gap(GapCause::Truncated, detail);
    }
    if next > high {
        return gap(GapCause::Recreated, format!("read up to {next}, {range}"));
    }
    match (suspect.stopped, suspect.expected) {
        (false, _) => Verdict::Readable,
        (true, None) => Verdict::GoOn { at: next },
        // The offset exists and the client refuses to read on: it is not the log that was read before.
        (true, Some(_)) => {
            let detail = format!("the log was cut or replaced behind {next}, {range}");
            gap(GapCause::Recreated, detail)
        }
    }
}

/// What a look at the brokers gave.
#[derive(Debug, Default)]
pub(crate) struct Looked {
    pub(crate) verdicts: Vec<(Suspect, Verdict)>,
    /// Why some suspects have no verdict; they are to be asked about again.
    pub(crate) failed: Option<String>,
    /// Why it is not known what the group had read.
    pub(crate) forgetful: Option<String>,
}

/// Asks the brokers on a thread of its own, so that other partitions flow meanwhile.
#[derive(Debug, Clone)]
pub(crate) struct Lookup {
    pub(crate) connection: KafkaConnection,
    pub(crate) group: String,
    /// The topic that remembers what was read.
    pub(crate) positions: Option<Arc<str>>,
}

impl Lookup {
    /// Begins to look; the answer comes through the channel, or it is closed.
    pub(crate) fn begin(&self, suspects: Vec<Suspect>) -> Receiver<Looked> {
        let (answer, answered) = sync_channel(1);
        let lookup = self.clone();
        let started = std::thread::Builder::new()
            .name("kafka lookup".to_owned())
            .spawn(move || {
                let looked = lookup.look(suspects).unwrap_or_else(|reason| Looked {
                    failed: Some(reason),
                    ..Looked::default()
                });
                // Nobody listens when the source was closed meanwhile.
                let _ = answer.send(looked);
            });
        if let Err(error) = started {
            tracing::warn!(error = %error, "no thread to look for offsets");
        }
        answered
    }

    fn look(&self, suspects: Vec<Suspect>) -> Result<Looked, String> {
        let consumer = self.client()?;
        let committed = committed(&consumer, &suspects)?;
        let mut looked = Looked::default();
        let place = |it: &Suspect| (it.topic.to_string(), it.partition);
        let unread: Vec<Place> = suspects
            .iter()
            .filter(|it| it.expected.is_none() && !committed.contains_key(&place(it)))
            .map(place)
            .collect();
        let mut remembered = HashMap::new();
        if let Some(topic) = &self.positions
            && !unread.is_empty()
        {
            match positions::recall(&consumer, topic, &self.group) {
                Ok(found) => remembered = found,
                Err(reason) => looked.forgetful = Some(reason),
            }
        }
        for suspect in suspects {
            let place = place(&suspect);
            let marks = consumer.fetch_watermarks(&suspect.topic, suspect.partition, ANSWER_WITHIN);
            let (low, high) = match marks {
                Ok(marks) => marks,
                Err(error) => {
                    let (topic, partition) = (&suspect.topic, suspect.partition);
                    looked.failed = Some(format!("{topic}[{partition}]: {error}"));
                    continue;
                }
            };
            let facts = Facts {
                low,
                high,
                committed: committed.get(&place).copied(),
                remembered: remembered.get(&place).copied(),
            };
            let mut verdict = judge(&suspect, facts);
            if verdict == Verdict::Readable
                && let Some(gap) = unreadable::judge(&consumer, &suspect, facts)
            {
                verdict = gap;
            }
            looked.verdicts.push((suspect, verdict));
        }
        Ok(looked)
    }

    /// A client that asks for the group's offsets and never joins it.
    pub(crate) fn client(&self) -> Result<BaseConsumer, String> {
        let mut connection = self.connection.clone();
        for membership in [
            "group.protocol",
            "group.instance.id",
            "group.remote.assignor",
        ] {
            connection.properties.remove(membership);
        }
        let fixed = [
            ("group.id", self.group.as_str()),
            ("enable.auto.commit", "false"),
            ("enable.auto.offset.store", "false"),
            ("auto.offset.reset", "error"),
            ("enable.partition.eof", "true"),
            ("allow.auto.create.topics", "false"),
            // What fails is told by whoever asked.
            ("log_level", "0"),
        ];
        // One record tells whether a partition can be read.
        let usual = [
            ("client.id", "freshet"),
            ("fetch.max.bytes", "4194304"),
            ("fetch.message.max.bytes", "1024"),
            ("queued.min.messages", "1"),
        ];
        let config = connection.client(&usual, &fixed);
        config.create().map_err(|error| error.to_string())
    }
}

fn committed(consumer: &BaseConsumer, suspects: &[Suspect]) -> Result<HashMap<Place, i64>, String> {
    let mut asked = TopicPartitionList::new();
    for suspect in suspects.iter().filter(|it| it.expected.is_none()) {
        asked.add_partition(&suspect.topic, suspect.partition);
    }
    if asked.count() == 0 {
        return Ok(HashMap::new());
    }
    let answer = consumer
        .committed_offsets(asked, ANSWER_WITHIN)
        .map_err(|error| error.to_string())?;
    let mut committed = HashMap::new();
    for element in answer.elements() {
        element.error().map_err(|error| error.to_string())?;
        if let Offset::Offset(next) = element.offset() {
            committed.insert((element.topic().to_owned(), element.partition()), next);
        }
    }
    Ok(committed)
}

#[cfg(test)]
mod tests;
