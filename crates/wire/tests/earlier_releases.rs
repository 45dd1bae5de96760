//! Our own records as the release before wrote them, byte for byte (`schemas/fixtures/earlier`), read by this one.

use freshet_core::position::WallMicros;
use freshet_core::registry::{LetterPolicy, PurgeMode, Scope};
use freshet_wire::{
    DeadLetter, DeadLetterResolution, OuterPurges, PurgeRequest, ReadPosition, RequestedPurge,
    ResolutionAction, RowBytes,
};

const AT: WallMicros = WallMicros(1_795_406_543_404_140);

fn request() -> PurgeRequest {
    let purge = |scope, name: &str| RequestedPurge {
        family: "catalog.item".to_owned(),
        scope,
        mode: PurgeMode::Hard,
        name: name.as_bytes().to_vec(),
        committed: AT,
        cause: None,
    };
    PurgeRequest {
        target: "main".to_owned(),
        revision: "0123456789abcdef".to_owned(),
        purges: vec![
            purge(Scope::Keys, "catalog:v1:item:7"),
            purge(Scope::Family, "catalog:v1:item:*:reviews"),
        ],
        then: vec![OuterPurges {
            target: "edge".to_owned(),
            purges: vec![
                purge(Scope::Tag, "item-7"),
                purge(Scope::Family, "catalog.item"),
            ],
        }],
        requested: AT,
    }
}

fn letter() -> DeadLetter {
    DeadLetter {
        topic: "shop.public.items".to_owned(),
        partition: 3,
        offset: 1 << 40,
        reason: "bad_avro".to_owned(),
        detail: "the record ends in its header".to_owned(),
        families: vec!["catalog.item".to_owned()],
        value_bytes: 5,
        attempts: 1,
        at: AT,
        appended: AT,
        policy: LetterPolicy::KeysOnly,
        key: Some(RowBytes(b"{\"id\":7}".to_vec())),
        value: None,
        cut: false,
    }
}

fn resolution() -> DeadLetterResolution {
    DeadLetterResolution {
        letter_partition: 0,
        letter_offset: 5,
        action: ResolutionAction::FamiliesPurged,
        because: "looked into".to_owned(),
        actor: "ann@host".to_owned(),
        families: vec!["catalog.item".to_owned()],
        purges: 2,
        at: AT,
    }
}

fn position() -> ReadPosition {
    ReadPosition {
        group: "freshet".to_owned(),
        topic: "shop.public.items".to_owned(),
        partition: 1,
        offset: 9,
        at: AT,
    }
}

/// The bytes of a line of hexadecimal digits.
fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<char> = hex.trim().chars().collect();
    let pairs = digits.chunks(2).map(|pair| {
        let pair: String = pair.iter().collect();
        u8::from_str_radix(&pair, 16).expect("hexadecimal")
    });
    pairs.collect()
}

macro_rules! recorded {
    ($name:literal) => {
        bytes(include_str!(concat!(
            "../../../schemas/fixtures/earlier/",
            $name,
            ".hex"
        )))
    };
}

#[test]
fn a_purge_request_is_read() {
    let read = PurgeRequest::decode(&recorded!("purge_request.3"));
    assert_eq!(read, Ok(request()));
}

#[test]
fn a_dead_letter_and_what_became_of_it_are_read() {
    assert_eq!(
        DeadLetter::decode(&recorded!("dead_letter.2")),
        Ok(letter())
    );
    let read = DeadLetterResolution::decode(&recorded!("dead_letter_resolution.1"));
    assert_eq!(read, Ok(resolution()));
}

#[test]
fn how_far_a_group_had_read_is_read() {
    assert_eq!(
        ReadPosition::decode(&recorded!("position.1")),
        Ok(position())
    );
}
