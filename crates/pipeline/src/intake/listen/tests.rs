use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::pieces;

const BEATS: &str = "__debezium-heartbeat.shop";

fn at(seconds: u64) -> Steady {
    Steady(seconds * 1_000_000)
}

#[test]
fn p2_a_connector_that_falls_silent_is_a_gap_in_each_of_its_tables_once() {
    let limit = BTreeMap::from([(Arc::from("shop"), Duration::from_secs(30))]);
    let status = Status::default();
    let mut listen = Listen::new(Heartbeats(limit), Beacons::default(), status.clone());
    let partition = Partition {
        topic: Arc::from(BEATS),
        partition: 0,
    };
    listen.assigned("intake 0", StreamId(1), &partition, at(100));
    let registry = pieces::registry_of(&["shop.public.items", "store.public.items"]);
    let mut noticed = Noticed::default();
    let mut gaps = |listen: &mut Listen, now, heard: bool| {
        noticed.heartbeats = Vec::from_iter(heard.then(|| Arc::from(BEATS)));
        listen.listen(&mut noticed, &registry, now);
        let gaps = noticed.gaps.drain(..);
        let gaps = gaps.map(|gap| (gap.topic.to_string(), gap.cause));
        gaps.collect::<Vec<_>>()
    };
    assert_eq!(gaps(&mut listen, at(110), true), []);
    assert_eq!(gaps(&mut listen, at(140), false), []);
    let of_items = ("shop.public.items".to_owned(), GapCause::HeartbeatSilent);
    assert_eq!(gaps(&mut listen, at(141), false), [of_items]);
    assert!(!status.is_ready("source shop"));
    assert_eq!(gaps(&mut listen, at(200), false), [], "once");
    assert_eq!(gaps(&mut listen, at(201), true), []);
    assert!(status.is_ready("source shop"));
    listen.revoked("intake 0", StreamId(1), BEATS);
    assert_eq!(gaps(&mut listen, at(900), false), [], "read elsewhere");
}
