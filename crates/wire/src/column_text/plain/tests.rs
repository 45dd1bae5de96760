use freshet_core::image::Column;
use freshet_core::table::{Blanks, Chars, ColumnKind, ColumnSlot};
use proptest::prelude::*;

use super::Plain;
use crate::column_text::tests::{column, column_with, image, whole};
use crate::column_text::{Verdict, push};
use crate::field_schema::Nulls;
use crate::scalar::{Encoding, Scalar};

fn chars(max: u32, blanks: Blanks) -> ColumnKind {
    ColumnKind::Text(Chars { max, blanks })
}

fn plain(kind: ColumnKind) -> Plain {
    Plain::of(kind, Nulls::Kept)
}

/// Whether a value's text is certain when it is judged, and its own.
fn is_certain(kind: ColumnKind, value: Scalar<'_>, text: &str) -> bool {
    let column = column(kind, Encoding::Plain);
    let mut out = String::new();
    push(&mut out, &column, value) == Verdict::CERTAIN && out == text
}

fn any_kind() -> impl Strategy<Value = ColumnKind> {
    let bits = prop::sample::select(vec![8, 16, 24, 32, 64]);
    let integer = (bits, any::<bool>(), prop::sample::select(vec![0, 0, 0, 5]));
    let blanks = prop::sample::select(vec![Blanks::Kept, Blanks::Cut, Blanks::Padded]);
    prop_oneof![
        4 => integer.prop_map(|(bits, unsigned, zerofill)| whole(bits, unsigned, zerofill)),
        2 => (0..6_u32, blanks).prop_map(|(max, blanks)| chars(max, blanks)),
        1 => prop::sample::select(vec![ColumnKind::Bool, ColumnKind::Year, ColumnKind::DATE, ColumnKind::Opaque]),
    ]
}

/// Up to the last value that always is, and not one more.
#[test]
fn nearly_every_value_is_plain() {
    for (bits, unsigned, least, most) in [
        (8, false, -128, 127),
        (8, true, 0, 255),
        (32, false, -2_147_483_648, 2_147_483_647),
        (64, false, i64::MIN, i64::MAX),
        (64, true, 0, i64::MAX),
    ] {
        let plain = plain(whole(bits, unsigned, 0));
        assert!(plain.has_number(least) && plain.has_number(most), "{bits}");
        let before = least
            .checked_sub(1)
            .is_some_and(|number| plain.has_number(number));
        let behind = most
            .checked_add(1)
            .is_some_and(|number| plain.has_number(number));
        assert!(!before && !behind, "{bits} {unsigned}");
    }
    for (bits, digits) in [(8, 2), (16, 4), (24, 6), (32, 9), (64, 18)] {
        let plain = plain(whole(bits, false, 0));
        assert!(plain.has_digits(&"9".repeat(digits)), "{bits}");
        assert!(!plain.has_digits(&"9".repeat(digits + 1)), "{bits}");
    }
    let (bounded, free) = (plain(chars(3, Blanks::Kept)), plain(ColumnKind::TEXT));
    assert!(bounded.has_text("abc") && !bounded.has_text("abcd"));
    assert!(free.has_text(&"a".repeat(10_000)) && !free.has_text("ä"));
    assert!(!plain(chars(3, Blanks::Cut)).has_text("a"));
}

#[test]
fn no_value_is_plain_where_it_may_stand_for_null() {
    for (nulls, is_plain, doubtful) in [
        (Nulls::Kept, true, false),
        (Nulls::Doubtful, true, true),
        (Nulls::Default(7), false, false),
        (Nulls::Any, false, false),
    ] {
        let number = Plain::of(ColumnKind::BIGINT, nulls);
        let text = Plain::of(ColumnKind::TEXT, nulls);
        let told = [
            number.has_number(0),
            number.has_digits("1"),
            text.has_text("a"),
        ];
        assert_eq!(told, [is_plain; 3], "{nulls:?}");
        let set = image(
            column_with(ColumnKind::BIGINT, Encoding::Plain, nulls),
            Scalar::Integer(0),
        );
        let (known, proven) = (set.column(ColumnSlot(0)), set.proven(ColumnSlot(0)));
        assert_eq!(
            known != proven && proven == Column::Unknown,
            doubtful,
            "{nulls:?}"
        );
    }
}

proptest! {
    #[test]
    fn what_is_plain_is_certain_when_it_is_judged(
        kind in any_kind(),
        number: i64,
        shift in 0..64_u32,
        digits in "-?[0-9]{0,20}(\\.[0-9])?",
        text in prop_oneof!["[ -~]{0,6}", "[a\u{fffd}ä_X]{0,6}", "__debezium_unavailable_value"],
    ) {
        let (plain, number) = (plain(kind), number >> shift);
        if plain.has_number(number) {
            prop_assert!(is_certain(kind, Scalar::Integer(number), &number.to_string()), "{}", number);
        }
        if !digits.is_empty() && plain.has_digits(&digits) {
            prop_assert!(is_certain(kind, Scalar::Number(&digits), &digits), "{}", digits);
        }
        if plain.has_text(&text) {
            prop_assert!(is_certain(kind, Scalar::Text(&text), &text), "{}", text);
        }
    }
}
