//! What is wrong with a file that is not the YAML that it should be.

use std::path::Path;

use freshet_core::nearest::nearest;
use serde_saphyr::{Error, MessageFormatter, UserMessageFormatter};

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
        // Without the place, which stands beside it.
        other => (
            UserMessageFormatter.format_message(other).into_owned(),
            String::new(),
        ),
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
