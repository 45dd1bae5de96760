//! What is as large as a limit is read, and nothing larger.

mod shop;

use freshet_wire::{Decoded, Decoder, Limits, Skipped};
use shop::stand::Stand;

const NOTES: &str = "shop.public.notes";

fn envelope(op: &str, before: &str, after: &str) -> String {
    format!(r#"{{"before":{before},"after":{after},"source":{{"lsn":7}},"op":"{op}"}}"#)
}

#[test]
fn a_value_of_exactly_the_limit_is_read() {
    let row = envelope("c", "null", r#"{"id":3,"item_id":7,"tenant":1,"body":"b"}"#);
    for (bytes_max, wanted) in [
        (row.len(), Ok(Decoded::Change)),
        (row.len() - 1, Err("too_large")),
        (row.len() / 2, Err("too_large")),
    ] {
        let mut stand = Stand::new(shop::shop());
        stand.decoder = Decoder::new(Limits {
            value_bytes_max: bytes_max,
            ..Limits::default()
        });
        let decoded = stand.try_decode(NOTES, None, Some(&row));
        assert_eq!(decoded.map_err(|error| error.reason()), wanted);
    }
}

/// A longer key is not remembered: its tombstone purges once more.
#[test]
fn a_tombstone_is_known_to_repeat_a_delete_by_a_key_of_up_to_4096_bytes() {
    for (length, wanted) in [
        (4096, Decoded::Skipped(Skipped::Tombstone)),
        (4097, Decoded::Change),
        (8000, Decoded::Change),
    ] {
        let mut stand = Stand::new(shop::shop());
        let frame = r#"{"id":3,"pad":""}"#.len();
        let key = format!(r#"{{"id":3,"pad":"{}"}}"#, "x".repeat(length - frame));
        assert_eq!(key.len(), length);
        stand.change(NOTES, Some(&key), &envelope("d", "null", "null"));
        let tombstone = stand.try_decode(NOTES, Some(&key), None);
        assert_eq!(tombstone, Ok(wanted), "{length}");
    }
}
