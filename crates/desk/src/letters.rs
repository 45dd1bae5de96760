//! The letters of the topic, each with its resolution.

use std::collections::{BTreeMap, BTreeSet};

use freshet_core::ports::{ScanError, TopicScan};
use freshet_core::position::WallMicros;
use freshet_core::record::StoredRecord;
use freshet_wire::{DeadLetter, DeadLetterResolution};

use crate::fault::DeskError;
use crate::letter::{Letter, LetterId};

/// Everything that the topic has.
#[derive(Debug, Default)]
pub struct Letters {
    letters: BTreeMap<LetterId, Letter>,
    resolutions: Vec<DeadLetterResolution>,
    unreadable: u64,
}

impl Letters {
    /// Reads the topic up to its current end. Only `whole` keeps the record data of letters in memory.
    ///
    /// # Errors
    /// The topic does not exist or cannot be read.
    pub fn read(
        scan: &impl TopicScan,
        topic: &str,
        whole: Option<LetterId>,
    ) -> Result<Self, DeskError> {
        let mut letters = Self::default();
        let read = scan.read_all(topic, &mut |record| letters.add(record, whole));
        read.map_err(|error| match error {
            ScanError::NoTopic { topic, .. } => DeskError::NoTopic(topic),
            error => DeskError::Scan(error),
        })?;
        letters.join();
        Ok(letters)
    }

    /// How many records of the topic are neither letters nor resolutions to this release.
    pub fn unreadable(&self) -> u64 {
        self.unreadable
    }

    fn add(&mut self, record: StoredRecord, whole: Option<LetterId>) {
        let id = LetterId {
            partition: record.partition,
            offset: record.offset,
        };
        let value = record.value.unwrap_or_default();
        if let Ok(mut content) = DeadLetter::decode(&value) {
            if whole != Some(id) {
                (content.key, content.value) = (None, None);
            }
            let letter = Letter {
                id,
                record_key: record.key.unwrap_or_default(),
                content,
                resolution: None,
            };
            self.letters.insert(id, letter);
        } else if let Ok(resolution) = DeadLetterResolution::decode(&value) {
            self.resolutions.push(resolution);
        } else {
            self.unreadable += 1;
        }
    }

    /// Gives each letter its resolution, wherever in the topic that came; of several the first closed it.
    fn join(&mut self) {
        self.resolutions.sort_by_key(|resolution| resolution.at);
        for resolution in self.resolutions.drain(..) {
            let id = LetterId {
                partition: resolution.letter_partition,
                offset: resolution.letter_offset,
            };
            if let Some(letter) = self.letters.get_mut(&id) {
                letter.resolution.get_or_insert(resolution);
            }
        }
    }

    /// The letter of an id, open or closed.
    ///
    /// # Errors
    /// There is none.
    pub fn get(&self, id: LetterId) -> Result<&Letter, DeskError> {
        self.letters.get(&id).ok_or(DeskError::NoSuchLetter(id))
    }

    /// The letters that are meant, all of them open.
    ///
    /// # Errors
    /// An id is that of no letter, or of one that is closed.
    pub fn open(&self, which: &Which) -> Result<Vec<&Letter>, DeskError> {
        let ids: BTreeSet<LetterId> = match which {
            Which::Matching(filter) => return Ok(self.matching(filter, false)),
            Which::Ids(ids) => ids.iter().copied().collect(),
        };
        let found = ids.into_iter().map(|id| {
            let letter = self.get(id)?;
            match &letter.resolution {
                None => Ok(letter),
                Some(resolution) => Err(DeskError::Closed {
                    id,
                    resolution: Box::new(resolution.clone()),
                }),
            }
        });
        found.collect()
    }

    /// The letters that `filter` asks for, newest first; only open ones unless `all`.
    pub fn matching(&self, filter: &Filter, all: bool) -> Vec<&Letter> {
        let is_meant = |letter: &&Letter| (all || letter.is_open()) && filter.matches(letter);
        let mut found: Vec<&Letter> = self.letters.values().filter(is_meant).collect();
        found.sort_by_key(|letter| (std::cmp::Reverse(letter.content.at), letter.id));
        found
    }
}

/// A filter: fields that are not set exclude nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only letters of this family.
    pub family: Option<String>,
    /// Only letters with this reason.
    pub reason: Option<String>,
    /// Only letters about records of this topic.
    pub topic: Option<String>,
    /// Only letters that were written then or later.
    pub since: Option<WallMicros>,
}

impl Filter {
    fn matches(&self, letter: &Letter) -> bool {
        let content = &letter.content;
        let is =
            |asked: &Option<String>, has: &str| asked.as_ref().is_none_or(|asked| asked == has);
        let family = self.family.as_ref();
        family.is_none_or(|family| content.families.contains(family))
            && is(&self.reason, &content.reason)
            && is(&self.topic, &content.topic)
            && self.since.is_none_or(|since| content.at >= since)
    }
}

/// The letters that something is to be done about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// These, all of which must be open.
    Ids(Vec<LetterId>),
    /// All open ones that a filter lets through.
    Matching(Filter),
}

#[cfg(test)]
mod tests;
