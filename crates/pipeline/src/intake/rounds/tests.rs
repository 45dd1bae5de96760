use std::sync::mpsc::{SyncSender, sync_channel};

use freshet_core::position::StreamId;
use freshet_core::registry::FreshnessClass;

use super::*;
use crate::pieces;
use crate::round::Window;

struct Scene {
    rules: Arc<Rules>,
    rounds: Rounds,
    /// The lanes' side.
    sent: mpsc::Receiver<Round>,
    report: SyncSender<Returned>,
}

/// One round may be under way, and one more when the first is late.
fn scene(window: Window) -> Scene {
    let rules = Arc::new(Rules::new(pieces::registry_of(&[])));
    let bounds = Bounds {
        round_records_max: 2,
        rounds_in_flight_max: 1,
        rounds_open_max: 2,
        idle_wait: Duration::ZERO,
        window,
        ..Bounds::default()
    };
    let (to_lanes, sent) = mpsc::channel(2);
    let (report, from_lanes) = sync_channel(4);
    Scene {
        rounds: Rounds::new(Arc::clone(&rules), bounds, to_lanes, from_lanes),
        rules,
        sent,
        report,
    }
}

fn position(ordinal: u64) -> StreamPosition {
    let stream = StreamId(1);
    StreamPosition { stream, ordinal }
}

impl Scene {
    fn take(&mut self, ordinal: u64, now: u64) {
        let round = &mut self.rounds.open.round;
        round.note(WallMicros(ordinal), FreshnessClass::Batch, Steady(now));
        round.purges.add_position(position(ordinal));
    }

    fn is_due(&self, now: u64) -> bool {
        self.rounds.is_due(|| Steady(now))
    }

    fn send(&mut self) -> Round {
        self.rounds.send(Arc::clone(&self.rules), "intake 0");
        self.sent.try_recv().expect("a round")
    }

    fn return_done(&mut self, round: Round) {
        let settled = Arc::new(Settled::new(round, Vec::new(), Steady(9)));
        self.report.send(Returned::Done(settled)).expect("room");
    }
}

#[test]
fn a_round_is_sent_when_its_window_is_over_or_it_is_full_and_another_may_be_under_way() {
    let mut scene = scene(Window {
        quiet: Duration::from_micros(10),
        max_wait: Duration::from_micros(15),
    });
    assert!(!scene.is_due(100), "it is empty");
    scene.take(4, 100);
    assert!(!scene.is_due(109));
    assert!(scene.is_due(110));
    scene.take(5, 109);
    assert!(scene.is_due(109), "it is full");
    assert_eq!(scene.rounds.room(), 0);
    let first = scene.send();
    scene.take(6, 120);
    assert!(!scene.is_due(200), "one is under way");
    assert_eq!(scene.rounds.oldest(), Some(WallMicros(4)));
    let late = Returned::Late {
        number: first.number,
        targets: vec![Arc::from("main")],
    };
    scene.report.send(late).expect("room");
    assert!(scene.rounds.next_done().is_none());
    assert!(
        scene.is_due(200),
        "the first one only waits for who is late"
    );
    let waits = scene.rounds.round_of(position(5)).expect("under way");
    assert_eq!(waits.late.as_deref(), Some(&[Arc::from("main")][..]));
    scene.return_done(first);
    let settled = scene.rounds.next_done().expect("done");
    assert_eq!(settled.positions(), [position(4), position(5)]);
    assert!(scene.rounds.round_of(position(5)).is_none());
}

#[test]
fn what_is_open_waits_for_a_round_only_when_there_is_nothing_better_to_do() {
    let mut scene = scene(Window::default());
    scene.take(4, 1);
    let first = scene.send();
    scene.return_done(first);
    assert!(scene.rounds.wait_done(true).is_none(), "nothing is open");
    scene.take(5, 2);
    assert!(scene.rounds.wait_done(false).is_none(), "there are records");
    scene.take(6, 2);
    assert!(scene.rounds.wait_done(false).is_some(), "no room for them");
}

#[test]
fn a_round_is_used_again_when_nobody_reads_it_any_more() {
    let mut scene = scene(Window::default());
    let mut numbers = Vec::new();
    let mut reader = None;
    for ordinal in 0..3 {
        scene.take(ordinal, 1);
        let round = scene.send();
        numbers.push(round.number);
        assert_eq!(round.purges.positions(), [position(ordinal)]);
        scene.return_done(round);
        let settled = scene.rounds.next_done().expect("done");
        reader.get_or_insert_with(|| Arc::clone(&settled));
        scene.rounds.recycle(settled);
    }
    assert_eq!(numbers, [1, 2, 3]);
    let read = reader.expect("the first");
    assert_eq!(read.positions(), [position(0)], "it is left to its reader");
    assert!(scene.rounds.is_over());
}
