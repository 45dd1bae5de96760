//! A JSON text as a tree, for the rare records of which a tree is needed. A tree takes up to a hundred times the
//! memory of its text, so its size is bounded before it is built.

use serde_json::Value;

/// Objects of a tree: each takes some 700 bytes. A schema of a table with 4096 columns has 8 200.
const OBJECTS_MAX: usize = 1 << 16;
/// Other values of a tree: each takes some 50 bytes.
const VALUES_MAX: usize = 1 << 20;

/// The tree. None when the text is not JSON, or holds more values than a tree may (about 100 MiB).
pub(crate) fn parse(text: &[u8]) -> Option<Value> {
    if is_bounded(text) {
        serde_json::from_slice(text).ok()
    } else {
        None
    }
}

/// Whether a tree of `text` is bounded. Brackets and commas inside strings count too, so it may be refused too early,
/// never too late.
pub(crate) fn is_bounded(text: &[u8]) -> bool {
    let (mut objects, mut values) = (0, 0);
    for byte in text {
        objects += usize::from(*byte == b'{');
        values += usize::from(matches!(byte, b',' | b'[' | b':'));
    }
    objects <= OBJECTS_MAX && values <= VALUES_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_counted_before_it_is_built() {
        assert!(parse(br#"{"a":[1,{"b":null}]}"#).is_some());
        assert!(parse(b"[1,").is_none());
        let objects = |count| format!("[{}]", vec![r#"{"":0}"#; count].join(","));
        // The bracket is counted too.
        let values = |count| format!("[{}]", vec!["0"; count].join(","));
        for text in [objects(OBJECTS_MAX), values(VALUES_MAX)] {
            assert!(is_bounded(text.as_bytes()));
        }
        for text in [objects(OBJECTS_MAX + 1), values(VALUES_MAX + 1)] {
            assert!(!is_bounded(text.as_bytes()));
            assert!(parse(text.as_bytes()).is_none());
        }
    }
}
