//! take: what an intake does with each record. Changes and purge requests are taken differently, in the same loop.

use std::sync::Arc;

use freshet_core::intent::Asked;
use freshet_core::ports::RawRecord;
use freshet_core::position::{Steady, StreamId, StreamPosition, WallMicros};

use crate::intake::open::Open;

/// What an intake does with each record it is given.
pub(crate) trait Take: Send {
    /// Puts what the record asks for into the open round. Returns how many answers its position waits for: zero
    /// settles it at once, one waits for the round. Records that were at hand together have one `now`.
    fn take(&mut self, record: RawRecord<'_>, open: &mut Open, now: Steady) -> u32;

    /// Whether more records wait for something else than a round than may; nothing more is to be taken until fewer do.
    fn is_held_up(&self) -> bool {
        false
    }

    /// Streams whose records wait for something else than a round, when they are others than at the last call.
    fn held(&mut self) -> Option<Vec<StreamId>> {
        None
    }

    /// The schema that the record at a position waits for.
    fn schema_for(&self, _position: StreamPosition) -> Option<u32> {
        None
    }

    /// Whether an answer that records wait for is on its way.
    fn is_asking(&self) -> bool {
        false
    }

    /// When the oldest record that waits so was stored by the source.
    fn oldest(&self) -> Option<WallMicros> {
        None
    }

    /// Takes what was held up, when what it waits for has come.
    fn retry(&mut self, _open: &mut Open) {}

    /// Drops what is held up for a stream that somebody else reads now.
    fn forget(&mut self, _stream: StreamId) {}

    /// What is purged when records of a topic are lost.
    fn asked_when_lost(&self, topic: &Arc<str>) -> Asked {
        Asked::Topic(Arc::clone(topic))
    }

    /// A partition is read here from now on.
    fn assigned(&mut self, _stream: StreamId, _topic: &Arc<str>, _partition: i32) {}

    /// The group reads a stream for the first time.
    fn begins(&mut self, _stream: StreamId) {}

    /// Records of a topic are lost.
    fn spoil(&mut self, _topic: &str) {}

    /// Looks for what is known only after some time. Called before each pull.
    fn look(&mut self, _open: &mut Open) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Settled;

    impl Take for Settled {
        fn take(&mut self, _record: RawRecord<'_>, _open: &mut Open, _now: Steady) -> u32 {
            0
        }
    }

    #[test]
    fn who_settles_all_at_once_holds_nothing_up() {
        let mut take = Settled;
        assert!(!take.is_held_up() && !take.is_asking());
        assert!(take.held().is_none() && take.oldest().is_none());
    }
}
