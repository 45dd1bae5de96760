//! Words and texts as they stand in a source file that `freshet source pull` writes.

use std::fmt::Write;

use serde::Serialize;

/// A value of a fixed list, by its word, which is plain YAML text.
pub(super) fn word(value: &impl Serialize) -> String {
    let word = serde_json::to_value(value).unwrap_or_default();
    word.as_str().unwrap_or_default().to_owned()
}

/// A text as a YAML scalar; quoted unless it is plainly a word.
pub(super) fn quoted(text: &str) -> String {
    let plain = text.starts_with(|it: char| it.is_ascii_alphabetic())
        && text
            .chars()
            .all(|it| it.is_ascii_alphanumeric() || matches!(it, '_' | '.'))
        && !matches!(
            text.to_ascii_lowercase().as_str(),
            "true" | "false" | "null" | "yes" | "no" | "on" | "off" | "y" | "n"
        );
    if plain {
        return text.to_owned();
    }
    let mut out = String::new();
    for character in serde_json::Value::from(text).to_string().chars() {
        // JSON lets these stand as they are; YAML takes them for a line's end, or not at all.
        if matches!(
            character,
            '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
        ) {
            // Writing to a String cannot fail.
            let _ = write!(out, "\\u{:04x}", u32::from(character));
        } else {
            out.push(character);
        }
    }
    out
}
