//! `docs/promises.md` and the tests that it names.

use std::collections::BTreeSet;

use crate::workspace::{files_below, read};
use crate::{Offence, assert_tidy};

const PAGE: &str = "docs/promises.md";
const FOLDERS: [&str; 5] = ["crates", "demo", "examples", "bench", "fuzz/tests"];

/// Names behind `#[test]` and its relatives: every function of test code.
fn functions() -> BTreeSet<String> {
    let files = FOLDERS.iter().flat_map(|folder| files_below(folder, "rs"));
    let mut names = BTreeSet::new();
    for file in files {
        for line in read(&file).lines() {
            let line = line.trim_start();
            let line = line.strip_prefix("async ").unwrap_or(line);
            if let Some(rest) = line.strip_prefix("fn ")
                && let Some(name) = rest.split('(').next()
            {
                names.insert(name.to_owned());
            }
        }
    }
    names
}

/// Tests that say by their name which promise they are for.
fn is_promised(name: &str) -> bool {
    let digits: String = name
        .chars()
        .skip(1)
        .take_while(char::is_ascii_digit)
        .collect();
    name.starts_with('p') && !digits.is_empty() && name[1 + digits.len()..].starts_with('_')
}

/// What stands in backticks and reads like a test.
fn named_on(page: &str) -> BTreeSet<String> {
    let quoted = page.split('`').skip(1).step_by(2);
    quoted
        .filter(|text| {
            text.contains('_')
                && text
                    .chars()
                    .all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '_')
        })
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_promise_names_its_tests_and_they_exist() {
    let page = read(PAGE);
    let (functions, named) = (functions(), named_on(&page));
    let mut offences: Vec<Offence> = named
        .difference(&functions)
        .map(|name| Offence::new(PAGE, 1, format!("names {name}, which is no test")))
        .collect();
    let promised = functions.iter().filter(|name| is_promised(name));
    offences.extend(
        promised
            .filter(|name| !named.contains(*name))
            .map(|name| Offence::new(PAGE, 1, format!("does not name {name}"))),
    );
    for number in 1..=15 {
        if !page.contains(&format!("## P{number}: ")) {
            offences.push(Offence::new(
                PAGE,
                1,
                format!("has no section for P{number}"),
            ));
        }
    }
    assert_tidy("promises", offences);
}
