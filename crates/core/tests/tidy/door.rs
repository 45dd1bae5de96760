//! Whatever is purged that is no change of a row comes in by one door, with who asks and why (P12).

use std::collections::BTreeSet;

use crate::sources::{RustFile, production_files, sample};

/// Everybody who makes an `Intent`, and for what.
const CALLERS: [(&str, &str); 5] = [
    (
        "crates/audit/src/verify.rs",
        "entries that are older than a row that a snapshot read",
    ),
    (
        "crates/desk/src/retry.rs",
        "dead letters that are tried again",
    ),
    (
        "crates/pipeline/src/intake/poison.rs",
        "a record that cannot be used",
    ),
    ("crates/pipeline/src/intake/unproven.rs", "a gap in the log"),
    ("crates/wire/src/intent.rs", "what another process asks for"),
];

/// Who makes a purge without one: changes, and purges that exist already and only move on.
const PURGES: [(&str, &str); 5] = [
    (
        "crates/core/src/coalesce.rs",
        "one that an intent asks for, with its cause",
    ),
    (
        "crates/core/src/purge.rs",
        "a change's, and one that moves to another batch",
    ),
    (
        "crates/pipeline/src/lanes/recent.rs",
        "what was answered, to be sent again with the cause of a replay",
    ),
    (
        "crates/pipeline/src/lanes/report.rs",
        "the family's scope in place of a purge that was refused, with its cause",
    ),
    (
        "crates/pipeline/src/lanes/requests.rs",
        "a purge of a request, with its cause",
    ),
];

/// Files that make a value of this type.
fn makers(files: &[RustFile], name: &str) -> BTreeSet<String> {
    let makes = |file: &&RustFile| {
        (0..file.tokens.len()).any(|at| {
            let text = |step: usize| file.tokens.get(step).map_or("", |token| &*token.text);
            let before = at.checked_sub(1).map_or("", text);
            let is_type = matches!(before, "struct" | "impl" | "for" | "let" | ">");
            text(at) == name && text(at + 1) == "{" && !is_type
        })
    };
    let found = files.iter().filter(makes);
    found.map(|file| file.path.clone()).collect()
}

fn listed(list: &[(&str, &str)]) -> BTreeSet<String> {
    list.iter().map(|(path, _)| (*path).to_owned()).collect()
}

#[test]
fn p12_every_caller_of_the_door_is_listed() {
    let files: Vec<RustFile> = production_files()
        .into_iter()
        .filter(|file| file.path.starts_with("crates/") && file.path.contains("/src/"))
        .filter(|file| !file.path.starts_with("crates/testbed/"))
        .collect();
    assert_eq!(makers(&files, "Intent"), listed(&CALLERS));
    assert_eq!(makers(&files, "WantedPurge"), listed(&PURGES));
}

#[test]
fn a_maker_is_found_and_a_declaration_is_none() {
    let sample = |text| sample("crates/x/src/a.rs", "x", text);
    let makes = sample("fn make() { let intent = Intent { cause }; }");
    let declares =
        sample("struct Intent { cause: Cause } impl Intent { fn of() -> Intent { todo() } }");
    assert_eq!(makers(&[makes], "Intent").len(), 1);
    assert_eq!(makers(&[declares], "Intent").len(), 0);
}
