use super::plain_prefix;

#[test]
fn eight_bytes_at_a_time_find_what_one_at_a_time_finds() {
    for special in [b'"', b'\\', 0, 0x1f] {
        for length in 0..40 {
            for at in 0..length {
                for filler in [b'a', b' ', 0x80, 0xff, b'#', b'!', b'[', b']'] {
                    let mut bytes = vec![filler; length];
                    bytes[at] = special;
                    assert_eq!(plain_prefix(&bytes), at);
                    assert_eq!(plain_prefix(&vec![filler; length]), length);
                }
            }
        }
    }
}
