//! The workspace as it lies on disk.

use std::fs;
use std::path::{Path, PathBuf};

/// A package: its name, its folder below the top, its manifest.
#[derive(Debug)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) folder: String,
    pub(crate) manifest: toml::Table,
    pub(crate) manifest_text: String,
}

impl Package {
    /// Where its manifest is, below the top.
    pub(crate) fn manifest_path(&self) -> String {
        format!("{}/Cargo.toml", self.folder)
    }

    /// The first line of the manifest that begins with `text`.
    pub(crate) fn manifest_line(&self, text: &str) -> usize {
        let at = self
            .manifest_text
            .lines()
            .position(|line| line.trim_start().starts_with(text));
        at.map_or(1, |at| at + 1)
    }
}

/// The top of the repository.
pub(crate) fn top() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors()
        .nth(2)
        .expect("crates/core is two below the top")
        .to_owned()
}

/// Every package: the crates, and what lives beside them.
pub(crate) fn packages() -> Vec<Package> {
    let mut folders = ["bench", "demo", "faults", "fuzz"]
        .map(str::to_owned)
        .to_vec();
    for parent in ["crates", "examples"] {
        folders.extend(
            names_in(&top().join(parent))
                .iter()
                .map(|name| format!("{parent}/{name}")),
        );
    }
    let found: Vec<Package> = folders
        .iter()
        .filter_map(|folder| package(folder))
        .collect();
    assert!(
        found.iter().any(|package| package.name == "freshet-core"),
        "looked in the wrong place"
    );
    found
}

fn package(folder: &str) -> Option<Package> {
    let manifest_text = fs::read_to_string(top().join(folder).join("Cargo.toml")).ok()?;
    let manifest: toml::Table = manifest_text.parse().expect("cargo has read it already");
    let name = manifest.get("package")?.get("name")?.as_str()?.to_owned();
    Some(Package {
        name,
        folder: folder.to_owned(),
        manifest,
        manifest_text,
    })
}

/// Files of one kind in a folder and all folders below it, as paths below the top.
pub(crate) fn files_below(folder: &str, extension: &str) -> Vec<String> {
    let mut files = Vec::new();
    for name in names_in(&top().join(folder)) {
        let path = format!("{folder}/{name}");
        if name == "target" {
            continue;
        }
        if top().join(&path).is_dir() {
            files.extend(files_below(&path, extension));
        } else if name.ends_with(extension) {
            files.push(path);
        }
    }
    files
}

/// A file's text.
pub(crate) fn read(path: &str) -> String {
    fs::read_to_string(top().join(path)).unwrap_or_else(|err| panic!("{path}: {err}"))
}

fn names_in(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}
