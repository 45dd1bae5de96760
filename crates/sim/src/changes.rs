//! What applications do to the database, as Debezium tells of it, and what each must purge.

use rand::Rng;

use crate::oracle::{Shared, Want};
use crate::rules::{ITEM_SHAPE, ITEM_TAG, ITEMS, NOTE_SHAPE, NOTES};

/// An insert, an update, a delete with its tombstone, a change written twice, or something that nobody can read.
pub(crate) fn write(shared: &Shared) {
    let mut state = shared.lock();
    let dice = state.chance.random_range(0..100);
    let id = state.chance.random_range(0..60_u32);
    let (before, after) = (
        state.chance.random_range(0..20_u32),
        state.chance.random_range(0..20_u32),
    );
    let key = format!(r#"{{"id":{id}}}"#).into_bytes();
    if dice < 2 {
        let wants = vec![want("main", None, ITEM_SHAPE), want("edge", None, ITEM_TAG)];
        return state.change(ITEMS, key, Some(b"{\"after\":".to_vec()), wants);
    }
    if dice < 20 {
        let value = envelope("c", None, Some((id, 0)));
        let wants = vec![want(
            "main",
            Some(format!("catalog:v1:note:{id}")),
            NOTE_SHAPE,
        )];
        return state.change(NOTES, key, Some(value), wants);
    }
    let tag = |category| want("edge", Some(format!("category-{category}")), ITEM_TAG);
    let mut wants = vec![want(
        "main",
        Some(format!("catalog:v1:item:{id}")),
        ITEM_SHAPE,
    )];
    let (op, old, new) = match dice {
        20..50 => ("c", None, Some((id, after))),
        50..90 => ("u", Some((id, before)), Some((id, after))),
        _ => ("d", Some((id, before)), None),
    };
    wants.extend(old.iter().chain(&new).map(|(_, category)| tag(*category)));
    wants.sort();
    wants.dedup();
    let value = envelope(op, old, new);
    if dice % 10 == 7 {
        state.change(ITEMS, key.clone(), Some(value.clone()), wants.clone());
    }
    state.change(ITEMS, key.clone(), Some(value), wants);
    if op == "d" {
        state.change(ITEMS, key, None, Vec::new());
    }
}

fn want(target: &'static str, name: Option<String>, family: &'static str) -> Want {
    Want {
        target,
        name,
        family,
    }
}

/// A change as Debezium writes it.
fn envelope(op: &str, before: Option<(u32, u32)>, after: Option<(u32, u32)>) -> Vec<u8> {
    let row = |row: Option<(u32, u32)>| match row {
        Some((id, category)) => format!(r#"{{"id":{id},"category_id":{category}}}"#),
        None => "null".to_owned(),
    };
    let (before, after) = (row(before), row(after));
    format!(
        r#"{{"before":{before},"after":{after},"source":{{"connector":"postgresql","ts_ms":1000,"lsn":10}},"op":"{op}","ts_ms":1001}}"#
    )
    .into_bytes()
}
