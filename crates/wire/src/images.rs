//! Which columns of the images are facts, by what happened and by the table's replica identity.

use freshet_core::change::{Change, Op};
use freshet_core::drift::{ColumnDrift, Drift};
use freshet_core::image::{Column, Image};
use freshet_core::table::{ColumnSlot, Engine, ReplicaIdentity, TableShape};

use crate::facts::Part;

/// What the images are judged by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ImageRules<'a> {
    /// The table.
    pub(crate) shape: &'a TableShape,
    /// The before-image as the record has it; none when the form never has one.
    pub(crate) before: Option<Part>,
    /// Records prove that before-images of the table hold whole rows; see [`proves_full`].
    pub(crate) full_seen: bool,
    /// The key columns that the record's key gives.
    pub(crate) row_key: &'a Image,
}

/// Leaves in the images only what is certain, and fills key columns from where they are certain.
pub(crate) fn settle(change: &mut Change, rules: ImageRules<'_>) {
    match change.op {
        Op::Create | Op::Read => change.before.clear(),
        Op::Truncate => {
            change.before.clear();
            change.after.clear();
        }
        Op::Update => settle_update(change, rules),
        Op::Delete => settle_delete(change, rules),
    }
    let drift = change.after.drift().or(change.before.drift());
    change.column_drift = drift.or_else(|| missing(&change.after));
}

/// A row as it is after a change has all of its columns, whatever the table's replica identity.
fn missing(after: &Image) -> Option<ColumnDrift> {
    let slot = after.missing()?;
    let what = Drift::Missing;
    Some(ColumnDrift { slot, what })
}

/// Takes back what only the source file's lists tell: the connector's own placeholder, and values that an enum does not have.
pub(crate) fn check_listed(image: &mut Image, shape: &TableShape) {
    let placeholder = shape.connector.unavailable_placeholder.as_deref();
    for (slot, column) in (0..).map(ColumnSlot).zip(&shape.columns) {
        let Column::Known(text) = image.column(slot) else {
            continue;
        };
        if Some(text) == placeholder {
            image.set_unknown(slot);
        } else if let Some(values) = &column.values
            && values.iter().all(|value| **value != *text)
        {
            image.set_unknown(slot);
            image.note_drift(ColumnDrift {
                slot,
                what: Drift::EnumValue,
            });
        }
    }
}

/// Whether a table has anything for [`check_listed`].
pub(crate) fn has_lists(shape: &TableShape) -> bool {
    let listed = shape.columns.iter().any(|column| column.values.is_some());
    listed || shape.connector.unavailable_placeholder.is_some()
}

fn settle_update(change: &mut Change, rules: ImageRules<'_>) {
    let shape = rules.shape;
    if rules.before == Some(Part::Read) {
        if shape.identity != ReplicaIdentity::Full || !rules.full_seen {
            keep_only_key(&mut change.before, shape);
        }
        return;
    }
    change.identity_drift = rules.before.is_some() && shape.identity == ReplicaIdentity::Full;
    change.before.begin(shape.columns.len());
    // No before-image means that the key did not change, unless the log never holds one.
    if shape.identity != ReplicaIdentity::Nothing {
        for slot in key_slots(shape) {
            change.before.copy_column(slot, &change.after);
        }
    }
}

fn settle_delete(change: &mut Change, rules: ImageRules<'_>) {
    let shape = rules.shape;
    change.after.clear();
    if rules.before == Some(Part::Read) {
        if shape.identity != ReplicaIdentity::Full || !rules.full_seen {
            keep_only_key(&mut change.before, shape);
        }
    } else if rules.before.is_some() {
        change.identity_drift = shape.identity == ReplicaIdentity::Full;
        change.before.begin(shape.columns.len());
    } else {
        // The flattened form's row is the old one, but with filled-in zeros where the identity is not
        // full, and nothing in this form ever proves that it is.
        keep_only_key(&mut change.before, shape);
    }
    for slot in key_slots(shape) {
        if !matches!(change.before.column(slot), Column::Known(_)) {
            change.before.copy_column(slot, rules.row_key);
        }
    }
    if may_lack_its_key(&change.before, shape) {
        for slot in key_slots(shape) {
            change.before.set_unknown(slot);
        }
    }
}

/// Whether nothing of the key looks like data. Where the replica identity is an index and the source file does not say so,
/// Debezium fills the primary key with zeros, in the before-image and in the record's key.
fn may_lack_its_key(before: &Image, shape: &TableShape) -> bool {
    let is_zero = |slot| matches!(before.column(slot), Column::Known(text) if is_filled_in(text));
    shape.engine == Engine::Postgres
        && shape.identity == ReplicaIdentity::Default
        && key_slots(shape).all(is_zero)
}

/// Whether the before-image of a record proves that the log has whole rows. Postgres sends none with an update that
/// keeps the key, and only what Debezium fills in with a delete, unless the table's replica identity is FULL.
pub(crate) fn proves_full(change: &Change, shape: &TableShape) -> bool {
    if shape.engine == Engine::MySql {
        return true;
    }
    let (before, after) = (&change.before, &change.after);
    let keeps_key = || {
        let mut slots = key_slots(shape).peekable();
        slots.peek().is_some() && slots.all(|slot| before.column(slot) == after.column(slot))
    };
    if change.op == Op::Update && keeps_key() {
        return true;
    }
    let others = (0..).map(ColumnSlot).zip(&shape.columns);
    let mut others = others.filter(|(_, column)| !column.in_key);
    others
        .any(|(slot, _)| matches!(before.column(slot), Column::Known(text) if !is_filled_in(text)))
}

/// Whether a value may be what Debezium writes for a NOT NULL column that the log does not have: zero in any type.
fn is_filled_in(text: &str) -> bool {
    text == "false"
        || text.starts_with("1970-01-01")
        || text
            .bytes()
            .all(|it| matches!(it, b'0' | b'.' | b':' | b'-' | b'+' | b' '))
}

/// What is not key looks like data and may be none: Debezium fills NOT NULL columns with zeros.
fn keep_only_key(image: &mut Image, shape: &TableShape) {
    for (slot, column) in (0..).map(ColumnSlot).zip(&shape.columns) {
        if !column.in_key {
            image.set_unknown(slot);
            image.forget_drift(slot);
        }
    }
}

/// The slots of the key columns.
pub(crate) fn key_slots(shape: &TableShape) -> impl Iterator<Item = ColumnSlot> {
    (0..)
        .map(ColumnSlot)
        .zip(&shape.columns)
        .filter(|(_, column)| column.in_key)
        .map(|(slot, _)| slot)
}
