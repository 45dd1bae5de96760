use super::*;

const SECOND: u64 = 1_000_000;
const TOPIC: &str = "shop.public.freshet_beacon";

fn at(seconds: u64) -> Steady {
    Steady(seconds * SECOND)
}

fn beacons() -> (Beacons, BeaconSeat) {
    let seat = BeaconSeat {
        database: Arc::from("shop"),
        target: Arc::from("main"),
        topic: Arc::from(TOPIC),
        in_first_partition: true,
        within: Duration::from_secs(60),
        entry: None,
    };
    (Beacons::new(vec![seat.clone()], at(100)).0, seat)
}

fn age(beacons: &Beacons, seat: &BeaconSeat, now: Steady) -> u64 {
    beacons.age(seat, now).as_micros() as u64
}

fn reader(stream: u32) -> Reader {
    Reader::new("intake 0", StreamId(stream))
}

#[test]
fn p2_a_beacon_grows_old_by_itself() {
    let (beacons, seat) = beacons();
    assert_eq!(age(&beacons, &seat, at(107)), 7 * SECOND, "since the start");
    beacons.assigned(reader(1), TOPIC, 0, at(110));
    assert_eq!(age(&beacons, &seat, at(111)), SECOND, "since it is read");
    beacons.effective(&seat, at(120));
    assert_eq!(age(&beacons, &seat, at(121)), SECOND);
    assert_eq!(age(&beacons, &seat, at(500)), 380 * SECOND);
    beacons.effective(&seat, at(119));
    assert_eq!(age(&beacons, &seat, at(121)), SECOND, "the newest counts");
}

#[test]
fn p2_a_beacon_that_stops_is_told_once_and_so_is_its_end() {
    let (beacons, seat) = beacons();
    beacons.assigned(reader(1), TOPIC, 0, at(100));
    assert_eq!(beacons.judge(&seat, at(160)).reason, None);
    let told = beacons.judge(&seat, at(161));
    assert!(told.became_late);
    assert!(told.reason.expect("late").contains("no beat within 60 s"));
    assert!(!beacons.judge(&seat, at(170)).became_late, "counted once");
    beacons.heard(TOPIC, 0, at(171));
    let told = beacons.judge(&seat, at(172)).reason.expect("still late");
    assert!(
        told.contains("beats arrive, but none took effect"),
        "{told}"
    );
    beacons.effective(&seat, at(171));
    assert_eq!(beacons.judge(&seat, at(172)).reason, None);
    beacons.ineffective(&seat);
    let told = beacons.judge(&seat, at(173)).reason.expect("at once");
    assert!(told.contains("the entry is still there"), "{told}");
    beacons.effective(&seat, at(174));
    assert_eq!(beacons.judge(&seat, at(175)).reason, None);
}

#[test]
fn p2_only_who_reads_the_row_misses_it() {
    let (beacons, seat) = beacons();
    let late = |now| beacons.judge(&seat, at(now)).reason.is_some();
    assert!(!late(500), "nobody reads it here");
    beacons.assigned(reader(1), TOPIC, 2, at(500));
    assert!(!late(600), "the row's partition is another one");
    beacons.assigned(reader(2), TOPIC, 0, at(600));
    assert!(!late(660));
    assert!(late(661), "nothing came through the first partition either");
    beacons.heard(TOPIC, 2, at(661));
    beacons.revoked(&reader(1), TOPIC);
    assert!(!late(800), "what carries it is somebody else's now");
    beacons.assigned(reader(3), TOPIC, 2, at(800));
    assert!(!late(860), "waited for since it is read");
    assert!(late(861));
}
