use proptest::prelude::*;
use serde_json::Value;

use super::Cursor;
use crate::error::DecodeError;
use crate::scalar::Scalar;

fn skip_all(text: &[u8]) -> Result<(), DecodeError> {
    let mut cursor = Cursor::new(text, 128);
    cursor.skip()?;
    cursor.end()
}

/// Rebuilds a value by walking it, so that it can be compared with the reference.
fn rebuild(cursor: &mut Cursor<'_>, scratch: &mut String) -> Result<Value, DecodeError> {
    if cursor.peek() == Some(b'{') {
        let mut object = serde_json::Map::new();
        cursor.object(|cursor, name| {
            let name = String::from_utf8(name.to_vec()).expect("test names are UTF-8");
            object.insert(name, rebuild(cursor, &mut String::new())?);
            Ok(())
        })?;
        return Ok(Value::Object(object));
    }
    Ok(match cursor.scalar(scratch)? {
        Scalar::Null => Value::Null,
        Scalar::Bool(truth) => Value::Bool(truth),
        Scalar::Number(text) => serde_json::from_str(text).expect("a number"),
        Scalar::Text(text) => Value::String(text.to_owned()),
        _ => Value::String("opaque".to_owned()),
    })
}

/// The reference's value with arrays made opaque, as the cursor has them.
fn without_arrays(value: Value) -> Value {
    match value {
        Value::Array(_) => Value::String("opaque".to_owned()),
        Value::Object(fields) => Value::Object(
            fields
                .into_iter()
                .map(|(name, value)| (name, without_arrays(value)))
                .collect(),
        ),
        other => other,
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(|number| serde_json::json!(number)),
        any::<String>().prop_map(Value::from),
        "[\"\\\\\u{0}-\u{1f}é🧀]{0,20}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::hash_map(any::<String>(), inner, 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

#[test]
fn what_is_no_json_is_refused() {
    for text in [
        "",
        " ",
        "{",
        "}",
        "[",
        "[1",
        "[1,",
        "[,]",
        "{,}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "[1,]",
        "{a:1}",
        "{\"a\":1 \"b\":2}",
        "01",
        "-",
        "1.",
        ".5",
        "1e",
        "1e+",
        "+1",
        "nul",
        "truee",
        "\"",
        "\"\\\"",
        "\"\\x\"",
        "\"\\u12g4\"",
        "\"\u{1}\"",
        "[1}",
        "{\"a\":1]",
        "1 2",
        "NaN",
        "[{},]",
        "[[],",
    ] {
        assert!(skip_all(text.as_bytes()).is_err(), "{text}");
        assert!(serde_json::from_str::<Value>(text).is_err(), "{text}");
    }
}

#[test]
fn nesting_beyond_the_limit_is_too_deep_in_every_way_of_reading() {
    let nested = format!("{}{}", "[".repeat(9), "]".repeat(9));
    let is_deep = |result: Result<(), DecodeError>| {
        matches!(result, Err(DecodeError::TooDeep { depth_max: 8, .. }))
    };
    assert!(is_deep(Cursor::new(nested.as_bytes(), 8).skip()));
    assert!(Cursor::new(nested.as_bytes(), 9).skip().is_ok());
    let inside = format!("{{\"a\":{}{}}}", "[".repeat(8), "]".repeat(8));
    let mut cursor = Cursor::new(inside.as_bytes(), 8);
    assert!(is_deep(cursor.object(|cursor, _| cursor.skip())));
    let objects = format!("{}1{}", "{\"a\":".repeat(9), "}".repeat(9));
    fn dive(cursor: &mut Cursor<'_>) -> Result<(), DecodeError> {
        if cursor.peek() == Some(b'{') {
            return cursor.object(|cursor, _| dive(cursor));
        }
        cursor.skip()
    }
    assert!(is_deep(dive(&mut Cursor::new(objects.as_bytes(), 8))));
    assert_eq!(dive(&mut Cursor::new(objects.as_bytes(), 9)), Ok(()));
    // What is closed does not count any more.
    let siblings = format!("{{{}\"c\":1}}", "\"a\":{},\"b\":{\"a\":1},".repeat(20));
    assert_eq!(dive(&mut Cursor::new(siblings.as_bytes(), 2)), Ok(()));
    let thousands = "[".repeat(100_000);
    assert!(skip_all(thousands.as_bytes()).is_err());
}

#[test]
fn strings_are_unescaped_and_halves_of_surrogates_refused() {
    let scalar = |text: &str| {
        let mut scratch = String::new();
        let mut cursor = Cursor::new(text.as_bytes(), 8);
        cursor.scalar(&mut scratch).map(|value| match value {
            Scalar::Text(text) => text.to_owned(),
            other => format!("{other:?}"),
        })
    };
    assert_eq!(
        scalar(r#""\uD83E\uDDC0 \n\t\"\\\/\u00e4""#).as_deref(),
        Ok("🧀 \n\t\"\\/ä")
    );
    for bad in [
        r#""\uD83E""#,
        r#""\uDDC0""#,
        r#""\uD83E\u0041""#,
        r#""\uD83E\uE000""#,
        r#""\uD83Ex""#,
    ] {
        assert!(
            matches!(scalar(bad), Err(DecodeError::BadJson { .. })),
            "{bad}"
        );
    }
    // Of one with an escape it is known where it begins.
    for (bad, at) in [(&b"\"a\xff\""[..], 2), (b"\"\\na\xff\"", 1)] {
        let mut scratch = String::new();
        let mut cursor = Cursor::new(bad, 8);
        assert_eq!(
            cursor.scalar(&mut scratch),
            Err(DecodeError::BadUtf8 { at })
        );
    }
}

#[test]
fn a_decimal_with_its_own_scale_is_recognised_and_nothing_else() {
    let scalar = |text: &str| {
        let mut scratch = String::new();
        let mut cursor = Cursor::new(text.as_bytes(), 8);
        let value = cursor.scalar(&mut scratch).expect("JSON");
        format!("{value:?}")
    };
    assert!(scalar(r#"{"scale":3,"value":"B8Y="}"#).contains("scale: 3, base64: \"B8Y=\""));
    for other in [
        "{}",
        r#"{"scale":3}"#,
        r#"{"value":"B8Y="}"#,
        r#"{"scale":"3","value":"B8Y="}"#,
        r#"{"scale":3,"value":"B8Y=","more":1}"#,
        r#"{"scale":99999999999,"value":"B8Y="}"#,
    ] {
        assert_eq!(scalar(other), "Opaque", "{other}");
    }
}

proptest! {
    #[test]
    fn walks_to_the_same_value_as_the_reference(value in any_json(), pretty: bool) {
        let text = if pretty {
            serde_json::to_string_pretty(&value)
        } else {
            serde_json::to_string(&value)
        };
        let text = text.expect("it serializes");
        prop_assert_eq!(skip_all(text.as_bytes()), Ok(()));
        let mut cursor = Cursor::new(text.as_bytes(), 128);
        let walked = rebuild(&mut cursor, &mut String::new()).expect("valid JSON");
        // Read back: the reference's floats lose their last digit on the way.
        let reference = serde_json::from_str(&text).expect("valid JSON");
        prop_assert_eq!(walked, without_arrays(reference));
        prop_assert_eq!(cursor.end(), Ok(()));
    }

    /// The skipping check is as strict as the reference's, on texts that are nearly JSON.
    #[test]
    fn accepts_and_refuses_what_the_reference_does(
        value in any_json(),
        cuts in prop::collection::vec((any::<prop::sample::Index>(), "[\\[\\]{},:\"0-9a-z.\\\\ -]?"), 0..3),
    ) {
        let mut text: Vec<char> = value.to_string().chars().collect();
        for (at, put) in cuts {
            let at = at.index(text.len().max(1)).min(text.len());
            text.splice(at..text.len().min(at + 1), put.chars());
        }
        let text: String = text.into_iter().collect();
        let reference = serde_json::from_str::<serde::de::IgnoredAny>(&text);
        prop_assert_eq!(skip_all(text.as_bytes()).is_ok(), reference.is_ok(), "{}", text);
    }

    #[test]
    fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = skip_all(&bytes);
        let _ = rebuild(&mut Cursor::new(&bytes, 16), &mut String::new());
    }
}
