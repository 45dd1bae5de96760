//! What never stands in a file of the repository, and what every schema needs.

use std::process::Command;

use crate::workspace::{files_below, read, top};
use crate::{Offence, assert_tidy};

/// Folders of one machine. Put together here, so that this file does not name them.
fn machine_folders() -> Vec<String> {
    ["work", "root", "tmp", "home"]
        .map(|name| format!("/{name}"))
        .to_vec()
}

/// Hosts that packages come from: whoever builds this may use others.
fn package_hosts() -> Vec<String> {
    [
        ["deb", "debian.org"],
        ["security", "debian.org"],
        ["archive", "ubuntu.com"],
        ["repo", "maven.apache.org"],
        ["repo1", "maven.org"],
        ["packages", "confluent.io"],
        ["static", "crates.io"],
        ["index", "crates.io"],
        ["registry", "npmjs.org"],
        ["files", "pythonhosted.org"],
        ["proxy", "golang.org"],
        ["apt", "postgresql.org"],
    ]
    .map(|parts| parts.join("."))
    .to_vec()
}

/// A folder counts as named when nothing of a longer path stands before it and a path goes on behind it or
/// ends there.
fn names_folder(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + folder.len()..].chars().next();
        let is_part = |letter: char| letter.is_alphanumeric() || "._-/}*)<>~".contains(letter);
        before.is_none_or(|letter| !is_part(letter)) && after == Some('/')
    })
}

fn line_offence(line: &str) -> Option<String> {
    let folder = machine_folders()
        .into_iter()
        .find(|folder| names_folder(line, folder));
    if let Some(folder) = folder {
        return Some(format!("names the folder {folder} of one machine"));
    }
    let host = package_hosts()
        .into_iter()
        .find(|host| line.contains(host.as_str()));
    host.map(|host| format!("names the package host {host}"))
}

/// Everything that is committed or about to be.
fn repository_files() -> Vec<String> {
    let listed = Command::new("git")
        .args([
            "ls-files",
            "--cached",
            "--others",
            "--exclude-standard",
            "-z",
        ])
        .current_dir(top())
        .output()
        .expect("git is at hand where the repository is");
    assert!(
        listed.status.success(),
        "{}",
        String::from_utf8_lossy(&listed.stderr)
    );
    let names = String::from_utf8_lossy(&listed.stdout).into_owned();
    names
        .split('\0')
        .filter(|name| !name.is_empty())
        .map(ToOwned::to_owned)
        .collect()
}

#[test]
fn no_file_names_a_machine_or_a_package_host() {
    let mut offences = Vec::new();
    let (mut seen, files) = (0, repository_files());
    for path in files {
        // Deleted but not yet committed, or no text.
        let Ok(text) = std::fs::read_to_string(top().join(&path)) else {
            continue;
        };
        seen += 1;
        for (at, line) in text.lines().enumerate() {
            offences.extend(line_offence(line).map(|what| Offence::new(&path, at + 1, what)));
        }
    }
    assert!(seen > 20, "looked in the wrong place");
    assert_tidy("machine paths and package hosts", offences);
}

#[test]
fn every_schema_is_held_by_a_test() {
    let is_test = |path: &String| path.contains("/tests/") || path.ends_with("/tests.rs");
    let mut holders: Vec<String> = files_below("schemas/fixtures", "");
    let tests = files_below("crates", ".rs").into_iter().filter(is_test);
    // A module's tests name their record by where they lie.
    holders.extend(tests.map(|path| format!("{path}\n{}", read(&path))));
    let schemas = files_below("schemas", ".avsc");
    let without = schemas.iter().filter(|path| {
        let name = path
            .rsplit('/')
            .next()
            .unwrap_or(path)
            .trim_end_matches(".avsc");
        !holders.iter().any(|holder| holder.contains(name))
    });
    let offences = without.map(|path| Offence::new(path, 1, "no fixture and no test names it"));
    assert_tidy("schemas", offences.collect());
}

#[test]
fn every_pattern_bites() {
    for folder in machine_folders() {
        for line in [
            format!("{folder}/x"),
            format!("let a = \"{folder}/x\";"),
            format!("A={folder}/"),
        ] {
            assert!(line_offence(&line).is_some(), "{line}");
        }
        for line in [
            format!("frame{folder}/x"),
            format!("..{folder}/x"),
            format!("{folder}ed/x"),
        ] {
            assert!(line_offence(&line).is_none(), "{line}");
        }
    }
    for host in package_hosts() {
        assert!(
            line_offence(&format!("https://{host}/x")).is_some(),
            "{host}"
        );
    }
    assert!(line_offence("image: quay.io/debezium/connect").is_none());
}
