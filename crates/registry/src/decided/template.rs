//! Templates as written: literals, `{placeholder}`, `{placeholder|fold}`, and `{{` / `}}` for braces.

use freshet_core::shape;
use freshet_core::template::Fold;
use serde::{Serialize, Serializer};

use crate::at::At;

/// A template in its pieces.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TemplateText {
    /// As it is written.
    pub(crate) text: At<String>,
    pub(crate) pieces: Vec<Piece>,
}

/// One piece of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    Literal(String),
    Placeholder(String, Fold),
}

impl TemplateText {
    /// The template that is written.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn new(text: &At<String>) -> Result<Self, String> {
        let pieces = parse(text)?;
        let text = text.clone();
        Ok(Self { text, pieces })
    }

    /// Names of all placeholders.
    pub(crate) fn placeholders(&self) -> impl Iterator<Item = &str> + Clone {
        placeholders(&self.pieces)
    }

    /// What every name of the template begins with.
    pub(crate) fn literal_prefix(&self) -> &str {
        match self.pieces.first() {
            Some(Piece::Literal(text)) => text,
            _ => "",
        }
    }

    /// The names of the template as a [`shape`](mod@freshet_core::shape); values side by side are as good as one.
    pub(crate) fn shape(&self) -> Vec<u8> {
        let mut text = Vec::new();
        for piece in &self.pieces {
            match piece {
                Piece::Literal(literal) => text.extend_from_slice(literal.as_bytes()),
                Piece::Placeholder(..) if text.last() == Some(&shape::VALUE) => {}
                Piece::Placeholder(..) => text.push(shape::VALUE),
            }
        }
        text
    }
}

impl Serialize for TemplateText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.text.serialize(serializer)
    }
}

/// Names of all placeholders among pieces.
pub(crate) fn placeholders(pieces: &[Piece]) -> impl Iterator<Item = &str> + Clone {
    pieces.iter().filter_map(|piece| match piece {
        Piece::Placeholder(name, _) => Some(name.as_str()),
        Piece::Literal(_) => None,
    })
}

/// Splits a template.
fn parse(text: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '{' | '}' if rest.peek() == Some(&character) => {
                rest.next();
                literal.push(character);
            }
            '{' => {
                let mut words = vec![String::new()];
                loop {
                    let word = words.last_mut();
                    match (rest.next(), word) {
                        (Some('}'), _) | (_, None) => break,
                        (Some('|'), _) => words.push(String::new()),
                        (Some(it), Some(word)) if it.is_ascii_alphanumeric() || it == '_' => {
                            word.push(it);
                        }
                        (Some(it), _) => {
                            return Err(format!("`{it}` is not allowed in a placeholder's name"));
                        }
                        (None, _) => return Err("a `{` is not closed".to_owned()),
                    }
                }
                let placeholder = placeholder(words)?;
                if !literal.is_empty() {
                    pieces.push(Piece::Literal(std::mem::take(&mut literal)));
                }
                pieces.push(placeholder);
            }
            '}' => return Err("a `}` has no `{`; write `}}` for a brace".to_owned()),
            other => literal.push(other),
        }
    }
    if !literal.is_empty() {
        pieces.push(Piece::Literal(literal));
    }
    if pieces.is_empty() {
        return Err("a template cannot be empty".to_owned());
    }
    Ok(pieces)
}

/// The name, and the folds that follow it.
fn placeholder(words: Vec<String>) -> Result<Piece, String> {
    let mut words = words.into_iter();
    let name = words.next().unwrap_or_default();
    if name.is_empty() {
        return Err("a placeholder has no name".to_owned());
    }
    let mut fold = Fold::NONE;
    for word in words {
        let (known, given) = match word.as_str() {
            "lower" => ("lower", &mut fold.lower),
            "trim" => ("trim", &mut fold.trim),
            _ => {
                return Err(format!("unknown fold `|{word}`; use `|lower` or `|trim`"));
            }
        };
        if std::mem::replace(given, true) {
            return Err(format!("`|{known}` is used twice in one placeholder"));
        }
    }
    Ok(Piece::Placeholder(name, fold))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_literals_placeholders_and_braces() {
        let pieces = parse("a:{{{id}}}:b").expect("valid");
        assert_eq!(
            pieces,
            [
                Piece::Literal("a:{".into()),
                Piece::Placeholder("id".into(), Fold::NONE),
                Piece::Literal("}:b".into())
            ]
        );
        for wrong in ["", "a{", "a{}", "a{b-c}", "a}b", "{a"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn values_side_by_side_are_one_in_a_shape() {
        for (text, wanted) in [
            ("a:{b}:{c}", "a:*:*"),
            ("a:{b}{c}:d", "a:*:d"),
            ("{b}{c}{d}", "*"),
        ] {
            let template = TemplateText::new(&At::nowhere(text.to_owned()));
            let shape = template.expect("valid").shape();
            assert_eq!(String::from_utf8_lossy(&shape), wanted, "{text}");
        }
    }

    #[test]
    fn folds_follow_the_name() {
        let fold = |lower, trim| Piece::Placeholder("sku".into(), Fold { lower, trim });
        assert_eq!(parse("{sku|lower}"), Ok(vec![fold(true, false)]));
        assert_eq!(parse("{sku|trim}"), Ok(vec![fold(false, true)]));
        assert_eq!(parse("{sku|lower|trim}"), Ok(vec![fold(true, true)]));
        assert_eq!(parse("{sku|trim|lower}"), Ok(vec![fold(true, true)]));
        for wrong in [
            "{sku|}",
            "{|lower}",
            "{sku|Lower}",
            "{sku|upper}",
            "{sku|lower|lower}",
            "{sku|lower",
            "{sku lower}",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
