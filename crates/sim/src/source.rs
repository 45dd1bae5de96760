//! One member of one group, as the pipeline's source.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use freshet_core::gap::GapCause;
use freshet_core::ports::{Demand, Origin, RawRecord, Source, SourceError, SourceEvent};
use freshet_core::position::{StreamId, StreamPosition};

use crate::log::Place;
use crate::oracle::Shared;

/// A source of the simulated log.
pub(crate) struct SimSource {
    shared: Shared,
    group: String,
    member: u64,
    /// What it reads: stream and next offset.
    reading: BTreeMap<Place, (StreamId, u64)>,
    next_stream: u32,
    /// The group as it was when there was nothing left to give up or to take.
    followed: u64,
}

impl SimSource {
    pub(crate) fn join(shared: &Shared, group: &str, topics: &[String]) -> Self {
        let member = shared.lock().log.join(group, topics);
        Self {
            shared: shared.clone(),
            group: group.to_owned(),
            member,
            reading: BTreeMap::new(),
            next_stream: 0,
            followed: 0,
        }
    }

    /// Follows the group: gives up what is somebody else's, takes what is free.
    fn rebalance(&mut self) -> Vec<SourceEvent> {
        let mut events = Vec::new();
        let mut state = self.shared.lock();
        let before = state.log.generation(&self.group);
        if before == self.followed {
            return events;
        }
        let wanted = state.log.wanted(&self.group, self.member);
        let lost: Vec<Place> = self
            .reading
            .keys()
            .filter(|place| {
                !wanted.contains(place) || !state.log.owns(&self.group, self.member, place)
            })
            .cloned()
            .collect();
        for place in lost {
            state.log.release(&self.group, self.member, &place);
            if let Some((stream, _)) = self.reading.remove(&place) {
                events.push(SourceEvent::Revoked { stream });
            }
        }
        for place in wanted {
            if self.reading.contains_key(&place) {
                continue;
            }
            let committed = state.log.committed(&self.group, &place);
            let Some(begin) = state.log.claim(&self.group, self.member, &place) else {
                continue;
            };
            let stream = StreamId(self.next_stream);
            self.next_stream += 1;
            events.push(SourceEvent::Assigned {
                stream,
                topic: Arc::from(place.0.as_str()),
                partition: place.1 as i32,
            });
            if committed.is_none() {
                events.push(SourceEvent::Begins { stream });
            }
            self.reading.insert(place, (stream, begin));
        }
        if state.log.generation(&self.group) == before {
            self.followed = before;
        }
        events
    }
}

impl Drop for SimSource {
    fn drop(&mut self) {
        self.shared.lock().log.leave(&self.group, self.member);
    }
}

impl Source for SimSource {
    fn next(
        &mut self,
        demand: Demand,
        take: &mut dyn FnMut(RawRecord<'_>),
    ) -> Result<Vec<SourceEvent>, SourceError> {
        if self.shared.lock().log.away {
            return Ok(Vec::new());
        }
        let mut events = self.rebalance();
        // What is reported of a stream comes before its first record.
        if !events.is_empty() {
            return Ok(events);
        }
        let mut left = demand.records_max;
        for (place, (stream, next)) in &mut self.reading {
            let begin = self.shared.lock().log.begin_of(place);
            if *next < begin {
                events.push(SourceEvent::Gap {
                    topic: Arc::from(place.0.as_str()),
                    partition: place.1 as i32,
                    cause: GapCause::Truncated,
                    detail: format!("offsets {next} to {begin} are gone"),
                });
                *next = begin;
            }
            let due = {
                let state = self.shared.lock();
                if state.log.end_of(place) <= *next {
                    continue;
                }
                let records = state
                    .log
                    .topics
                    .get(&place.0)
                    .and_then(|it| it.get(place.1));
                records.map_or_else(Vec::new, |records| {
                    records
                        .iter()
                        .skip(*next as usize)
                        .take(left)
                        .cloned()
                        .collect()
                })
            };
            for record in due {
                take(RawRecord {
                    position: StreamPosition {
                        stream: *stream,
                        ordinal: *next,
                    },
                    origin: Origin {
                        topic: &place.0,
                        partition: place.1 as i32,
                        offset: *next as i64,
                    },
                    key: record.key.as_deref(),
                    value: record.value.as_deref(),
                    appended: record.appended,
                });
                *next += 1;
                left -= 1;
            }
            let mut state = self.shared.lock();
            state.note_handed_out(&self.group, place, *next);
        }
        Ok(events)
    }

    fn commit(
        &mut self,
        settled: &[StreamPosition],
        _wait: Option<Duration>,
    ) -> Result<(), SourceError> {
        let mut state = self.shared.lock();
        if state.log.away {
            return Err(SourceError::Commit("the brokers are away".to_owned()));
        }
        for position in settled {
            let found = self
                .reading
                .iter()
                .find(|(_, (stream, _))| *stream == position.stream);
            let Some((place, _)) = found else { continue };
            if state.log.owns(&self.group, self.member, place) {
                state.commit(&self.group, place, position.ordinal + 1);
            }
        }
        Ok(())
    }
}
