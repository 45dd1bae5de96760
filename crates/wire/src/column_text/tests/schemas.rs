//! What a record's schema says against a column's declaration.

use super::{UNKNOWN, column, image, judged, text_in};
use crate::scalar::{Encoding, Scalar};
use freshet_core::drift::Drift;
use freshet_core::table::ColumnKind;

const DECIMAL: ColumnKind = ColumnKind::Decimal { scale: Some(2) };

#[test]
fn a_value_of_another_type_than_the_declared_one_is_unknown_and_noticed() {
    let moment = Scalar::Integer(1_763_872_853_123_456);
    let day = Scalar::Integer(20_415);
    let word = Scalar::Text("B9A=");
    for (kind, encoding, value) in [
        (ColumnKind::BIGINT, Encoding::EpochMicros, moment),
        (ColumnKind::BIGINT, Encoding::EpochDays, day),
        (ColumnKind::BIGINT, Encoding::Other, moment),
        (ColumnKind::TEXT, Encoding::IsoText, word),
        (ColumnKind::TEXT, Encoding::Decimal { scale: 2 }, word),
        (ColumnKind::TEXT, Encoding::Other, word),
        (ColumnKind::DATE, Encoding::EpochMillis, day),
        (ColumnKind::TIMESTAMP, Encoding::EpochDays, day),
        (DECIMAL, Encoding::EpochMicros, moment),
        (ColumnKind::Bool, Encoding::EpochDays, Scalar::Integer(1)),
    ] {
        let found = judged(kind, encoding, value);
        let wanted = (UNKNOWN.to_owned(), Some(Drift::Type));
        assert_eq!(found, wanted, "{kind:?} as {encoding:?}");
    }
    let opaque = judged(ColumnKind::Opaque, Encoding::Other, moment);
    assert_eq!(opaque.1, None, "nothing is declared of it");
}

#[test]
fn what_the_connector_masks_or_cuts_off_is_unknown_and_noticed() {
    for (kind, value) in [
        (ColumnKind::TEXT, Scalar::Text("a long")),
        (ColumnKind::BIGINT, Scalar::Integer(7)),
        (ColumnKind::TEXT, Scalar::Null),
    ] {
        let found = judged(kind, Encoding::Altered, value);
        let wanted = (UNKNOWN.to_owned(), Some(Drift::Altered));
        assert_eq!(found, wanted, "{value:?}");
    }
}

#[test]
fn a_value_of_a_union_is_judged_by_the_branch_that_it_has() {
    let read = |encoding| {
        let value = Scalar::Integer(20_415);
        let column = column(ColumnKind::BIGINT, Encoding::Plain).read_as(value, encoding);
        text_in(&image(column, value))
    };
    assert_eq!(read(Encoding::Plain), "20415");
    assert_eq!(read(Encoding::EpochDays), UNKNOWN);
}

#[test]
fn a_text_of_bytes_that_were_no_text_is_unknown() {
    let read = |text| judged(ColumnKind::TEXT, Encoding::Plain, Scalar::Text(text));
    assert_eq!(read("Gr\u{fffd}\u{fffd}e"), (UNKNOWN.to_owned(), None));
    assert_eq!(read("Größe"), ("Größe".to_owned(), None));
}
