use freshet_core::position::WallMicros;

use freshet_core::registry::LetterPolicy;
use freshet_core::setting::Setting;

use super::{DeadLetter, RowBytes};
use crate::RecordError;
use crate::single_object::RecordSchema;

const SECRET: &str = "row-data-nobody-may-see";

fn letter() -> DeadLetter {
    DeadLetter {
        topic: "shop.public.items".to_owned(),
        partition: 3,
        offset: 1 << 40,
        reason: "bad_avro".to_owned(),
        detail: "bad Avro under schema 7 at byte 12: the datum ends too early".to_owned(),
        families: vec!["catalog.item".to_owned(), "catalog.category".to_owned()],
        value_bytes: 1 << 33,
        attempts: u32::MAX,
        at: WallMicros(1_795_406_543_404_140),
        appended: WallMicros(0),
        policy: LetterPolicy::Full,
        key: Some(RowBytes(b"{\"id\":7}".to_vec())),
        value: Some(RowBytes(vec![0, 0, 0, 0, 7])),
        cut: true,
    }
}

#[test]
fn a_dead_letter_comes_back() {
    assert_eq!(DeadLetter::decode(&letter().encode()), Ok(letter()));
    let empty = DeadLetter::default();
    assert_eq!(DeadLetter::decode(&empty.encode()), Ok(empty));
}

#[test]
fn a_cut_or_changed_dead_letter_never_panics() {
    let record = letter().encode();
    for at in 0..record.len() {
        assert!(DeadLetter::decode(&record[..at]).is_err(), "cut at {at}");
        for flip in [0x01, 0x80, 0xff] {
            let mut damaged = record.clone();
            damaged[at] ^= flip;
            let answer = DeadLetter::decode(&damaged);
            if (2..10).contains(&at) {
                let unknown = matches!(answer, Err(RecordError::UnknownSchema { .. }));
                assert!(unknown, "fingerprint changed at {at}");
            }
        }
    }
}

/// Letters wait in their topic while releases change. One of the first form has kept nothing of its record.
#[test]
fn a_dead_letter_of_the_first_form_is_still_read() {
    let first = include_str!("../../../../schemas/earlier/dead_letter.1.avsc");
    let first = RecordSchema::new(first, &[]);
    let apache_avro::types::Value::Record(mut fields) = letter().to_value() else {
        panic!("a record");
    };
    fields.retain(|(name, _)| !["policy", "key", "value", "cut"].contains(&name.as_str()));
    let record = first.encode(apache_avro::types::Value::Record(fields));
    let expected = DeadLetter {
        policy: LetterPolicy::None,
        key: None,
        value: None,
        cut: false,
        ..letter()
    };
    assert_eq!(DeadLetter::decode(&record), Ok(expected));
}

/// What a letter of this record keeps under `policy`: key and value as text.
fn kept(policy: LetterPolicy, value: &[u8]) -> (Option<String>, Option<String>, DeadLetter) {
    let mut letter = DeadLetter::default();
    letter.keep(policy, Some(b"{\"id\":7}"), Some(value));
    let letter = DeadLetter::decode(&letter.encode()).expect("it comes back");
    assert_eq!(letter.policy, policy);
    let text = |bytes: &Option<RowBytes>| {
        let bytes = bytes.as_ref()?;
        Some(String::from_utf8_lossy(&bytes.0).into_owned())
    };
    (text(&letter.key), text(&letter.value), letter)
}

