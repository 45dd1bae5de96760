//! What is wrong with a config that is not the YAML that a config is. Fields are named, values never: the wrong one may
//! be a password.

use std::path::Path;

use freshet_registry::diagnostics::{Diagnostic, Diagnostics, Place, wrong_name};
use serde_saphyr::Error;

use super::values::SECRET_FORM;

/// The one fault that the parser stopped at, with its place. The line itself is not shown.
pub(crate) fn unparsable(path: &Path, error: &Error) -> Diagnostics {
    let (message, help) = said(error.without_snippet());
    let fault =
        Diagnostic::error("FC0002", Place::of_error(path, error), &message).with_help(&help);
    let mut found = Diagnostics::default();
    found.push(fault, "");
    found
}

fn said(error: &Error) -> (String, String) {
    const PAGE: &str = "docs/configuration.md";
    if let Some(said) = wrong_name(error, PAGE) {
        return said;
    }
    match error {
        Error::SerdeInvalidType { expected, .. } if expected == SECRET_FORM => no_secret(),
        Error::Message { msg, .. } if msg.contains(SECRET_FORM) => no_secret(),
        Error::SerdeInvalidType { expected, .. } | Error::SerdeInvalidValue { expected, .. } => (
            format!("is of the wrong type: expected {expected}"),
            format!("{PAGE} describes every field"),
        ),
        Error::DuplicateMappingKey { key: Some(key), .. } => (
            format!("duplicate field `{key}`"),
            "remove one of them".to_owned(),
        ),
        Error::Budget { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. } => (
            "the config is too large".to_owned(),
            format!("{PAGE} has the limits of values, of their depth and of aliases"),
        ),
        other => (
            without_quoted(other.to_string().lines().next().unwrap_or_default()),
            "put values with special characters into quotes".to_owned(),
        ),
    }
}

fn no_secret() -> (String, String) {
    (
        SECRET_FORM.to_owned(),
        "put the secret into an environment variable or a file; it cannot be in the config"
            .to_owned(),
    )
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
    use std::collections::BTreeMap;

    use freshet_registry::yaml::parse;

    use super::*;
    use crate::config::values::SecretWritten;

    #[test]
    fn p12_what_is_no_secret_is_answered_with_the_form_of_one() {
        for written in [
            "hunter2",
            "17",
            "-17",
            "true",
            "1.5",
            "",
            "[hunter2]",
            "{ hunter2: x }",
        ] {
            let text = format!("password: {written}\n");
            let Err(error) = parse::<BTreeMap<String, SecretWritten>>(&text, 10) else {
                panic!("{written} is a secret");
            };
            let shown = unparsable(Path::new("freshet.yaml"), &error).render();
            assert!(shown.contains("put the secret into"), "{written}: {shown}");
            assert!(!shown.contains("hunter2"), "{written}: {shown}");
        }
    }

    #[test]
    fn p12_nothing_that_stands_in_quotes_is_repeated() {
        assert_eq!(without_quoted("no quotes"), "no quotes");
        assert_eq!(without_quoted("a 'hunter2' and `b`"), "a … and …");
        assert_eq!(without_quoted("value \"hunter2"), "value …");
    }
}
