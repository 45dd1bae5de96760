//! The letters of the topic, each with what became of it.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use freshet_core::position::WallMicros;
use freshet_kafka::{ScanError, StoredRecord, TopicScan};
use freshet_wire::{DeadLetter, DeadLetterResolution};

use crate::dlq::args::Filter;

/// Where a letter stands in its topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LetterId {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
}

impl fmt::Display for LetterId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}", self.partition, self.offset)
    }
}

impl FromStr for LetterId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text.split_once(':');
        let parts = parts.and_then(|(partition, offset)| {
            Some(Self {
                partition: partition.parse().ok()?,
                offset: offset.parse().ok()?,
            })
        });
        parts
            .filter(|id| id.partition >= 0 && id.offset >= 0)
            .ok_or("a letter's id is <partition>:<offset>, as `freshet dlq list` shows it")
    }
}

/// A letter and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Letter {
    pub(crate) id: LetterId,
    /// Its record's key, which decides the partition of what follows it.
    pub(crate) record_key: Vec<u8>,
    pub(crate) content: DeadLetter,
    pub(crate) resolution: Option<DeadLetterResolution>,
}

impl Letter {
    pub(crate) fn is_open(&self) -> bool {
        self.resolution.is_none()
    }

    /// `open`, or what was done.
    pub(crate) fn state(&self) -> &'static str {
        let resolution = self.resolution.as_ref();
        resolution.map_or("open", |it| it.action.name())
    }

    /// Whether there is a record behind the letter. A refused purge came from many changes.
    pub(crate) fn has_record(&self) -> bool {
        !self.content.topic.is_empty()
    }
}

/// Everything that the topic has.
#[derive(Debug, Default)]
pub(crate) struct Letters {
    letters: BTreeMap<LetterId, Letter>,
    resolutions: Vec<DeadLetterResolution>,
    /// Records that are neither letters nor resolutions to this release.
    pub(crate) unreadable: u64,
}

impl Letters {
    /// Reads the topic. What letters keep of their records stays in memory only for `whole`.
    pub(crate) fn read(
        scan: &TopicScan,
        topic: &str,
        whole: Option<LetterId>,
    ) -> Result<Self, ScanError> {
        let mut letters = Self::default();
        scan.read_all(topic, &mut |record| letters.add(record, whole))?;
        letters.join();
        Ok(letters)
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

    pub(crate) fn get(&self, id: LetterId) -> Option<&Letter> {
        self.letters.get(&id)
    }

    /// The letters that `filter` asks for, newest first; only open ones unless `all`.
    pub(crate) fn matching(&self, filter: &Filter, all: bool, now: WallMicros) -> Vec<&Letter> {
        let wanted = |letter: &&Letter| (all || letter.is_open()) && matches(filter, letter, now);
        let mut found: Vec<&Letter> = self.letters.values().filter(wanted).collect();
        found.sort_by_key(|letter| (std::cmp::Reverse(letter.content.at), letter.id));
        found
    }
}

fn matches(filter: &Filter, letter: &Letter, now: WallMicros) -> bool {
    let content = &letter.content;
    let is = |wanted: &Option<String>, has: &str| wanted.as_ref().is_none_or(|it| it == has);
    let family = filter.family.as_ref();
    let young = |since: std::time::Duration| u128::from(now.since(content.at)) <= since.as_micros();
    family.is_none_or(|family| content.families.contains(family))
        && is(&filter.reason, &content.reason)
        && is(&filter.topic, &content.topic)
        && filter.since.is_none_or(young)
}

#[cfg(test)]
mod tests;
