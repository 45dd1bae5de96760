//! What of a file is shown on a terminal and in a log: a bounded part of it, without control characters.

use std::fmt::Write;

/// Longest message, help or note, in characters.
const MESSAGE_MAX: usize = 1000;
/// Longest part of a line that is shown, in characters.
const LINE_MAX: usize = 160;
/// What is shown of a long line in front of the place, in characters.
const LINE_BEFORE: usize = 60;
/// Names that a list shows.
const NAMES_MAX: usize = 30;

/// The line of a finding, and how far the place is from its beginning, in characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Snippet {
    pub(super) text: String,
    pub(super) caret: usize,
}

impl Snippet {
    /// The line with this number, around its column. Both count from 1.
    pub(super) fn of(text: &str, line: usize, column: usize) -> Option<Self> {
        let line = text.lines().nth(line.checked_sub(1)?)?;
        let at = column.saturating_sub(1);
        let skipped = match at < LINE_MAX - LINE_BEFORE {
            true => 0,
            false => at - LINE_BEFORE,
        };
        let mut out = Self {
            text: String::new(),
            caret: 0,
        };
        if skipped > 0 {
            out.text.push('…');
        }
        let mut shown = line.chars().skip(skipped);
        let mut width = out.text.chars().count();
        for place in skipped..skipped + LINE_MAX {
            if place == at {
                out.caret = width;
            }
            let Some(character) = shown.next() else {
                break;
            };
            let before = out.text.len();
            match character {
                '\t' => out.text.push(' '),
                other => push_escaped(&mut out.text, other),
            }
            width += out.text[before..].chars().count();
        }
        if shown.next().is_some() {
            out.text.push('…');
        }
        Some(out)
    }
}

/// A text without characters that a terminal or a reader is misled by: control characters, and those that change
/// the direction or cannot be seen. They stand as `\u{1b}`.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    text.chars().for_each(|it| push_escaped(&mut out, it));
    out
}

fn push_escaped(out: &mut String, character: char) {
    let misleads = matches!(
        character,
        '\u{ad}' | '\u{61c}' | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    );
    if character.is_control() || misleads {
        // Writing to a String cannot fail.
        let _ = write!(out, "{}", character.escape_unicode());
    } else {
        out.push(character);
    }
}

/// A message of bounded length, escaped.
pub(super) fn clipped(text: &str) -> String {
    match text.char_indices().nth(MESSAGE_MAX) {
        None => escaped(text),
        Some((end, _)) => format!("{}…", escaped(&text[..end])),
    }
}

/// The first of `names`, and how many more there are.
pub fn listed<'a>(mut names: impl ExactSizeIterator<Item = &'a str>) -> String {
    let shown: Vec<&str> = names.by_ref().take(NAMES_MAX).collect();
    match names.len() {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p14_a_line_is_shown_around_its_place_only() {
        let line = format!("{}X{}", "a".repeat(1 << 20), "b".repeat(1 << 20));
        let shown = Snippet::of(&line, 1, (1 << 20) + 1).expect("a line");
        assert!(shown.text.chars().count() <= LINE_MAX + 2);
        assert_eq!(shown.text.chars().nth(shown.caret), Some('X'));
        let short = Snippet::of("\tkey: [a, b]", 1, 8).expect("a line");
        assert_eq!((short.text.as_str(), short.caret), (" key: [a, b]", 7));
        assert_eq!(Snippet::of("one", 2, 1), None);
        assert_eq!(Snippet::of("one", 0, 0), None);
    }

    #[test]
    fn a_long_line_is_cut_in_front_of_places_far_from_its_beginning() {
        let line = "x".repeat(1_000);
        for (column, caret, cut) in [(1, 0, false), (100, 99, false), (101, 61, true)] {
            let shown = Snippet::of(&line, 1, column).expect("a line");
            let begins_cut = shown.text.starts_with('…');
            assert_eq!((shown.caret, begins_cut), (caret, cut), "{column}");
        }
    }

    #[test]
    fn p12_nothing_that_a_terminal_obeys_is_shown() {
        let shown = escaped("a\u{1b}[2Jb\0c\u{202e}d\u{9b}\u{2066}\n\u{200b}é");
        assert_eq!(
            shown,
            "a\\u{1b}[2Jb\\u{0}c\\u{202e}d\\u{9b}\\u{2066}\\u{a}\\u{200b}é"
        );
        let snippet = Snippet::of("\u{1b}X", 1, 2).expect("a line");
        assert_eq!(snippet.text.chars().nth(snippet.caret), Some('X'));
        assert!(clipped(&"x".repeat(1 << 20)).chars().count() <= MESSAGE_MAX + 1);
    }

    #[test]
    fn a_list_names_some_and_counts_the_others() {
        assert_eq!(listed(["a", "b"].into_iter()), "a, b");
        let many = vec!["x"; 20_000];
        assert!(listed(many.into_iter()).ends_with("x and 19970 more"));
    }
}
