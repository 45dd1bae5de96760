//! Asks the brokers where partitions stand that may not be read on as they are.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};

use super::gap::{Facts, Suspect, Verdict, judge};
use super::{positions, unreadable};
use crate::client::ask::{Asker, Onlooker};
use crate::client::partition::{Partition, committed, list_of};

/// A question to the brokers takes no longer than this.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// What a look at the brokers gave.
#[derive(Debug, Default)]
pub(crate) struct Looked {
    pub(crate) verdicts: Vec<(Suspect, Verdict)>,
    /// Why some suspects have no verdict; they are to be asked about again.
    pub(crate) failed: Option<String>,
    /// Why it is not known what the group had read.
    pub(crate) forgetful: Option<String>,
}

/// Looks at the brokers.
#[derive(Debug, Clone)]
pub(crate) struct Lookup {
    pub(crate) onlooker: Onlooker,
    /// The topic that remembers what was read.
    pub(crate) positions: Option<Arc<str>>,
}

impl Lookup {
    /// Looks on a separate thread, so that other partitions flow meanwhile.
    pub(crate) fn asker(&self) -> Asker<Vec<Suspect>, Looked> {
        let lookup = self.clone();
        Asker::new("kafka lookup", move |suspects| lookup.look(suspects))
    }

    /// With a client of its own: one that knew an earlier topic of the same name may not see what is there now.
    fn look(&self, suspects: Vec<Suspect>) -> Result<Looked, String> {
        let client = self.onlooker.client().map_err(|error| error.to_string())?;
        let committed = committed_of(&client, &suspects)?;
        let mut looked = Looked::default();
        let is_unread = |suspect: &Suspect| {
            suspect.expected.is_none() && !committed.contains_key(&suspect.partition)
        };
        let mut remembered = HashMap::new();
        if let Some(topic) = &self.positions
            && suspects.iter().any(is_unread)
        {
            match positions::recall(&client, topic, &self.onlooker.group) {
                Ok(found) => remembered = found,
                Err(reason) => looked.forgetful = Some(reason),
            }
        }
        for suspect in suspects {
            let Partition { topic, number } = &suspect.partition;
            let (low, high) = match client.fetch_watermarks(topic, *number, ANSWER_WITHIN) {
                Ok(marks) => marks,
                Err(error) => {
                    looked.failed = Some(format!("{}: {error}", suspect.partition));
                    continue;
                }
            };
            let facts = Facts {
                low,
                high,
                committed: committed.get(&suspect.partition).copied(),
                remembered: remembered.get(&suspect.partition).copied(),
            };
            let mut verdict = judge(&suspect, facts);
            if verdict == Verdict::Readable
                && let Some(gap) = unreadable::judge(&client, &suspect, facts)
            {
                verdict = Verdict::Gap(gap);
            }
            looked.verdicts.push((suspect, verdict));
        }
        Ok(looked)
    }
}

/// The offsets that are committed, of suspects of which nothing was read yet.
fn committed_of(
    client: &BaseConsumer,
    suspects: &[Suspect],
) -> Result<HashMap<Partition, i64>, String> {
    let unread = suspects.iter().filter(|suspect| suspect.expected.is_none());
    let asked = list_of(unread.map(|suspect| &suspect.partition));
    if asked.count() == 0 {
        return Ok(HashMap::new());
    }
    let found = committed(client, asked, ANSWER_WITHIN).map_err(|error| error.to_string())?;
    let found = found.into_iter();
    Ok(found
        .filter_map(|(partition, next)| Some((partition, next?)))
        .collect())
}
