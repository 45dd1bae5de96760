//! No value can become two names, another value's name, or anything but a name.

use freshet_core::codec::{
    REDIS_VALUE_BYTES_MAX, TAG_BYTES_MAX, is_redis_literal, is_tag_literal, push_redis_value,
    push_tag_value, shorten_tag,
};
use proptest::prelude::*;

fn redis(value: &str) -> String {
    let mut out = Vec::new();
    push_redis_value(&mut out, value);
    String::from_utf8(out).expect("ASCII")
}

fn tag_value(value: &str) -> String {
    let mut out = Vec::new();
    push_tag_value(&mut out, value);
    String::from_utf8(out).expect("ASCII")
}

/// A whole tag, behind bytes of another name that must stay as they are.
fn tag(value: &str) -> String {
    let mut out = b"before".to_vec();
    out.extend_from_slice(b"item-");
    push_tag_value(&mut out, value);
    shorten_tag(&mut out, 6);
    assert_eq!(&out[..6], b"before");
    String::from_utf8(out.split_off(6)).expect("ASCII")
}

/// Takes a Redis value apart again, as the documentation says for other languages.
fn redis_decoded(encoded: &str) -> Option<String> {
    let (mut bytes, mut rest) = (Vec::new(), encoded.bytes());
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = [rest.next()?, rest.next()?];
        let hex = std::str::from_utf8(&digits).ok()?;
        bytes.push(u8::from_str_radix(hex, 16).ok()?);
    }
    String::from_utf8(bytes).ok()
}

fn is_redis_charset(encoded: &str) -> bool {
    encoded
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"._-%~".contains(&byte))
}

fn is_tag_charset(encoded: &str) -> bool {
    encoded
        .bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte))
}

/// Any text, and dense text of few letters that are escapes, separators, globs or blanks somewhere.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[a-bA-B0-9%_~.:*?\\[\\]{}\\\\ \n\r\t\0,;/-]{0,8}",
        "[äß€😀\u{200b}\u{feff}]{0,4}",
        "[a-z0-9]{100,160}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn redis_values_are_told_apart(one in value(), other in value()) {
        prop_assert_eq!(one == other, redis(&one) == redis(&other));
    }

    #[test]
    fn redis_values_up_to_the_limit_can_be_read_back(value in value()) {
        prop_assume!(value.len() <= REDIS_VALUE_BYTES_MAX);
        prop_assert_eq!(redis_decoded(&redis(&value)), Some(value));
    }

    #[test]
    fn redis_values_hold_no_separator_glob_blank_or_newline(value in value()) {
        let encoded = redis(&value);
        prop_assert!(is_redis_charset(&encoded), "{}", encoded);
        prop_assert_eq!(encoded.starts_with('~'), value.len() > REDIS_VALUE_BYTES_MAX);
        prop_assert!(encoded.len() <= 3 * REDIS_VALUE_BYTES_MAX);
    }

    #[test]
    fn tags_are_told_apart(one in value(), other in value()) {
        prop_assert_eq!(one == other, tag_value(&one) == tag_value(&other));
        prop_assert_eq!(one == other, tag(&one) == tag(&other));
    }

    #[test]
    fn tags_are_told_apart_where_case_is_folded(one in "[a-cA-C_]{0,5}", other in "[a-cA-C_]{0,5}") {
        let (first, second) = (tag(&one).to_uppercase(), tag(&other).to_uppercase());
        prop_assert_eq!(one == other, first == second);
    }

    #[test]
    fn tags_are_short_and_of_one_charset(value in value()) {
        let tag = tag(&value);
        prop_assert!(tag.len() <= TAG_BYTES_MAX);
        prop_assert!(is_tag_charset(&tag), "{}", tag);
        prop_assert!(is_tag_literal(&tag));
    }
}

#[test]
fn the_documented_forms_stand() {
    assert_eq!(redis("Ab-1_2.3"), "Ab-1_2.3");
    assert_eq!(redis("a:b*c d\n"), "a%3Ab%2Ac%20d%0A");
    assert_eq!(redis("ä"), "%C3%A4");
    assert_eq!(redis("%~"), "%25%7E");
    assert_eq!(redis(""), "");
    assert_eq!(tag_value("ab-1.2"), "ab-1.2");
    assert_eq!(tag_value("A_b,c"), "_41_5fb_2cc");
    // The digests are those of sha256sum.
    assert_eq!(redis(&"a".repeat(129)), "~c12cb024a2e5551cca0e08fce8f1c5e3");
    assert_eq!(
        tag(&"a".repeat(27)),
        format!("item-{}", "a".repeat(27)),
        "32 bytes stay"
    );
    assert_eq!(tag(&"a".repeat(28)), "item-aaaaaa.c2eb5ae91f434fe8a868");
}

#[test]
fn a_megabyte_becomes_a_fixed_short_form() {
    let long = "x".repeat(1 << 20);
    let mut other = long.clone();
    other.replace_range(500_000..500_001, "y");
    assert_eq!(redis(&long).len(), 33);
    assert_eq!(tag(&long).len(), 32);
    assert_ne!(redis(&long), redis(&other));
    assert_ne!(tag(&long), tag(&other));
    assert_eq!(
        redis(&long),
        redis(&"x".repeat(1 << 20)),
        "the emitting side finds the same"
    );
}

#[test]
fn a_short_value_cannot_pass_for_a_long_one() {
    let long = "x".repeat(REDIS_VALUE_BYTES_MAX + 1);
    let hashed = redis(&long);
    assert_ne!(redis(&hashed), hashed);
}

#[test]
fn literals_that_could_be_read_otherwise_are_refused() {
    for literal in ["a b", "a*", "a?", "a[", "a]", "a\\", "a%", "~a", "a\n", "ä"] {
        assert!(!is_redis_literal(literal), "{literal:?}");
    }
    assert!(is_redis_literal("catalog:v2:item:"));
    for literal in ["A", "a:b", "a b", "a,b", "a*", "ä", "a\n"] {
        assert!(!is_tag_literal(literal), "{literal:?}");
    }
    assert!(is_tag_literal("item_v2-"));
}
