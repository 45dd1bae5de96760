//! Numbers at the edges of their types.

use super::{UNKNOWN, judged, whole};
use crate::scalar::{Encoding, Scalar};
use freshet_core::drift::Drift;
use freshet_core::table::ColumnKind;

#[test]
fn the_last_numbers_of_each_type_fit_and_the_next_ones_do_not() {
    for (bits, unsigned, fits, beyond) in [
        (8, false, ["-128", "127"], ["-129", "128"]),
        (16, false, ["-32768", "32767"], ["-32769", "32768"]),
        (24, false, ["-8388608", "8388607"], ["-8388609", "8388608"]),
        (
            32,
            false,
            ["-2147483648", "2147483647"],
            ["-2147483649", "2147483648"],
        ),
        (
            64,
            false,
            ["-9223372036854775808", "9223372036854775807"],
            ["-9223372036854775809", "9223372036854775808"],
        ),
        (8, true, ["0", "255"], ["256", "1000"]),
        (16, true, ["0", "65535"], ["65536", "100000"]),
        (24, true, ["0", "16777215"], ["16777216", "100000000"]),
        (32, true, ["0", "4294967295"], ["4294967296", "10000000000"]),
        (
            64,
            true,
            ["0", "18446744073709551615"],
            ["18446744073709551616", "100000000000000000000"],
        ),
    ] {
        for (numbers, drift) in [(fits, None), (beyond, Some(Drift::Range))] {
            for number in numbers {
                let kind = whole(bits, unsigned, 0);
                let mut forms = vec![Scalar::Number(number)];
                // As Avro has it, where it has such a number.
                forms.extend(number.parse().ok().map(Scalar::Integer));
                for value in forms {
                    let told = judged(kind, Encoding::Undeclared, value);
                    assert_eq!(
                        told,
                        (number.to_owned(), drift),
                        "{bits} {unsigned} {value:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_precise_bigint_unsigned_is_judged_as_any_other() {
    let precise = Encoding::Decimal { scale: 0 };
    for (base64, wanted) in [
        ("AP//////////", ("18446744073709551615", None)),
        ("AQAAAAAAAAAA", ("18446744073709551616", Some(Drift::Range))),
        ("no base64", (UNKNOWN, None)),
        ("", (UNKNOWN, None)),
    ] {
        let told = judged(whole(64, true, 0), precise, Scalar::Text(base64));
        assert_eq!((told.0.as_str(), told.1), wanted, "{base64}");
    }
}

#[test]
fn decimals_without_a_schema_are_told_by_their_point() {
    use Scalar::{Number, Text};
    for (scale, value, wanted) in [
        // Four characters, as base64 has them.
        (Some(2), Text("9.90"), "9.90"),
        (Some(2), Text("-.99"), UNKNOWN),
        // More digits than a double holds.
        (Some(0), Number("12345678901234567"), "12345678901234567"),
        (None, Number("19"), "19"),
    ] {
        let told = judged(ColumnKind::Decimal { scale }, Encoding::Undeclared, value);
        assert_eq!(told, (wanted.to_owned(), None), "{scale:?} {value:?}");
    }
}
