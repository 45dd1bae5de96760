//! The config as its source says that it is written, and the pages that describe it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The fields of each struct, with their types.
pub type Structs = BTreeMap<String, BTreeMap<String, String>>;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every file below `folder` with this ending, as text.
fn texts(folder: &str, ending: &str) -> Vec<String> {
    let entries = fs::read_dir(root().join(folder)).expect("a folder");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("entry").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|found| found == ending));
    paths.sort();
    paths
        .iter()
        .map(|path| fs::read_to_string(path).expect("readable"))
        .collect()
}

/// Every struct of the written config. The sections of providers stand in a list, which makes them fields of a target.
pub fn structs() -> Structs {
    let file = "crates/freshet/src/config/written.rs";
    let mut sources = vec![fs::read_to_string(root().join(file)).expect("the written config")];
    let folder = "crates/freshet/src/config";
    sources.push(fs::read_to_string(root().join(folder).join("providers.rs")).expect("providers"));
    sources.extend(texts("crates/freshet/src/config/providers", "rs"));
    let mut structs = Structs::new();
    for source in sources {
        let (mut of, mut in_list) = (String::new(), false);
        for line in source.lines() {
            in_list = (in_list || line == "target_written! {") && line != "}";
            let line = line.trim();
            let (of, field) = match line.strip_prefix("pub(crate) ") {
                Some(rest) => match rest.strip_prefix("struct ") {
                    Some(name) => {
                        of = name.trim_end_matches(" {").to_owned();
                        continue;
                    }
                    None => (of.as_str(), rest),
                },
                None if in_list => ("TargetWritten", line),
                None => continue,
            };
            let is_field = |name: &str| !name.contains(' ');
            if let Some((name, kind)) = field.split_once(": ").filter(|(name, _)| is_field(name)) {
                let kind = kind.trim_end_matches(',');
                let kind = match in_list {
                    true => format!("Option<{kind}>"),
                    false => kind.to_owned(),
                };
                let fields = structs.entry(of.to_owned()).or_default();
                fields.insert(name.to_owned(), kind);
            }
        }
    }
    structs
}

/// The page of the config and those of the targets, one behind the other.
pub fn pages() -> String {
    let page = root().join("docs/configuration.md");
    let mut pages = vec![fs::read_to_string(page).expect("the page")];
    pages.extend(texts("docs/targets", "md"));
    pages.join("\n")
}
