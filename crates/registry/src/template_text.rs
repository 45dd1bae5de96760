//! Templates as written: literals, `{placeholder}`, and `{{` / `}}` for braces.

use freshet_core::shape;

/// One piece of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    Literal(String),
    Placeholder(String),
}

/// Splits a template.
pub(crate) fn parse(text: &str) -> Result<Vec<Piece>, String> {
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
                let mut name = String::new();
                loop {
                    match rest.next() {
                        Some('}') => break,
                        Some(it) if it.is_ascii_alphanumeric() || it == '_' => name.push(it),
                        Some(it) => {
                            return Err(format!("`{it}` cannot stand in a placeholder's name"));
                        }
                        None => return Err("a `{` is not closed".to_owned()),
                    }
                }
                if name.is_empty() {
                    return Err("a placeholder has no name".to_owned());
                }
                if !literal.is_empty() {
                    pieces.push(Piece::Literal(std::mem::take(&mut literal)));
                }
                pieces.push(Piece::Placeholder(name));
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

/// Names of all placeholders.
pub(crate) fn placeholders(pieces: &[Piece]) -> impl Iterator<Item = &str> {
    pieces.iter().filter_map(|piece| match piece {
        Piece::Placeholder(name) => Some(name.as_str()),
        Piece::Literal(_) => None,
    })
}

/// What every name of the template begins with.
pub(crate) fn literal_prefix(pieces: &[Piece]) -> &str {
    match pieces.first() {
        Some(Piece::Literal(text)) => text,
        _ => "",
    }
}

/// The names of the template as a [shape]; values side by side are as good as one.
pub(crate) fn shape(pieces: &[Piece]) -> Vec<u8> {
    let mut text = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Literal(literal) => text.extend_from_slice(literal.as_bytes()),
            Piece::Placeholder(_) if text.last() == Some(&shape::VALUE) => {}
            Piece::Placeholder(_) => text.push(shape::VALUE),
        }
    }
    text
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
                Piece::Placeholder("id".into()),
                Piece::Literal("}:b".into())
            ]
        );
        for wrong in ["", "a{", "a{}", "a{b-c}", "a}b", "{a"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
