//! A dead letter and its resolution.

use std::fmt;
use std::str::FromStr;

use freshet_wire::{DeadLetter, DeadLetterResolution};

/// Position of a letter in its topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LetterId {
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
}

impl fmt::Display for LetterId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}", self.partition, self.offset)
    }
}

impl FromStr for LetterId {
    type Err = LetterIdError;

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
            .ok_or(LetterIdError)
    }
}

/// A text that is no letter's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the id of a letter is <partition>:<offset>, as shown by `list`")]
pub struct LetterIdError;

/// A letter and its resolution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// Where it stands.
    pub id: LetterId,
    /// Its record's key, which decides the partition of what follows it.
    pub record_key: Vec<u8>,
    /// What it says.
    pub content: DeadLetter,
    /// Its resolution; none while it is open.
    pub resolution: Option<DeadLetterResolution>,
}

impl Letter {
    /// Whether it is open.
    pub fn is_open(&self) -> bool {
        self.resolution.is_none()
    }

    /// `open`, or what was done.
    pub fn state(&self) -> &'static str {
        let resolution = self.resolution.as_ref();
        resolution.map_or("open", |resolution| resolution.action.name())
    }

    /// Whether there is a record behind the letter. A refused purge came from many changes.
    pub fn has_record(&self) -> bool {
        !self.content.topic.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_partition_and_an_offset() {
        let id: LetterId = "12:345".parse().expect("an id");
        assert_eq!((id.partition, id.offset), (12, 345));
        for wrong in [
            "", "1", ":", "1:", ":1", "a:1", "1:b", "-1:1", "1:-1", "1:2:3", "1: 2",
        ] {
            assert!(wrong.parse::<LetterId>().is_err(), "{wrong}");
        }
    }
}
