//! Texts with places for names.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Everything but the unreserved characters of RFC 3986.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A text with places for names: `{name}` for one, `{names}` for all of a call with a separator between them,
/// `{names_json}` for all as a JSON array. Other braces are text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Name,
    Names,
    NamesJson,
}

/// A word in braces that is no placeholder. It is not repeated: somebody may have written a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("has an unknown placeholder")]
pub struct UnknownPlaceholder {
    /// The placeholder that was probably meant.
    pub meant: Option<&'static str>,
}

/// The placeholders.
const PLACEHOLDERS: [&str; 3] = ["name", "names", "names_json"];

/// How a name is written where it stands.
#[derive(Clone, Copy)]
pub(crate) enum Form {
    /// As it is.
    Plain,
    /// Percent-encoded.
    Url,
    /// Escaped for a string in JSON, and as an array of them.
    Json,
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// A word in braces is no placeholder.
    pub fn parse(text: &str) -> Result<Self, UnknownPlaceholder> {
        let (mut parts, mut plain, mut rest) = (Vec::new(), String::new(), text);
        while let Some((before, after)) = rest.split_once('{') {
            plain.push_str(before);
            let is_word = |word: &&str| {
                let letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
                !word.is_empty() && word.bytes().all(letter)
            };
            let word = after.split_once('}').map(|(word, _)| word).filter(is_word);
            let Some(word) = word else {
                plain.push('{');
                rest = after;
                continue;
            };
            let part = match word {
                "name" => Part::Name,
                "names" => Part::Names,
                "names_json" => Part::NamesJson,
                _ => {
                    let meant = freshet_core::nearest::nearest(word, PLACEHOLDERS);
                    return Err(UnknownPlaceholder { meant });
                }
            };
            parts.extend([Part::Text(std::mem::take(&mut plain)), part]);
            rest = &after[word.len() + 1..];
        }
        plain.push_str(rest);
        parts.push(Part::Text(plain));
        Ok(Self(parts))
    }

    /// Whether it has a place for names.
    pub fn names_something(&self) -> bool {
        self.0.iter().any(|part| !matches!(part, Part::Text(_)))
    }

    pub(crate) fn names_one(&self) -> bool {
        self.0.contains(&Part::Name)
    }

    pub(crate) fn fill(&self, names: &[&str], separator: &str, form: Form) -> String {
        let write = |text: &str| match form {
            Form::Plain => text.to_owned(),
            Form::Url => utf8_percent_encode(text, ESCAPED).to_string(),
            // Without the quotes: they stand in the template.
            Form::Json => {
                let quoted = serde_json::Value::from(text).to_string();
                quoted[1..quoted.len() - 1].to_owned()
            }
        };
        let filled = self.0.iter().map(|part| match part {
            Part::Text(text) => text.clone(),
            Part::Name | Part::Names => write(&names.join(separator)),
            Part::NamesJson => match form {
                Form::Url => write(&serde_json::Value::from(names).to_string()),
                Form::Plain | Form::Json => serde_json::Value::from(names).to_string(),
            },
        });
        filled.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &str, names: &[&str], form: Form) -> String {
        let template = Template::parse(text).expect("a template");
        template.fill(names, ", ", form)
    }

    #[test]
    fn names_are_written_as_the_place_wants_them() {
        let names = ["item-1", "größe\"/?&#"];
        for (text, form, wanted) in [
            ("all: {names}.", Form::Plain, "all: item-1, größe\"/?&#."),
            (
                "/p?t={names}",
                Form::Url,
                "/p?t=item-1%2C%20gr%C3%B6%C3%9Fe%22%2F%3F%26%23",
            ),
            (
                r#"{"tags": {names_json}, "as": "{names}"}"#,
                Form::Json,
                r#"{"tags": ["item-1","größe\"/?&#"], "as": "item-1, größe\"/?&#"}"#,
            ),
            (
                "/p?t={names_json}",
                Form::Url,
                "/p?t=%5B%22item-1%22%2C%22gr%C3%B6%C3%9Fe%5C%22%2F%3F%26%23%22%5D",
            ),
        ] {
            assert_eq!(filled(text, &names, form), wanted);
        }
        assert_eq!(filled("{name}/{name}", &["a b"], Form::Url), "a%20b/a%20b");
    }

    #[test]
    fn braces_without_a_word_are_text() {
        for text in [
            "{",
            "}",
            "{}",
            "{ name }",
            "{{\"a\": {}}",
            "a{b",
            "{a-b}",
            "",
        ] {
            let template = Template::parse(text).expect("a template");
            assert!(!template.names_something(), "{text}");
            assert_eq!(template.fill(&["x"], "", Form::Plain), text);
        }
    }

    #[test]
    fn an_unknown_placeholder_is_refused_without_repeating_it() {
        let unknown = Template::parse("/{nmaes}").expect_err("unknown");
        assert_eq!(unknown.meant, Some("names"));
        let unknown = Template::parse("{name}/{hunter2}").expect_err("unknown");
        assert_eq!(unknown.meant, None);
        assert!(!unknown.to_string().contains("hunter2"));
        // A word in braces within other braces.
        assert!(Template::parse("{\"a\": {x}}").is_err());
    }
}
