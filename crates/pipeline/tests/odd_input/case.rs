//! The cases as they stand in their folders.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// One folder.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) folder: PathBuf,
    pub(crate) entries: Vec<Entry>,
    /// The code that the registry is refused with.
    pub(crate) refused: Option<String>,
    /// For each record the answers of which any is right.
    pub(crate) answers: Vec<Vec<Answer>>,
}

/// A line of `records.jsonl`.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Entry {
    Restart {
        #[serde(rename = "restart")]
        _restart: u8,
    },
    Record(TextRecord),
}

/// A record; key and value are the bytes as text.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TextRecord {
    pub(crate) topic: String,
    pub(crate) key: Option<String>,
    pub(crate) value: Option<String>,
}

/// What a record came to.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Answer {
    /// Exact names.
    pub(crate) keys: BTreeSet<String>,
    /// Families that were purged as a whole.
    pub(crate) families: BTreeSet<String>,
    /// The reason in its dead letter; part of it in an answer that is wanted.
    pub(crate) poison: Option<String>,
}

impl Answer {
    /// Whether `found` is this answer.
    pub(crate) fn fits(&self, found: &Self) -> bool {
        let poison = match (&self.poison, &found.poison) {
            (Some(part), Some(reason)) => reason.contains(part),
            (wanted, found) => wanted == found,
        };
        poison && self.keys == found.keys && self.families == found.families
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    refused: Option<String>,
    #[serde(default)]
    records: Vec<Vec<Answer>>,
}

/// Every case, in order.
pub(crate) fn all() -> Vec<Case> {
    let below = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas/cases/odd-input");
    let entries = fs::read_dir(&below).expect("the folder of the cases");
    let folders = entries.map(|entry| entry.expect("an entry").path());
    let mut folders: Vec<PathBuf> = folders.filter(|path| path.is_dir()).collect();
    folders.sort();
    folders.into_iter().map(read).collect()
}

fn read(folder: PathBuf) -> Case {
    let name = folder
        .file_name()
        .expect("a name")
        .to_string_lossy()
        .into_owned();
    let text = |file: &str| {
        let path = folder.join(file);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    let records = text("records.jsonl");
    let lines = records.lines().filter(|line| !line.starts_with('#'));
    let entries = lines
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{name}: {error}")))
        .collect();
    let expected: Expected = serde_json::from_str(&text("expected.json"))
        .unwrap_or_else(|error| panic!("{name}: {error}"));
    Case {
        name,
        entries,
        refused: expected.refused,
        answers: expected.records,
        folder,
    }
}
