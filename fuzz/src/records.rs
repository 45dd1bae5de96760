//! Records of bound topics: whoever can write to the topic or to the schema registry chooses these bytes.

use std::path::PathBuf;
use std::sync::LazyLock;

use freshet_core::change::Change;
use freshet_core::ports::{Origin, RawRecord};
use freshet_core::position::{StreamId, StreamPosition};
use freshet_core::purge::PurgeSet;
use freshet_core::registry::Registry;
use freshet_core::resolve::resolve;
use freshet_registry::load_files;
use freshet_wire::{DecodeError, Decoded, Decoder, Limits};

const ITEMS: &str = "shop.public.items";
const NOTES: &str = "shop.public.notes";
const TRANSACTIONS: &str = "shop.transaction";

/// A record as connectors usually write it: what a decoder has learnt from it must not change what others mean.
const USUAL: &[u8] = br#"{"before":null,"after":{"id":1,"category_id":3,"sku":"00000000-0000-0000-0000-000000000001","name":"Cup","active":true,"price":"1.50","released":1,"made":1,"seen":"2024-05-31T12:00:00Z"},"source":{"connector":"postgresql","name":"shop","ts_ms":1763872853000,"snapshot":"false","db":"shop","sequence":"[\"200\",\"300\"]","schema":"public","table":"items","txId":5,"lsn":300},"transaction":null,"op":"c","ts_ms":1763872853500}"#;

static REGISTRY: LazyLock<Registry> = LazyLock::new(|| {
    let file = |path: &str, text: &str| (PathBuf::from(path), text.to_owned());
    let files = vec![
        file(
            "sources/shop.yaml",
            include_str!("../registry/sources/shop.yaml"),
        ),
        file(
            "families/item.yaml",
            include_str!("../registry/families/item.yaml"),
        ),
        file(
            "families/listing.yaml",
            include_str!("../registry/families/listing.yaml"),
        ),
        file(
            "families/note.yaml",
            include_str!("../registry/families/note.yaml"),
        ),
    ];
    match load_files(files) {
        Ok(loaded) => loaded.registry,
        Err(faults) => panic!("the registry of the fuzz targets: {}", faults.render()),
    }
});

fn record<'a>(topic: &'a str, key: Option<&'a [u8]>, value: Option<&'a [u8]>) -> RawRecord<'a> {
    RawRecord {
        position: StreamPosition {
            stream: StreamId(0),
            ordinal: 0,
        },
        origin: Origin {
            topic,
            partition: 0,
            offset: 0,
        },
        key,
        value,
        appended: Default::default(),
    }
}

/// What a record came to: what it is, and the names that it purges, in order.
#[derive(Debug, PartialEq)]
struct Meaning {
    decoded: Result<Decoded, DecodeError>,
    purges: Vec<(String, Vec<u8>)>,
}

fn meaning(decoder: &mut Decoder, record: &RawRecord<'_>) -> Meaning {
    let (mut change, mut set) = (Change::default(), PurgeSet::default());
    let decoded = decoder.decode(record, &REGISTRY, &mut change);
    if decoded == Ok(Decoded::Change) {
        resolve(&REGISTRY, &change, &mut set);
    }
    let purges = set.iter().map(|(purge, name)| {
        let place = format!("{:?} {:?} {:?}", purge.target, purge.family, purge.scope);
        (place, name.to_vec())
    });
    Meaning {
        decoded,
        purges: purges.collect(),
    }
}

/// The input is the value of a record in JSON. It means the same to a decoder that has seen others before.
pub(crate) fn json(input: &[u8]) {
    for topic in [ITEMS, NOTES] {
        let record = record(topic, Some(br#"{"id":7}"#), Some(input));
        let fresh = meaning(&mut Decoder::new(Limits::default()), &record);
        let mut learnt = Decoder::new(Limits::default());
        for _ in 0..2 {
            meaning(
                &mut learnt,
                &self::record(topic, Some(br#"{"id":1}"#), Some(USUAL)),
            );
        }
        for _ in 0..2 {
            assert_eq!(
                meaning(&mut learnt, &record),
                fresh,
                "what was learnt decides"
            );
        }
    }
}

/// The input is the key of a tombstone and of a delete.
pub(crate) fn key(input: &[u8]) {
    const DELETE: &[u8] = br#"{"before":null,"after":null,"source":{"connector":"postgresql","ts_ms":1,"lsn":3},"op":"d"}"#;
    let mut decoder = Decoder::new(Limits::default());
    for value in [Some(DELETE), None] {
        meaning(&mut decoder, &record(ITEMS, Some(input), value));
    }
}

/// The input is two bytes with the length of a writer schema, the schema, and a datum.
pub(crate) fn avro(input: &[u8]) {
    let Some((schema, datum)) = parts(input) else {
        return;
    };
    let mut decoder = Decoder::new(Limits::default());
    if decoder
        .add_writer_schema(1, &String::from_utf8_lossy(schema))
        .is_err()
    {
        return;
    }
    let mut value = vec![0, 0, 0, 0, 1];
    value.extend_from_slice(datum);
    let record = record(ITEMS, Some(&value), Some(&value));
    let first = meaning(&mut decoder, &record);
    assert_eq!(
        meaning(&mut decoder, &record),
        first,
        "what was learnt decides"
    );
}

fn parts(input: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = input.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}

/// The input is a record of a transaction topic.
pub(crate) fn boundary(input: &[u8]) {
    let mut decoder = Decoder::new(Limits::default());
    // Whether it can be read does not matter here.
    let _ = decoder.decode_boundary(&record(TRANSACTIONS, Some(input), Some(input)));
}
