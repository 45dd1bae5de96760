//! A tombstone means the same whatever the source file states of tombstones: the file may be out of date, and a topic
//! that was compacted holds no delete any more.

mod shop;

use std::sync::Arc;

use freshet_core::change::{Change, Op};
use freshet_core::connector::{Connector, Setting, Tombstones};
use freshet_core::registry::Registry;
use freshet_core::table::{Engine, ReplicaIdentity};
use freshet_wire::{Decoded, Decoder, Limits, Skipped};

const NOTES: &str = "shop.public.notes";
const KEY: &[u8] = br#"{"id":3}"#;
const DELETE: &[u8] = br#"{"before":{"id":3,"item_id":1,"tenant":7,"body":"b"},"after":null,"source":{"connector":"postgresql","ts_ms":1717156800123,"lsn":300},"op":"d"}"#;

fn registry(tombstones: Option<Tombstones>) -> Registry {
    let mut table = shop::table(NOTES, Engine::Postgres, ReplicaIdentity::Full, shop::NOTES);
    table.shape.connector = Arc::new(Connector {
        tombstones,
        ..Connector::default()
    });
    shop::registry(1, vec![table])
}

#[test]
fn p15_a_tombstone_purges_by_its_key_whatever_is_stated_of_tombstones() {
    let stated = Tombstones::WORDS.iter().map(|word| Tombstones::named(word));
    for tombstones in stated.chain([None]) {
        let registry = registry(tombstones);
        let mut decoder = Decoder::new(Limits::default());
        let mut change = Change::default();
        let mut offset = 0;
        let mut decode = |value| {
            let record = shop::at(shop::record(NOTES, Some(KEY), value), 0, offset);
            offset += 1;
            let decoded = decoder.decode(&record, &registry, &mut change);
            (decoded, change.op, shop::images(&registry, &change))
        };
        let alone = decode(None);
        let gone = "before id=\"3\" item_id=? tenant=? body=?".to_owned();
        assert_eq!(
            alone,
            (Ok(Decoded::Change), Op::Delete, gone),
            "{tombstones:?}"
        );
        let (decoded, op, _) = decode(Some(DELETE));
        assert_eq!((decoded, op), (Ok(Decoded::Change), Op::Delete));
        let (repeated, ..) = decode(None);
        assert_eq!(
            repeated,
            Ok(Decoded::Skipped(Skipped::Tombstone)),
            "{tombstones:?}"
        );
    }
}
