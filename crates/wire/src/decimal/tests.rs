use proptest::prelude::*;

use super::{push_double, push_plain, push_unscaled};

fn unscaled(bytes: &[u8], scale: i32, declared: Option<u8>) -> Option<String> {
    let mut out = String::new();
    push_unscaled(&mut out, bytes, scale, declared).then_some(out)
}

fn plain(text: &str, declared: Option<u8>) -> Option<String> {
    let mut out = String::new();
    push_plain(&mut out, text, declared).then_some(out)
}

fn double(number: f64, declared: Option<u8>) -> Option<String> {
    let mut out = String::new();
    push_double(&mut out, number, declared).then_some(out)
}

#[test]
fn unscaled_bytes_print_with_their_scale() {
    for (bytes, scale, declared, text) in [
        (&[0x07, 0xc6][..], 2, Some(2), "19.90"),
        (&[0xfb], 2, Some(2), "-0.05"),
        (&[0x00], 2, Some(2), "0.00"),
        (&[0x00], 0, None, "0"),
        (&[0x00, 0xbc, 0x61, 0x4e], 2, Some(2), "123456.78"),
        (&[0x05], 0, Some(2), "5.00"),
        (&[0x05], 3, None, "0.005"),
        (&[0x05], -3, None, "5000"),
        (&[0xff, 0x7f], 1, None, "-12.9"),
    ] {
        assert_eq!(unscaled(bytes, scale, declared).as_deref(), Some(text));
    }
}

#[test]
fn numbers_without_one_certain_text_are_refused() {
    assert_eq!(unscaled(&[], 2, None), None);
    assert_eq!(
        unscaled(&[5], 3, Some(2)),
        None,
        "more digits than declared"
    );
    assert_eq!(unscaled(&[5], 100_000, None), None);
    assert_eq!(unscaled(&[5], i32::MIN, None), None);
}

/// A record of a few bytes must not print gigabytes; what databases have is far below.
#[test]
fn a_number_prints_up_to_256_bytes_and_1000_places_on_either_side_of_the_point() {
    let five = |length: usize| [&vec![0; length - 1][..], &[5]].concat();
    assert_eq!(unscaled(&five(256), 0, None).as_deref(), Some("5"));
    assert_eq!(unscaled(&five(257), 0, None), None);
    let zeros = |count: usize| "0".repeat(count);
    for (scale, text) in [
        (1000, Some(format!("0.{}5", zeros(999)))),
        (1001, None),
        (-1000, Some(format!("5{}", zeros(1000)))),
        (-1001, None),
    ] {
        assert_eq!(unscaled(&[5], scale, None), text, "{scale}");
    }
}

#[test]
fn numbers_beyond_128_bits_print_in_full() {
    let mut bytes = vec![0; 18];
    bytes[1] = 1;
    // 2^128, and -2^128 - 1.
    let text = "340282366920938463463374607431768211456";
    assert_eq!(unscaled(&bytes, 0, None).as_deref(), Some(text));
    let negative: Vec<u8> = bytes.iter().map(|byte| !byte).collect();
    let text = "-3402823669209384634633746074317682114.57";
    assert_eq!(unscaled(&negative, 2, None).as_deref(), Some(text));
}

#[test]
fn plain_texts_reach_the_declared_scale() {
    for (given, declared, text) in [
        ("12.5", Some(2), "12.50"),
        ("12.50", None, "12.50"),
        ("-0.00", Some(2), "0.00"),
        ("-0.05", Some(2), "-0.05"),
        ("007", None, "7"),
        ("000", Some(1), "0.0"),
    ] {
        assert_eq!(plain(given, declared).as_deref(), Some(text), "{given}");
    }
    for given in ["", "-", ".5", "5.", "1e3", "NaN", "1.2.3", "+1", "1,5", "٣"] {
        assert_eq!(plain(given, None), None, "{given}");
    }
    assert_eq!(plain("1.234", Some(2)), None);
}

#[test]
fn doubles_print_only_where_a_double_is_exact_enough() {
    for (number, declared, text) in [
        (19.9, Some(2), Some("19.90")),
        (-19.9, Some(2), Some("-19.90")),
        (0.0, Some(2), Some("0.00")),
        (-0.001, Some(2), Some("0.00")),
        (0.1 + 0.2, Some(1), Some("0.3")),
        // Fifteen digits, and one more.
        (999_999_999_999_999.0, Some(0), Some("999999999999999")),
        (1e15, Some(0), None),
        (1e14, Some(2), None),
        (19.9, None, None),
        (f64::NAN, Some(2), None),
        (f64::INFINITY, Some(2), None),
    ] {
        assert_eq!(double(number, declared).as_deref(), text, "{number}");
    }
}

proptest! {
    /// The reference is Rust's own printing of 128-bit integers.
    #[test]
    fn any_number_prints_as_its_digits(number: i128, extra in 0usize..4) {
        let mut bytes = vec![if number < 0 { 0xff } else { 0 }; extra];
        bytes.extend(number.to_be_bytes());
        prop_assert_eq!(unscaled(&bytes, 0, None), Some(number.to_string()));
    }

    #[test]
    fn any_scaled_number_reads_back(number in -1_000_000_000i64..1_000_000_000, scale in 0i32..9) {
        let text = unscaled(&number.to_be_bytes(), scale, None).expect("a short number");
        let point = if scale > 0 { Some(text.len() - 1 - scale as usize) } else { None };
        prop_assert_eq!(text.find('.'), point);
        prop_assert_eq!(text.replace('.', "").parse::<i64>().ok(), Some(number));
        prop_assert_eq!(plain(&text, u8::try_from(scale).ok()), Some(text));
    }
}
