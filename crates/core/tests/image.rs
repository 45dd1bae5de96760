//! What a row image says of a column, and what it proves.

mod support;

use freshet_core::change::{Change, CommitTime, Op};
use freshet_core::drift::{ColumnDrift, Drift};
use freshet_core::gap::GapCause;
use freshet_core::image::{Column, Image};
use freshet_core::position::{ChangeVersion, WallMicros};
use freshet_core::table::{ColumnSlot, TableId};
use freshet_core::transaction::{Member, TransactionId};
use support::{Cell, image, text};

const FIRST: ColumnSlot = ColumnSlot(0);
const SECOND: ColumnSlot = ColumnSlot(1);
const THIRD: ColumnSlot = ColumnSlot(2);
/// The three, and one that no image here has.
const SLOTS: [ColumnSlot; 4] = [FIRST, SECOND, THIRD, ColumnSlot(3)];

fn drift(slot: ColumnSlot, what: Drift) -> ColumnDrift {
    ColumnDrift { slot, what }
}

#[test]
fn known_and_null_columns_are_proofs_and_doubtful_ones_are_not() {
    let mut row = image(&[text("7"), Cell::Null, Cell::Unknown]);
    let proofs = |row: &Image| SLOTS.map(|slot| row.proven(slot) != Column::Unknown);
    assert_eq!(row.proven(FIRST), Column::Known("7"));
    assert_eq!(row.proven(SECOND), Column::Null);
    assert_eq!(proofs(&row), [true, true, false, false]);
    for slot in SLOTS {
        row.doubt(slot);
    }
    assert_eq!(proofs(&row), [false, true, false, false]);
    assert_eq!(
        row.column(FIRST),
        Column::Known("7"),
        "its name is still purged"
    );
    row.set_text(FIRST, "8");
    assert_eq!(
        row.proven(FIRST),
        Column::Known("8"),
        "a later value is not in doubt"
    );
}

#[test]
fn only_known_columns_have_the_same_text() {
    let one = image(&[text("7"), text("books"), Cell::Null, Cell::Unknown]);
    let mut other = image(&[text("7"), text("toys"), Cell::Null, Cell::Unknown]);
    let same =
        |other: &Image| [0, 1, 2, 3, 4].map(|slot| one.has_same_text(ColumnSlot(slot), other));
    assert_eq!(same(&other), [true, false, false, false, false]);
    other.set_null(FIRST);
    other.set_text(SECOND, "books");
    assert_eq!(same(&other), [false, true, false, false, false]);
}

#[test]
fn a_copied_column_is_as_certain_as_the_one_it_comes_from() {
    let mut from = image(&[text("7"), text("default"), Cell::Null]);
    from.doubt(SECOND);
    let mut to = image(&[text("old"), Cell::Unknown, text("old")]);
    for slot in [FIRST, SECOND, THIRD] {
        to.copy_column(slot, &from);
    }
    assert_eq!(to.column(FIRST), Column::Known("7"));
    assert_eq!(to.column(SECOND), Column::Known("default"));
    assert_eq!(to.column(THIRD), Column::Null);
    assert_eq!(to.proven(FIRST), Column::Known("7"));
    assert_eq!(to.proven(SECOND), Column::Unknown);
    from.set_unknown(FIRST);
    to.copy_column(FIRST, &from);
    assert_eq!(to.column(FIRST), Column::Unknown);
}

#[test]
fn the_first_contradiction_is_kept_until_its_column_counts_for_nothing() {
    let mut row = image(&[text("7"), Cell::Null]);
    assert_eq!(row.drift(), None);
    let first = drift(SECOND, Drift::Null);
    row.note_drift(first);
    row.note_drift(drift(FIRST, Drift::Range));
    row.forget_drift(FIRST);
    assert_eq!(row.drift(), Some(first));
    row.forget_drift(SECOND);
    assert_eq!(row.drift(), None);
    row.note_drift(first);
    row.begin(2);
    assert_eq!(row.drift(), None);
    assert!(row.is_present());
    assert_eq!(row.column(FIRST), Column::Unknown);
}

#[test]
fn a_change_that_is_reset_keeps_nothing_of_the_record_before() {
    let mut change = Change {
        table: TableId(1),
        op: Op::Delete,
        before: image(&[text("7")]),
        after: image(&[text("8")]),
        version: ChangeVersion(1),
        committed: CommitTime {
            at: WallMicros(2),
            resolution_us: 1000,
        },
        captured: WallMicros(3),
        snapshot: true,
        identity_drift: true,
        column_drift: Some(drift(FIRST, Drift::Scale)),
        member: Some(Member {
            transaction: TransactionId::of("571:1"),
            order: 1,
        }),
    };
    change.reset(TableId(2), Op::Update);
    let fresh = Change {
        table: TableId(2),
        op: Op::Update,
        ..Change::default()
    };
    assert!(!change.before.is_present() && !change.after.is_present());
    assert_eq!(format!("{change:?}"), format!("{fresh:?}"));
}

#[test]
fn every_gap_and_every_contradiction_has_its_own_words() {
    let mut names = GapCause::ALL.map(GapCause::name).to_vec();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), GapCause::ALL.len());
    for name in names {
        // A label: lower case with underscores, and it says what went.
        assert!(
            name.bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'_'),
            "{name}"
        );
        assert!(name.contains('_') || matches!(name, "truncated" | "recreated" | "unreadable"));
    }
    let mut messages = [
        Drift::Null,
        Drift::Scale,
        Drift::EnumValue,
        Drift::Range,
        Drift::Type,
        Drift::Altered,
        Drift::Missing,
    ]
    .map(Drift::message);
    messages.sort_unstable();
    assert!(
        messages.windows(2).all(|pair| pair[0] != pair[1]),
        "{messages:?}"
    );
    assert!(messages.iter().all(|message| !message.is_empty()));
}
