use std::collections::BTreeMap;
use std::path::Path;

use super::{Diagnostic, Diagnostics, KEPT_MAX, Place};

/// So many errors and so many warnings, each at a line of its own.
fn found(file: &str, errors: usize, warnings: usize) -> Diagnostics {
    let mut found = Diagnostics::default();
    let place = |line| Place::at(file.into(), line, 1);
    for line in 1..=errors {
        found.push(Diagnostic::error("FR0001", place(line), "bad"), "");
    }
    for line in 1..=warnings {
        found.push(Diagnostic::warning("FR0002", place(line), "odd"), "");
    }
    found
}

/// How many are kept, how many were found, and the last lines of what is shown.
fn told(found: &Diagnostics) -> (usize, usize, Vec<String>) {
    let text = found.render();
    let last = text
        .lines()
        .filter(|line| line.starts_with('…') || line.contains(", "));
    let last = last.map(str::to_owned).collect();
    (found.iter().count(), found.len(), last)
}

#[test]
fn so_many_of_each_severity_are_kept_and_all_are_counted() {
    let most = found("a.yaml", KEPT_MAX, 1);
    let wanted = vec!["100 errors, 1 warning".to_owned()];
    assert_eq!(told(&most), (101, 101, wanted));
    assert!(most.is_full() && !found("a.yaml", KEPT_MAX - 1, KEPT_MAX).is_full());
    let more = found("a.yaml", KEPT_MAX + 1, KEPT_MAX + 2);
    let wanted = [
        "… and 1 error more",
        "… and 2 warnings more",
        "101 errors, 102 warnings",
    ];
    assert_eq!(told(&more), (200, 203, wanted.map(str::to_owned).to_vec()));
    assert!(!more.is_empty() && Diagnostics::default().is_empty());
}

#[test]
fn what_is_wrong_with_yaml_is_said_without_the_place_that_stands_beside_it() {
    let text = "a: 1\na: 2\n";
    let error = serde_saphyr::from_str::<BTreeMap<String, u8>>(text).expect_err("a twice");
    let mut found = Diagnostics::default();
    found.yaml_error(Path::new("a.yaml"), text, &error);
    let found = found.iter().next().expect("one");
    assert_eq!(
        found.message,
        "duplicate mapping key `a` is not allowed here"
    );
    assert_eq!(found.place.line, 2);
}
