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

/// The names are those that Debezium, Kafka Connect and the Avro specification give.
#[test]
fn a_named_type_is_read_in_the_unit_of_its_name() {
    let half = "2024-05-31 12:00:00.5";
    let moment = |per_second: i64| {
        let since_epoch = 1_717_156_800 * per_second + per_second / 2;
        (ColumnKind::TIMESTAMP, Scalar::Integer(since_epoch), half)
    };
    let number = Scalar::Integer(19_874);
    let in_days = (ColumnKind::DATE, number, "2024-05-31");
    let (in_micros, in_nanos) = (moment(1_000_000), moment(1_000_000_000));
    let plain = (ColumnKind::BIGINT, number, "19874");
    let none = (ColumnKind::BIGINT, number, UNKNOWN);
    let without_fraction = (
        ColumnKind::Decimal { scale: Some(0) },
        Scalar::Bytes(&[0x07, 0xc6]),
        "1990",
    );
    for (name, wanted) in [
        ("io.debezium.time.Date", in_days),
        ("org.apache.kafka.connect.data.Date", in_days),
        ("io.debezium.time.MicroTimestamp", in_micros),
        ("io.debezium.time.NanoTimestamp", in_nanos),
        ("io.debezium.time.MicroTime", none),
        ("org.apache.kafka.connect.data.Time", none),
        ("of.somebody.Else", plain),
    ] {
        let (kind, value, text) = wanted;
        let encoding = Encoding::of_connect_name(name, None);
        assert_eq!(judged(kind, encoding, value).0, text, "{name}");
    }
    for (name, wanted) in [
        ("date", in_days),
        ("timestamp-micros", in_micros),
        ("local-timestamp-micros", in_micros),
        ("timestamp-nanos", in_nanos),
        ("local-timestamp-nanos", in_nanos),
        ("time-micros", none),
        // A decimal that states no scale has none.
        ("decimal", without_fraction),
        ("of-somebody-else", plain),
    ] {
        let (kind, value, text) = wanted;
        let encoding = Encoding::of_avro_logical_type(name, None);
        assert_eq!(judged(kind, encoding, value).0, text, "{name}");
    }
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
