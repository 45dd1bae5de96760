use freshet_core::ports::Origin;

use super::*;

const TOPIC: &str = "shop.public.items";
const KEY: &[u8] = b"{\"id\":7}";

fn record(stream: u32, appended: u64, value: &[u8]) -> RawRecord<'_> {
    RawRecord {
        position: StreamPosition {
            stream: StreamId(stream),
            ordinal: appended,
        },
        origin: Origin {
            topic: TOPIC,
            partition: stream as i32,
            offset: 9,
        },
        key: Some(KEY),
        value: Some(value),
        appended: WallMicros(appended),
    }
}

#[test]
fn a_record_is_the_same_after_it_has_waited() {
    let mut parked = Parked::default();
    parked.park(&record(1, 5, b"value"), 7);
    let (stream, held) = parked.take_waiting_for(7).expect("it waits");
    assert_eq!((stream, held.wants, held.came), (StreamId(1), 7, 0));
    assert_eq!(held.records.len(), 1);
    let told = |it: &RawRecord<'_>| format!("{it:?}");
    let waited = held.records[0].as_raw();
    assert_eq!(told(&waited), told(&record(1, 5, b"value")));
}

#[test]
fn p14_so_many_bytes_wait_and_what_is_dropped_makes_room() {
    let frame = RECORD_BYTES + TOPIC.len() + KEY.len();
    let half = vec![b'x'; PARKED_BYTES_MAX / 2 - frame];
    let mut parked = Parked::default();
    parked.park(&record(1, 1, &half), 7);
    parked.park(&record(2, 2, &half[1..]), 8);
    assert!(!parked.is_full(), "one byte less");
    parked.forget(StreamId(2));
    parked.park(&record(2, 2, &half), 8);
    assert!(parked.is_full());
    let (stream, held) = parked.take_waiting_for(8).expect("it waits");
    assert!(!parked.is_full(), "while it is looked at");
    parked.put_back(stream, held);
    assert!(parked.is_full());
    parked.forget(StreamId(1));
    assert!(!parked.is_full());
    parked.forget(StreamId(2));
    assert!(parked.is_empty());
}

#[test]
fn the_source_is_told_which_streams_wait_when_they_are_others() {
    let mut parked = Parked::default();
    assert_eq!(parked.take_changed(), None);
    parked.park(&record(1, 1, b""), 7);
    parked.park(&record(4, 2, b""), 7);
    let both = Some(vec![StreamId(1), StreamId(4)]);
    assert_eq!(parked.take_changed(), both);
    parked.park(&record(1, 3, b""), 0);
    assert_eq!(parked.take_changed(), None, "it waited before");
    let (stream, held) = parked.take_waiting_for(7).expect("the first");
    assert_eq!(parked.take_changed(), Some(vec![StreamId(4)]));
    parked.put_back(stream, held);
    assert_eq!(parked.take_changed(), both);
    parked.forget(StreamId(3));
    assert_eq!(parked.take_changed(), None, "it did not wait");
    parked.forget(StreamId(1));
    assert_eq!(parked.take_changed(), Some(vec![StreamId(4)]));
}

#[test]
fn who_waits_for_what_and_since_when_is_told() {
    let mut parked = Parked::default();
    assert_eq!((parked.oldest(), parked.len()), (None, 0));
    parked.park(&record(1, 9, b""), 7);
    parked.park(&record(4, 5, b""), 8);
    parked.park(&record(4, 2, b""), 0);
    assert!(parked.len() == 2 && !parked.is_empty());
    assert_eq!(parked.oldest(), Some(WallMicros(5)), "of those in front");
    assert!(parked.holds(StreamId(4)) && !parked.holds(StreamId(2)));
    assert_eq!(parked.place_of(8), Some((TOPIC, 4)));
    assert_eq!(parked.place_of(9), None);
    assert!(parked.wants(7) && parked.wants(8) && !parked.wants(9));
}
