use freshet_core::position::UnixMicros;

use super::DeadLetter;
use crate::RecordError;

fn letter() -> DeadLetter {
    DeadLetter {
        topic: "shop.public.items".to_owned(),
        partition: 3,
        offset: 1 << 40,
        reason: "bad_avro".to_owned(),
        detail: "bad Avro under schema 7 at byte 12: the datum ends too early".to_owned(),
        families: vec!["catalog.item".to_owned(), "catalog.category".to_owned()],
        value_bytes: 1 << 33,
        attempts: u32::MAX,
        at: UnixMicros(1_795_406_543_404_140),
        appended: UnixMicros(0),
    }
}

#[test]
fn a_dead_letter_comes_back() {
    assert_eq!(DeadLetter::decode(&letter().encode()), Ok(letter()));
    let empty = DeadLetter::default();
    assert_eq!(DeadLetter::decode(&empty.encode()), Ok(empty));
}

#[test]
fn a_cut_or_changed_dead_letter_never_panics() {
    let record = letter().encode();
    for at in 0..record.len() {
        assert!(DeadLetter::decode(&record[..at]).is_err(), "cut at {at}");
        for flip in [0x01, 0x80, 0xff] {
            let mut damaged = record.clone();
            damaged[at] ^= flip;
            let answer = DeadLetter::decode(&damaged);
            if (2..10).contains(&at) {
                let unknown = matches!(answer, Err(RecordError::UnknownSchema { .. }));
                assert!(unknown, "fingerprint changed at {at}");
            }
        }
    }
}
