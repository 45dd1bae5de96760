//! sent: the rounds of an intake that are under way → how many more there may be, and which one a position is in.

use std::sync::Arc;

use freshet_core::position::{StreamId, StreamPosition, WallMicros};

use crate::round::{Bounds, Round};

/// A round that is under way.
#[derive(Debug)]
pub(crate) struct Sent {
    number: u64,
    /// Commit time of its oldest change.
    oldest: Option<WallMicros>,
    purges: usize,
    /// Its positions, stream by stream: the first and the last.
    spans: Vec<(StreamId, u64, u64)>,
    /// The targets that are late, when it waits for nobody else.
    pub(crate) late: Option<Vec<Arc<str>>>,
}

/// All of them, in the order in which they were sent.
#[derive(Debug, Default)]
pub(crate) struct InFlight(Vec<Sent>);

impl InFlight {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether no more may be under way.
    pub(crate) fn is_full(&self, bounds: &Bounds) -> bool {
        let in_time = self.0.iter().filter(|sent| sent.late.is_none()).count();
        let purges: usize = self.0.iter().map(|sent| sent.purges).sum();
        in_time >= bounds.rounds_in_flight_max
            || self.0.len() >= bounds.rounds_open_max
            || purges >= bounds.round_purges_max * bounds.rounds_in_flight_max
    }

    /// `round` is sent now.
    pub(crate) fn push(&mut self, round: &Round) {
        self.0.push(Sent {
            number: round.number,
            oldest: round.oldest,
            purges: round.purges.purges(),
            spans: spans_of(round.purges.positions()),
            late: None,
        });
    }

    /// The round of this number waits for nobody but these targets.
    pub(crate) fn wait_for_late(&mut self, number: u64, targets: Vec<Arc<str>>) {
        let mut rounds = self.0.iter_mut();
        if let Some(sent) = rounds.find(|sent| sent.number == number) {
            sent.late = Some(targets);
        }
    }

    /// The round of this number is done.
    pub(crate) fn remove(&mut self, number: u64) {
        self.0.retain(|sent| sent.number != number);
    }

    /// Commit times of the oldest changes.
    pub(crate) fn oldest(&self) -> impl Iterator<Item = WallMicros> {
        self.0.iter().filter_map(|sent| sent.oldest)
    }

    /// The round that a position is in.
    pub(crate) fn round_of(&self, position: StreamPosition) -> Option<&Sent> {
        let is_in = |&(stream, first, last): &(StreamId, u64, u64)| {
            stream == position.stream && (first..=last).contains(&position.ordinal)
        };
        self.0.iter().find(|sent| sent.spans.iter().any(is_in))
    }
}

/// Positions of one stream rise, and neighbours are mostly of one.
fn spans_of(positions: &[StreamPosition]) -> Vec<(StreamId, u64, u64)> {
    let mut spans: Vec<(StreamId, u64, u64)> = Vec::new();
    let mut at = 0;
    for &StreamPosition { stream, ordinal } in positions {
        if spans.get(at).is_none_or(|span| span.0 != stream) {
            let known = spans.iter().position(|span| span.0 == stream);
            at = known.unwrap_or_else(|| {
                spans.push((stream, ordinal, ordinal));
                spans.len() - 1
            });
        }
        spans[at].2 = ordinal;
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(stream: u32, ordinal: u64) -> StreamPosition {
        StreamPosition {
            stream: StreamId(stream),
            ordinal,
        }
    }

    #[test]
    fn a_round_knows_its_positions_stream_by_stream() {
        let spans = spans_of(&[at(1, 5), at(1, 6), at(2, 40), at(1, 9), at(2, 41)]);
        assert_eq!(spans, [(StreamId(1), 5, 9), (StreamId(2), 40, 41)]);
        assert_eq!(spans_of(&[]), []);
    }
}
