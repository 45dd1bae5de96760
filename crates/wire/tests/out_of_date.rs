//! A table that is no longer as its source file says: what it cannot tell any more is unknown, and noticed.

mod shop;

use freshet_core::change::Change;
use freshet_core::drift::{ColumnDrift, Drift};
use freshet_core::registry::Registry;
use freshet_core::table::{ColumnSlot, Engine, ReplicaIdentity};
use freshet_wire::{Decoded, Decoder, Limits};

const NOTES: &str = "shop.public.notes";
const SOURCE: &str = r#""source":{"connector":"postgresql","ts_ms":1717156800123,"lsn":300}"#;

fn registry(identity: ReplicaIdentity) -> Registry {
    let table = shop::table(NOTES, Engine::Postgres, identity, shop::NOTES);
    shop::registry(1, vec![table])
}

/// What a record makes certain, and what it contradicts.
fn decode(registry: &Registry, key: &str, value: &str) -> (String, Option<ColumnDrift>) {
    let mut decoder = Decoder::new(Limits::default());
    let mut change = Change::default();
    // Twice: the first record is read in the general way, the second on what was learnt from it.
    let mut decode = |offset| {
        let record = shop::record(NOTES, Some(key.as_bytes()), Some(value.as_bytes()));
        let record = shop::at(record, 0, offset);
        let decoded = decoder.decode(&record, registry, &mut change);
        assert_eq!(decoded, Ok(Decoded::Change), "{value}");
        (shop::images(registry, &change), change.column_drift)
    };
    let first = decode(0);
    assert_eq!(first, decode(1), "{value}");
    first
}

#[test]
fn p15_a_row_without_a_bound_column_is_noticed() {
    let registry = registry(ReplicaIdentity::Full);
    let missing = ColumnDrift {
        slot: ColumnSlot(2),
        what: Drift::Missing,
    };
    let row = r#"{"id":3,"item_id":1,"body":"b"}"#;
    let envelope = |op: &str, before: &str, after: &str| {
        format!(r#"{{"before":{before},"after":{after},{SOURCE},"op":"{op}"}}"#)
    };
    let flattened = r#"{"id":3,"item_id":1,"body":"b","__op":"u"}"#.to_owned();
    for value in [
        envelope("c", "null", row),
        envelope("u", row, row),
        flattened,
    ] {
        let (images, drift) = decode(&registry, r#"{"id":3}"#, &value);
        let after = "after id=\"3\" item_id=\"1\" tenant=? body=\"b\"";
        assert!(images.contains(after), "{images}");
        assert_eq!(drift, Some(missing), "{value}");
    }
    let whole = row.replace("\"body\"", "\"tenant\":7,\"body\"");
    let (_, drift) = decode(&registry, r#"{"id":3}"#, &envelope("c", "null", &whole));
    assert_eq!(drift, None);
    // A delete keeps what the log has: its after-image is none.
    let (_, drift) = decode(&registry, r#"{"id":3}"#, &envelope("d", &whole, "null"));
    assert_eq!(drift, None);
}

/// With `REPLICA IDENTITY USING INDEX`, Debezium fills a primary key that the index does not hold with zeros, in the before-image
/// and in the record's key (seen on Debezium 3.6.1 with Postgres 15).
#[test]
fn p15_a_key_of_zeros_may_be_one_that_the_log_does_not_hold() {
    let delete = |id: u32| {
        let row = format!(r#"{{"id":{id},"item_id":0,"tenant":0,"body":""}}"#);
        let value = format!(r#"{{"before":{row},"after":null,{SOURCE},"op":"d"}}"#);
        let registry = registry(ReplicaIdentity::Default);
        decode(&registry, &format!(r#"{{"id":{id}}}"#), &value).0
    };
    assert_eq!(delete(7), "before id=\"7\" item_id=? tenant=? body=?");
    assert_eq!(delete(0), "before id=? item_id=? tenant=? body=?");
}
