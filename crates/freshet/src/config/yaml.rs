//! What is wrong with a config that is not the YAML that a config is. Fields are named, values never: the wrong one may
//! be a password.

use std::path::Path;

use freshet_core::nearest::nearest;
use freshet_registry::diagnostics::{Diagnostic, Diagnostics, Place};
use serde_saphyr::Error;

use super::values::SECRET_FORM;

/// The one fault that the parser stopped at, with its place. The line itself is not shown.
pub(crate) fn unparsable(path: &Path, error: &Error) -> Diagnostics {
    let place = error.location().map_or(Place::file(path), |it| {
        Place::at(path.to_owned(), it.line() as usize, it.column() as usize)
    });
    let (message, help) = said(error.without_snippet());
    let fault = Diagnostic::error("FC0002", place, &message).with_help(&help);
    let mut found = Diagnostics::default();
    found.push(fault, "");
    found
}

fn said(error: &Error) -> (String, String) {
    const FIELDS: &str = "docs/configuration.md describes every field";
    match error {
        Error::SerdeUnknownField {
            field, expected, ..
        } => (
            format!("there is no field `{field}` here"),
            meant(field, expected),
        ),
        Error::SerdeUnknownVariant {
            variant, expected, ..
        } => (
            format!("`{variant}` is not known here"),
            meant(variant, expected),
        ),
        Error::SerdeMissingField { field, .. } => {
            (format!("the field `{field}` is missing"), FIELDS.to_owned())
        }
        Error::SerdeInvalidType { expected, .. } | Error::SerdeInvalidValue { expected, .. } => (
            format!("is of the wrong type: expected {expected}"),
            FIELDS.to_owned(),
        ),
        Error::DuplicateMappingKey { key: Some(key), .. } => (
            format!("`{key}` is written twice"),
            "remove one of them".to_owned(),
        ),
        Error::Budget { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. } => (
            "this is more than a config may hold".to_owned(),
            "docs/configuration.md has the limits of values, of their depth and of aliases"
                .to_owned(),
        ),
        Error::Message { msg, .. } if msg.contains(SECRET_FORM) => (
            SECRET_FORM.to_owned(),
            "put the secret into an environment variable or a file; none stands in the config"
                .to_owned(),
        ),
        other => (
            without_quoted(other.to_string().lines().next().unwrap_or_default()),
            "put values with special characters into quotes".to_owned(),
        ),
    }
}

/// What to do about a name that is not known.
fn meant(word: &str, expected: &[&'static str]) -> String {
    let all = format!("one of: {}", expected.join(", "));
    match nearest(word, expected.iter().copied()) {
        Some(name) => format!("did you mean `{name}`? {all}"),
        None => all,
    }
}

/// The text without what stands in quotes: the parser quotes what was written.
fn without_quoted(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['"', '\'', '`']) {
        let quote = rest[at..].chars().next().unwrap_or('"');
        out.push_str(&rest[..at]);
        out.push('…');
        let Some((_, after)) = rest[at + 1..].split_once(quote) else {
            return out;
        };
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p12_nothing_that_stands_in_quotes_is_repeated() {
        assert_eq!(without_quoted("no quotes"), "no quotes");
        assert_eq!(without_quoted("a 'hunter2' and `b`"), "a … and …");
        assert_eq!(without_quoted("value \"hunter2"), "value …");
    }
}
