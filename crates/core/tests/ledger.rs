//! The offset ledger against a model that keeps everything it was ever told.

use std::collections::BTreeMap;

use freshet_core::ledger::OffsetLedger;
use freshet_core::position::{StreamId, StreamPosition};
use proptest::prelude::*;

#[derive(Debug, Clone, Copy)]
enum Step {
    Open {
        position: StreamPosition,
        waits_for: u32,
    },
    Settle(StreamPosition),
    Close(StreamId),
    Take,
}

/// What one stream was told, naively: every position with the answers it still waits for.
#[derive(Debug, Default)]
struct ModelStream {
    opened: BTreeMap<u64, u32>,
    taken: Option<u64>,
}

impl ModelStream {
    fn settled_prefix(&self) -> Option<u64> {
        let settled = self.opened.iter().take_while(|(_, waits)| **waits == 0);
        settled.last().map(|(&ordinal, _)| ordinal)
    }

    fn open(&self) -> usize {
        self.opened
            .iter()
            .skip_while(|(_, waits)| **waits == 0)
            .count()
    }
}

#[derive(Debug, Default)]
struct Model {
    streams: BTreeMap<StreamId, ModelStream>,
}

impl Model {
    fn open(&mut self, position: StreamPosition, waits_for: u32) -> bool {
        let stream = self.streams.entry(position.stream).or_default();
        let rises = stream
            .opened
            .keys()
            .last()
            .is_none_or(|&last| last < position.ordinal);
        if rises {
            stream.opened.insert(position.ordinal, waits_for);
        }
        rises
    }

    fn settle(&mut self, position: StreamPosition) -> bool {
        let stream = self.streams.get_mut(&position.stream);
        match stream.and_then(|stream| stream.opened.get_mut(&position.ordinal)) {
            Some(waits) if *waits > 0 => {
                *waits -= 1;
                true
            }
            _ => false,
        }
    }

    fn take(&mut self) -> BTreeMap<StreamId, u64> {
        let mut moved = BTreeMap::new();
        for (&id, stream) in &mut self.streams {
            let prefix = stream.settled_prefix();
            if let Some(ordinal) = prefix.filter(|_| prefix != stream.taken) {
                stream.taken = prefix;
                moved.insert(id, ordinal);
            }
        }
        moved
    }
}

fn taken(ledger: &mut OffsetLedger) -> BTreeMap<StreamId, u64> {
    let mut moved = BTreeMap::new();
    ledger.take_committable(|position| {
        let earlier = moved.insert(position.stream, position.ordinal);
        assert_eq!(earlier, None, "one position per stream");
    });
    moved
}

fn at(stream: u32, ordinal: u64) -> StreamPosition {
    StreamPosition {
        stream: StreamId(stream),
        ordinal,
    }
}

fn step() -> impl Strategy<Value = Step> {
    // Few streams and ordinals, so that repeats, late answers and holes are common.
    let position = || (0..3_u32, 0..24_u64).prop_map(|(stream, ordinal)| at(stream, ordinal));
    prop_oneof![
        4 => (position(), 0..4_u32)
            .prop_map(|(position, waits_for)| Step::Open { position, waits_for }),
        8 => position().prop_map(Step::Settle),
        1 => (0..3_u32).prop_map(|stream| Step::Close(StreamId(stream))),
        3 => Just(Step::Take),
    ]
}

fn run(steps: &[Step]) -> Result<(), TestCaseError> {
    let (mut ledger, mut model) = (OffsetLedger::default(), Model::default());
    for &step in steps {
        match step {
            Step::Open {
                position,
                waits_for,
            } => {
                let opened = ledger.open(position, waits_for);
                prop_assert_eq!(opened, model.open(position, waits_for), "{:?}", step);
            }
            Step::Settle(position) => {
                prop_assert_eq!(
                    ledger.settle(position),
                    model.settle(position),
                    "{:?}",
                    step
                );
            }
            Step::Close(stream) => {
                ledger.close(stream);
                model.streams.remove(&stream);
            }
            Step::Take => prop_assert_eq!(taken(&mut ledger), model.take()),
        }
        let open: usize = model.streams.values().map(ModelStream::open).sum();
        prop_assert_eq!(ledger.open_count(), open);
        for stream in 0..3 {
            let open = model
                .streams
                .get(&StreamId(stream))
                .map_or(0, ModelStream::open);
            prop_assert_eq!(ledger.open_in(StreamId(stream)), open);
        }
    }
    prop_assert_eq!(taken(&mut ledger), model.take());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn p1_committable_is_the_contiguous_settled_prefix(
        steps in prop::collection::vec(step(), 0..120),
    ) {
        run(&steps)?;
    }

    /// Dense streams in rising order, answers in any order: everything is committable in the end, and
    /// never anything before its own answer.
    #[test]
    fn p1_answers_in_any_order_never_overtake(
        order in Just((0..40_u64).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let mut ledger = OffsetLedger::default();
        for ordinal in 0..40 {
            prop_assert!(ledger.open(at(7, ordinal), 1));
        }
        let mut answered = [false; 40];
        for ordinal in order {
            answered[ordinal as usize] = true;
            prop_assert!(ledger.settle(at(7, ordinal)));
            for (_, committed) in taken(&mut ledger) {
                prop_assert!(answered[..=committed as usize].iter().all(|&done| done));
            }
        }
        prop_assert_eq!(ledger.open_count(), 0);
    }
}

#[test]
fn p1_a_record_waits_for_every_one_of_its_purges() {
    let mut ledger = OffsetLedger::default();
    ledger.open(at(1, 10), 3);
    ledger.open(at(1, 11), 0);
    for _ in 0..2 {
        assert!(ledger.settle(at(1, 10)));
        assert!(taken(&mut ledger).is_empty());
    }
    assert!(ledger.settle(at(1, 10)));
    assert_eq!(taken(&mut ledger), BTreeMap::from([(StreamId(1), 11)]));
}

#[test]
fn p3_a_record_handed_out_again_is_refused_also_after_its_commit() {
    let mut ledger = OffsetLedger::default();
    assert!(ledger.open(at(1, 10), 1));
    assert!(!ledger.open(at(1, 10), 1), "while it is open");
    assert!(ledger.settle(at(1, 10)));
    assert!(!ledger.open(at(1, 10), 1), "while it is committable");
    taken(&mut ledger);
    assert!(!ledger.open(at(1, 10), 1), "after its commit");
    assert!(!ledger.open(at(1, 9), 0), "an earlier one");
    assert!(ledger.open(at(1, 11), 1));
}

#[test]
fn p3_an_answer_of_an_earlier_assignment_settles_nothing() {
    let mut ledger = OffsetLedger::default();
    ledger.open(at(1, 10), 1);
    ledger.close(StreamId(1));
    // The partition comes back under a new stream id.
    ledger.open(at(2, 10), 1);
    assert!(!ledger.settle(at(1, 10)));
    assert!(taken(&mut ledger).is_empty());
    assert_eq!(ledger.open_count(), 1);
    assert!(ledger.settle(at(2, 10)));
    assert!(!ledger.settle(at(2, 10)), "twice");
    assert_eq!(taken(&mut ledger), BTreeMap::from([(StreamId(2), 10)]));
}

#[test]
fn p1_a_closed_stream_commits_nothing_more() {
    let mut ledger = OffsetLedger::default();
    ledger.open(at(1, 10), 0);
    ledger.close(StreamId(1));
    assert!(taken(&mut ledger).is_empty());
}
