//! settle: decides which source positions can be committed.
//!
//! Every position is opened with the number of answers it waits for and counts down as they arrive, in any
//! order. Only the contiguous prefix of each stream can be committed (promise P1).

use std::collections::VecDeque;

use rustc_hash::FxHashMap;

use crate::broken::Promise;
use crate::position::{StreamId, StreamPosition};

#[derive(Debug, Default)]
struct Stream {
    entries: VecDeque<Entry>,
    /// Ordinal of the last settled entry of the prefix, until `take_committable` returns it.
    ready: Option<u64>,
    /// Ordinal of the last entry ever opened. Kept after the entry, to recognise a record that is redelivered after
    /// its commit.
    last: Option<u64>,
}

#[derive(Debug)]
struct Entry {
    ordinal: u64,
    waits_for: u32,
}

/// Open positions per stream and the prefix that is settled.
#[derive(Debug, Default)]
pub struct OffsetLedger {
    streams: FxHashMap<StreamId, Stream>,
    open: usize,
}

impl OffsetLedger {
    /// Opens a position that waits for `waits_for` answers; zero settles it at once. Positions of one stream
    /// must be opened in increasing order. A position that does not increase (a redelivered record) is rejected:
    /// the function returns false.
    pub fn open(&mut self, position: StreamPosition, waits_for: u32) -> bool {
        let stream = self.streams.entry(position.stream).or_default();
        let again = stream.last.is_some_and(|last| position.ordinal <= last);
        if again && !Promise::P3.is_broken() {
            return false;
        }
        let waits_for = if Promise::P1.is_broken() {
            0
        } else {
            waits_for
        };
        stream.last = Some(position.ordinal);
        if waits_for == 0 && stream.entries.is_empty() {
            stream.ready = Some(position.ordinal);
            return true;
        }
        stream.entries.push_back(Entry {
            ordinal: position.ordinal,
            waits_for,
        });
        self.open += 1;
        true
    }

    /// Counts one answer for a position. An answer for a closed stream, or for a settled position, is ignored:
    /// the function returns false.
    pub fn settle(&mut self, position: StreamPosition) -> bool {
        let Some(stream) = self.streams.get_mut(&position.stream) else {
            return false;
        };
        let Some(at) = stream.find(position.ordinal) else {
            return false;
        };
        let entry = &mut stream.entries[at];
        if entry.waits_for == 0 {
            return false;
        }
        entry.waits_for -= 1;
        if at == 0 {
            self.open -= stream.advance();
        }
        true
    }

    /// Removes a stream with its open positions: it was revoked, and its next owner reads it again.
    pub fn close(&mut self, stream: StreamId) {
        if let Some(stream) = self.streams.remove(&stream) {
            self.open -= stream.entries.len();
        }
    }

    /// Calls `take` with the last position of each stream's settled prefix that moved since the last call.
    pub fn take_committable(&mut self, mut take: impl FnMut(StreamPosition)) {
        for (&id, stream) in &mut self.streams {
            if let Some(ordinal) = stream.ready.take() {
                take(StreamPosition {
                    stream: id,
                    ordinal,
                });
            }
        }
    }

    /// The first open position of each stream: nothing after it can be committed.
    pub fn blocking(&self) -> impl Iterator<Item = StreamPosition> {
        let first = |(&stream, open): (&StreamId, &Stream)| {
            let ordinal = open.entries.front()?.ordinal;
            Some(StreamPosition { stream, ordinal })
        };
        self.streams.iter().filter_map(first)
    }

    /// One position of each stream with uncommitted positions: the last settled one, or the first open one.
    pub fn uncommitted(&self) -> impl Iterator<Item = StreamPosition> {
        let last = |(&stream, open): (&StreamId, &Stream)| {
            let front = open.entries.front().map(|entry| entry.ordinal);
            let ordinal = open.ready.or(front)?;
            Some(StreamPosition { stream, ordinal })
        };
        self.streams.iter().filter_map(last)
    }

    /// Number of open positions in all streams.
    pub fn open_count(&self) -> usize {
        self.open
    }

    /// Number of open positions in one stream.
    pub fn open_in(&self, stream: StreamId) -> usize {
        self.streams
            .get(&stream)
            .map_or(0, |stream| stream.entries.len())
    }
}

impl Stream {
    /// Finds an entry by ordinal. Streams are nearly dense, so the distance from the front is the first guess.
    fn find(&self, ordinal: u64) -> Option<usize> {
        let front = self.entries.front()?.ordinal;
        let guess = usize::try_from(ordinal.checked_sub(front)?).ok()?;
        if self
            .entries
            .get(guess)
            .is_some_and(|entry| entry.ordinal == ordinal)
        {
            return Some(guess);
        }
        self.entries
            .binary_search_by_key(&ordinal, |entry| entry.ordinal)
            .ok()
    }

    /// Removes the settled prefix; returns the number of removed entries.
    fn advance(&mut self) -> usize {
        let before = self.entries.len();
        while let Some(entry) = self.entries.front() {
            if entry.waits_for > 0 {
                break;
            }
            self.ready = Some(entry.ordinal);
            self.entries.pop_front();
        }
        before - self.entries.len()
    }
}
