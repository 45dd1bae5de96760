//! Kafka, as far as the pipeline can see it: topics, groups with committed offsets, members that come and go.

use std::collections::BTreeMap;

use freshet_core::position::WallMicros;

/// The consumer group of the processes.
pub(crate) const GROUP: &str = "freshet";
/// The topic of dead letters.
pub(crate) const DEAD_LETTERS: &str = "freshet.dead-letters";

/// A partition of a topic.
pub(crate) type Place = (String, usize);

/// One record.
#[derive(Debug, Clone, Default)]
pub(crate) struct LogRecord {
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) appended: WallMicros,
    /// When it was appended, in the order of everything that happens.
    pub(crate) seq: u64,
}

/// One consumer group.
#[derive(Debug, Default)]
pub(crate) struct Group {
    /// Members that are alive, in order of joining, with the topics that each wants.
    members: BTreeMap<u64, Vec<String>>,
    /// Who reads a partition now. Nobody else may before it has given the partition up or is gone.
    owners: BTreeMap<Place, u64>,
    pub(crate) committed: BTreeMap<Place, u64>,
    next_member: u64,
    /// Rises with every change of members or owners.
    pub(crate) generation: u64,
    /// Assignments made.
    pub(crate) assignments: usize,
}

/// All topics and groups.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) topics: BTreeMap<String, Vec<Vec<LogRecord>>>,
    pub(crate) groups: BTreeMap<String, Group>,
    /// Where a partition begins, when its oldest records were removed.
    pub(crate) low: BTreeMap<Place, u64>,
    /// The brokers do not answer: nothing is read, committed or appended.
    pub(crate) away: bool,
}

impl Log {
    pub(crate) fn create(&mut self, topic: &str, partitions: usize) {
        self.topics
            .insert(topic.to_owned(), vec![Vec::new(); partitions]);
    }

    /// Appends by the key's hash; returns where it went.
    pub(crate) fn append(&mut self, topic: &str, record: LogRecord) -> (usize, u64) {
        let partitions = self
            .topics
            .entry(topic.to_owned())
            .or_insert_with(|| vec![Vec::new()]);
        let key = record.key.as_deref().unwrap_or_default();
        let at = key.iter().fold(7_usize, |hash, &byte| {
            hash.wrapping_mul(31).wrapping_add(usize::from(byte))
        }) % partitions.len();
        partitions[at].push(record);
        (at, partitions[at].len() as u64 - 1)
    }

    pub(crate) fn end_of(&self, place: &Place) -> u64 {
        let partition = self.topics.get(&place.0).and_then(|it| it.get(place.1));
        partition.map_or(0, |records| records.len() as u64)
    }

    /// Removes everything that is in a topic now.
    pub(crate) fn truncate(&mut self, topic: &str) {
        let partitions = self.topics.get(topic).map_or(0, Vec::len);
        for at in 0..partitions {
            let place = (topic.to_owned(), at);
            self.low.insert(place.clone(), self.end_of(&place));
        }
    }

    pub(crate) fn begin_of(&self, place: &Place) -> u64 {
        self.low.get(place).copied().unwrap_or(0)
    }

    /// Records that a group has not committed.
    pub(crate) fn behind(&self, group: &str, topic: &str) -> u64 {
        let Some(partitions) = self.topics.get(topic) else {
            return 0;
        };
        let committed = self.groups.get(group).map(|it| &it.committed);
        (0..partitions.len())
            .map(|at| {
                let place = (topic.to_owned(), at);
                let done = committed.and_then(|it| it.get(&place)).copied();
                self.end_of(&place) - done.unwrap_or(0)
            })
            .sum()
    }

    pub(crate) fn join(&mut self, group: &str, topics: &[String]) -> u64 {
        let group = self.groups.entry(group.to_owned()).or_default();
        group.next_member += 1;
        group.generation += 1;
        group.members.insert(group.next_member, topics.to_vec());
        group.next_member
    }

    /// A member is gone: its partitions are free.
    pub(crate) fn leave(&mut self, group: &str, member: u64) {
        if let Some(group) = self.groups.get_mut(group) {
            group.generation += 1;
            group.members.remove(&member);
            group.owners.retain(|_, owner| *owner != member);
        }
    }

    /// Takes every partition from a member that is alive and does not know it yet.
    pub(crate) fn fence(&mut self, group: &str) {
        if let Some(group) = self.groups.get_mut(group) {
            group.generation += 1;
            group.owners.clear();
        }
    }

    /// What `member` should read by the present members: partitions go round.
    pub(crate) fn wanted(&self, group: &str, member: u64) -> Vec<Place> {
        let Some(group) = self.groups.get(group) else {
            return Vec::new();
        };
        let Some(topics) = group.members.get(&member) else {
            return Vec::new();
        };
        let places = topics.iter().flat_map(|topic| {
            let partitions = self.topics.get(topic).map_or(0, Vec::len);
            (0..partitions).map(move |at| (topic.clone(), at))
        });
        let mine = |at: &usize| group.members.keys().nth(at % group.members.len()) == Some(&member);
        places
            .enumerate()
            .filter(|(at, _)| mine(at))
            .map(|(_, place)| place)
            .collect()
    }

    pub(crate) fn owns(&self, group: &str, member: u64, place: &Place) -> bool {
        let owner = self.groups.get(group).and_then(|it| it.owners.get(place));
        owner == Some(&member)
    }

    /// The group's state by number.
    pub(crate) fn generation(&self, group: &str) -> u64 {
        self.groups.get(group).map_or(0, |it| it.generation)
    }

    /// Gives a partition up.
    pub(crate) fn release(&mut self, group: &str, member: u64, place: &Place) {
        if self.owns(group, member, place)
            && let Some(group) = self.groups.get_mut(group)
        {
            group.generation += 1;
            group.owners.remove(place);
        }
    }

    /// The offset that a group has committed.
    pub(crate) fn committed(&self, group: &str, place: &Place) -> Option<u64> {
        self.groups.get(group)?.committed.get(place).copied()
    }

    /// Takes a partition that nobody reads; answers where to begin.
    pub(crate) fn claim(&mut self, group: &str, member: u64, place: &Place) -> Option<u64> {
        let group = self.groups.get_mut(group)?;
        if group.owners.contains_key(place) {
            return None;
        }
        group.generation += 1;
        group.owners.insert(place.clone(), member);
        group.assignments += 1;
        Some(group.committed.get(place).copied().unwrap_or(0))
    }
}
