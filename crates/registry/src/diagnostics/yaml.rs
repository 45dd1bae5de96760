//! What is wrong with a file that is not the YAML that it should be.

use freshet_core::nearest::nearest;
use serde_saphyr::{Error, MessageFormatter, UserMessageFormatter};

/// Fields that earlier releases called otherwise: then, and now.
const RENAMED: &[(&str, &str)] = &[("canaries", "beacons")];

/// What is wrong with the name of a field or of a value, and what to do about it. None for any other error. `page`
/// describes the file's fields.
pub fn wrong_name(error: &Error, page: &str) -> Option<(String, String)> {
    match error {
        Error::SerdeUnknownField {
            field, expected, ..
        } => Some((
            format!("unknown field `{field}`"),
            renamed(field, expected).unwrap_or_else(|| one_of(field, expected)),
        )),
        Error::SerdeUnknownVariant {
            variant, expected, ..
        } => Some((
            format!("unknown value `{variant}`"),
            one_of(variant, expected),
        )),
        Error::SerdeMissingField { field, .. } => Some((
            format!("missing field `{field}`"),
            format!("{page} describes every field"),
        )),
        _ => None,
    }
}

/// What a field of an earlier release is called now, where that is one of `fields`.
fn renamed(field: &str, fields: &[&str]) -> Option<String> {
    let (_, now) = RENAMED.iter().find(|(then, _)| *then == field)?;
    let help = || format!("`{field}` is called `{now}` now, see docs/upgrading.md");
    fields.contains(now).then(help)
}

/// What to write instead of `word`, which is none of `choices`.
pub fn one_of(word: &str, choices: &[&str]) -> String {
    let all = format!("one of: {}", choices.join(", "));
    match nearest(word, choices.iter().copied()) {
        Some(near) => format!("did you mean `{near}`? {all}"),
        None => all,
    }
}

/// What the parser says to users, without the place, which stands beside it.
pub(super) fn message_of(error: &Error) -> String {
    UserMessageFormatter.format_message(error).into_owned()
}
