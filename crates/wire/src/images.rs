//! Which columns of the images are facts, by what happened and by the table's replica identity.

use freshet_core::change::{Change, Op};
use freshet_core::image::{Column, Image};
use freshet_core::table::{ColumnSlot, ReplicaIdentity, TableShape};

use crate::facts::Part;

/// What the images are judged by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ImageRules<'a> {
    /// The table.
    pub(crate) shape: &'a TableShape,
    /// The before-image as the record has it; none when the form never has one.
    pub(crate) before: Option<Part>,
    /// The table was seen to have no full before-images, whatever it is declared.
    pub(crate) drifted: bool,
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
}

fn settle_update(change: &mut Change, rules: ImageRules<'_>) {
    let shape = rules.shape;
    if rules.before == Some(Part::Read) {
        if shape.identity != ReplicaIdentity::Full {
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
        if shape.identity != ReplicaIdentity::Full || rules.drifted {
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
        if change.before.column(slot) == Column::Unknown {
            change.before.copy_column(slot, rules.row_key);
        }
    }
}

/// What is not key looks like data and may be none: Debezium fills NOT NULL columns with zeros.
fn keep_only_key(image: &mut Image, shape: &TableShape) {
    for (slot, column) in (0..).map(ColumnSlot).zip(&shape.columns) {
        if !column.in_key {
            image.set_unknown(slot);
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
