//! What is wrong with a file that is not the YAML that it should be.

use std::path::Path;

use freshet_core::nearest::nearest;
use serde_saphyr::Error;

use super::{Diagnostic, Place};

pub(super) fn diagnostic(code: &'static str, path: &Path, error: &Error) -> Diagnostic {
    let place = error.location().map_or(Place::file(path), |it| {
        Place::at(path.to_owned(), it.line() as usize, it.column() as usize)
    });
    let error = error.without_snippet();
    let (message, help) = match error {
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
        Error::SerdeMissingField { field, .. } => (
            format!("the field `{field}` is missing"),
            "docs/registry.md describes every field".to_owned(),
        ),
        other => (first_line(&other.to_string()), String::new()),
    };
    let fault = Diagnostic::error(code, place, &message);
    match help.is_empty() {
        true => fault,
        false => fault.with_help(&help),
    }
}

/// What to do about a name that is not known.
fn meant(word: &str, expected: &[&'static str]) -> String {
    let all = format!("one of: {}", expected.join(", "));
    match nearest(word, expected.iter().copied()) {
        Some(near) => format!("did you mean `{near}`? {all}"),
        None => all,
    }
}

/// The first line says what is wrong; the place stands beside it.
fn first_line(text: &str) -> String {
    let message = text.lines().next().unwrap_or("not valid YAML");
    let message = message.strip_prefix("error: ").unwrap_or(message);
    let rest = message
        .strip_prefix("line ")
        .and_then(|it| it.split_once(": "));
    rest.map_or(message, |(_, rest)| rest).to_owned()
}
