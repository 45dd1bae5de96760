use freshet_core::position::WallMicros;

use super::ReadPosition;

fn position() -> ReadPosition {
    ReadPosition {
        group: "freshet".to_owned(),
        topic: "shop.public.items".to_owned(),
        partition: 7,
        offset: 1 << 40,
        at: WallMicros(1_795_406_543_404_140),
    }
}

#[test]
fn a_position_comes_back() {
    assert_eq!(ReadPosition::decode(&position().encode()), Ok(position()));
    assert_eq!(position().record_key(), "freshet/shop.public.items/7");
}

#[test]
fn a_cut_or_changed_position_never_panics() {
    let record = position().encode();
    for at in 0..record.len() {
        assert!(ReadPosition::decode(&record[..at]).is_err(), "cut at {at}");
        let mut damaged = record.clone();
        damaged[at] ^= 0x80;
        let _ = ReadPosition::decode(&damaged);
    }
}
