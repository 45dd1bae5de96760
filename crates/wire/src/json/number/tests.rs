use proptest::prelude::*;

use super::{are_digits, digits, whole};

#[test]
fn only_plain_whole_numbers_are_taken() {
    for (text, wanted) in [
        ("0", Some((0, 1))),
        ("7,", Some((7, 1))),
        ("123456789012345678}", Some((123_456_789_012_345_678, 18))),
        ("1234567890123456789", None),
        ("123456789012345678901234", None),
        ("12345678901234567890123456789012", None),
        ("012345678", None),
        ("00", None),
        ("-1", None),
        ("1.5", None),
        ("12345678e3", None),
        ("1E3", None),
        ("x", None),
        ("", None),
    ] {
        assert_eq!(whole(text.as_bytes()), wanted, "{text}");
    }
}

#[test]
fn eight_digits_are_known_at_once() {
    let known = |text: &[u8; 8]| are_digits(u64::from_le_bytes(*text));
    assert!(known(b"01234567") && known(b"89999998"));
    for other in [b'/', b':', b'?', b' ', 0xb0, 0xff, 0] {
        for at in 0..8 {
            let mut text = *b"01234567";
            text[at] = other;
            assert!(!known(&text), "{other} at {at}");
        }
    }
}

proptest! {
    #[test]
    fn a_whole_number_is_what_it_spells(number in 0..1_000_000_000_000_000_000_i64, tail in "[^0-9.eE]{0,12}") {
        let text = number.to_string();
        let record = format!("{text}{tail}");
        prop_assert_eq!(whole(record.as_bytes()), Some((number, text.len())));
    }

    #[test]
    fn digits_are_counted(bytes in prop::collection::vec(prop_oneof![8 => b'0'..=b'9', 1 => any::<u8>()], 0..40)) {
        let wanted = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
        prop_assert_eq!(digits(&bytes), wanted);
    }
}
