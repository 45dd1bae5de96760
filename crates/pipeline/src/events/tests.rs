use freshet_core::position::Steady;
use metrics_exporter_prometheus::PrometheusBuilder;

use super::*;
use crate::pieces;
use crate::round::Round;
use crate::rules::Rules;

/// A round that nothing was asked of.
fn settled() -> Arc<Settled> {
    let round = Round::new(Arc::new(Rules::new(pieces::registry_of(&[]))));
    Arc::new(Settled::new(round, Vec::new(), Steady(1)))
}

/// How many rounds a queue holds.
fn held(rounds: &mut mpsc::Receiver<Arc<Settled>>) -> usize {
    std::iter::from_fn(|| rounds.try_recv().ok()).count()
}

#[test]
fn who_does_not_read_loses_what_has_no_room_and_nobody_else_does() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let (slow, quick, picky) = ::metrics::with_local_recorder(&recorder, || {
        let mut subscribers = Subscribers::default();
        let mut slow = subscribers.subscribe("slow", |_| true);
        let mut quick = subscribers.subscribe("quick", |_| true);
        let mut picky = subscribers.subscribe("picky", |settled| settled.at() == Steady(9));
        let mut read = 0;
        for _ in 0..WAITING_MAX + 5 {
            subscribers.publish(&settled());
            read += held(&mut quick);
        }
        (held(&mut slow), read, held(&mut picky))
    });
    assert_eq!((slow, quick, picky), (WAITING_MAX, WAITING_MAX + 5, 0));
    let page = recorder.handle().render();
    for (subscriber, lost) in [("slow", 5), ("quick", 0), ("picky", 0)] {
        let line = format!("{EVENTS_LOST}{{subscriber=\"{subscriber}\"}} {lost}\n");
        assert!(page.contains(&line), "{page}");
    }
}

#[test]
fn subscribers_end_when_nobody_publishes_any_more() {
    let mut subscribers = Subscribers::default();
    let mut rounds = subscribers.subscribe("one", |_| true);
    let copy = subscribers.clone();
    copy.publish(&settled());
    drop((subscribers, copy));
    assert!(rounds.blocking_recv().is_some(), "what is there is read");
    assert!(rounds.blocking_recv().is_none());
}
