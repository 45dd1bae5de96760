use super::decode;

fn decoded(text: &str) -> Option<Vec<u8>> {
    decode(text, &mut [0; 8]).map(<[u8]>::to_vec)
}

#[test]
fn decodes_every_length_of_the_last_group() {
    for (text, bytes) in [
        ("", &b""[..]),
        ("+w==", &[0xfb]),
        ("B8Y=", &[0x07, 0xc6]),
        ("ALxhTg==", &[0x00, 0xbc, 0x61, 0x4e]),
        ("////", &[0xff, 0xff, 0xff]),
        ("AAECAwQFBgc=", &[0, 1, 2, 3, 4, 5, 6, 7]),
    ] {
        assert_eq!(decoded(text).as_deref(), Some(bytes), "{text}");
    }
}

#[test]
fn refuses_what_is_no_base64_or_does_not_fit() {
    for text in [
        "A",
        "AB",
        "ABC",
        "A===",
        "====",
        "AB=C",
        "AB C",
        "-_==",
        "AAECAwQFBgcI",
    ] {
        assert_eq!(decoded(text), None, "{text}");
    }
}
