//! `docs/registry.md`, its samples and the schemas, as tests read them.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses its part")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use freshet_registry::diagnostics::Diagnostics;
use freshet_registry::{Loaded, load_files_on};
use serde_json::Value;
use time::{Date, Month};

/// A path below the top of the repository.
pub fn below_top(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path)
}

pub fn text_of(path: &str) -> String {
    fs::read_to_string(below_top(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

pub fn page() -> String {
    text_of("docs/registry.md")
}

pub fn schema(name: &str) -> Value {
    serde_json::from_str(&text_of(&format!("schemas/{name}.schema.json"))).expect("JSON")
}

/// Blocks of code of one language.
pub fn blocks<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("```{language}\n");
    let rests = text.split(fence.as_str()).skip(1);
    rests
        .map(|rest| rest.split("```").next().expect("a first part"))
        .collect()
}

/// The registry that the page shows, file by file.
pub fn sample() -> BTreeMap<String, String> {
    let page = page();
    let named = blocks(&page, "yaml").into_iter().filter_map(|block| {
        let name = block.lines().next()?.strip_prefix("# registry/")?;
        Some((format!("registry/{name}"), block.to_owned()))
    });
    named.collect()
}

pub fn check(files: &BTreeMap<String, String>) -> Result<Loaded, Diagnostics> {
    let files = files.iter();
    let files = files.map(|(path, text)| (PathBuf::from(path), text.clone()));
    let today = Date::from_calendar_date(2027, Month::February, 1).expect("a day");
    load_files_on(files.collect(), today)
}

/// Sections of the page by code.
pub fn sections() -> BTreeMap<String, String> {
    let page = page();
    let mut sections = BTreeMap::new();
    for section in page.split("\n### ").skip(1) {
        if section.starts_with("FR") {
            let (code, rest) = section.split_once('\n').expect("a heading's line");
            let before = sections.insert(code.to_owned(), rest.to_owned());
            assert!(before.is_none(), "{code} stands for two things");
        }
    }
    sections
}

/// Every `FRnnnn` in the crate's sources.
pub fn codes_in_source() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    gather(&below_top("crates/registry/src"), &mut found);
    found
}

fn gather(dir: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(dir).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            gather(&path, found);
            continue;
        }
        let text = fs::read_to_string(&path).expect("text");
        let quoted = text.split("\"FR").skip(1).filter_map(|rest| rest.get(..4));
        let digits = quoted.filter(|it| it.bytes().all(|byte| byte.is_ascii_digit()));
        found.extend(digits.map(|digits| format!("FR{digits}")));
    }
}