#[test]
fn p12_each_policy_keeps_what_it_says_and_no_secret_but_in_full() {
    let envelope = format!(
        "{{\"schema\":{{\"fields\":[1,2]}},\"payload\":{{\"op\":\"u\",\"before\":null,\"after\":{{\"id\":-12,\
         \"name\":\"{SECRET}\",\"on\":true,\"map\":{{\"{SECRET}\":1}},\"list\":[\"{SECRET}\"]}}}}}}"
    );
    let key = Some("{\"id\":7}".to_owned());
    for &policy in LetterPolicy::ALL {
        let (had_key, value, letter) = kept(policy, envelope.as_bytes());
        assert_eq!(had_key.is_some(), policy != LetterPolicy::None);
        let secret = value.as_ref().is_some_and(|value| value.contains(SECRET));
        assert_eq!(secret, policy == LetterPolicy::Full, "{policy:?}");
        assert!(!format!("{letter:?}").contains(SECRET), "shown by accident");
    }
    let (had_key, value, _) = kept(LetterPolicy::Redacted, envelope.as_bytes());
    let shape = "{\"payload\":{\"after\":{\"id\":\"number(3)\",\"list\":\"array(1)\",\"map\":\"object(1)\",\
                 \"name\":\"string(23)\",\"on\":\"boolean\"},\"before\":\"null\",\"op\":\"string(1)\"},\
                 \"schema\":\"object(1)\"}";
    let parsed = |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("JSON");
    assert_eq!(had_key, key);
    assert_eq!(value.as_deref().map(parsed), Some(parsed(shape)));
    let (had_key, value, _) = kept(LetterPolicy::KeysOnly, envelope.as_bytes());
    assert_eq!((had_key, value), (key, None));
    let (_, value, letter) = kept(LetterPolicy::Full, envelope.as_bytes());
    assert_eq!((value, letter.cut), (Some(envelope), false));
}

#[test]
fn p12_what_is_no_json_object_keeps_its_size_and_its_framing_only() {
    let framed = [vec![0, 0, 0, 0, 9], SECRET.as_bytes().to_vec()].concat();
    let broken = format!("{{\"after\":\"{SECRET}").into_bytes();
    let list = format!("[\"{SECRET}\"]").into_bytes();
    let deep = [b"{\"after\":".to_vec(), b"[".repeat(10_000)].concat();
    let long_name = format!("{{\"{}\":1}}", SECRET.repeat(9)).into_bytes();
    let names = [64, 65].map(|length| "n".repeat(length));
    let longest_name = format!("{{\"{}\":1,\"{}\":1}}", names[0], names[1]).into_bytes();
    let longest_shown = format!(
        "{{\"{}\":\"number(1)\",\"name(65)\":\"number(1)\"}}",
        names[0]
    );
    for (value, shown) in [
        (
            framed,
            "{\"no_json_object\":{\"bytes\":28,\"framing\":\"0000000009\"}}",
        ),
        (
            broken,
            "{\"no_json_object\":{\"bytes\":33,\"framing\":\"\"}}",
        ),
        (list, "{\"no_json_object\":{\"bytes\":27,\"framing\":\"\"}}"),
        (
            deep,
            "{\"no_json_object\":{\"bytes\":10009,\"framing\":\"\"}}",
        ),
        (
            vec![0, 0],
            "{\"no_json_object\":{\"bytes\":2,\"framing\":\"0000\"}}",
        ),
        (long_name, "{\"name(207)\":\"number(1)\"}"),
        (longest_name, &longest_shown),
    ] {
        let (_, value, _) = kept(LetterPolicy::Redacted, &value);
        let parsed = |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("JSON");
        assert_eq!(value.as_deref().map(parsed), Some(parsed(shown)));
    }
}

#[test]
fn what_is_longer_than_a_letter_keeps_is_cut_and_said_so() {
    let exact = vec![b'x'; 64 * 1024];
    let (_, value, letter) = kept(LetterPolicy::Full, &exact);
    assert_eq!(
        (value.map(|it| it.len()), letter.cut),
        (Some(64 * 1024), false)
    );
    let (_, value, letter) = kept(LetterPolicy::Full, &[exact, vec![b'y']].concat());
    assert_eq!(
        (value.map(|it| it.len()), letter.cut),
        (Some(64 * 1024), true)
    );
    let mut letter = DeadLetter::default();
    letter.keep(LetterPolicy::KeysOnly, Some(&vec![b'k'; 70_000]), None);
    assert_eq!(letter.key.map(|key| key.0.len()), Some(64 * 1024));
    assert!(letter.cut && letter.value.is_none());
}
