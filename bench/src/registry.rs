//! The registry that Freshet gets: one table, and families that each cache one key of a row.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use freshet_core::registry::Registry;

use crate::forms::TABLE;

/// What every key of a family begins with.
pub fn prefix(family: &str) -> String {
    format!("bench:v1:{family}:")
}

/// Path below the registry's folder and text of each file.
pub fn files(topic: &str, families: &[&str]) -> Vec<(PathBuf, String)> {
    let source = format!(
        "database: shop\nengine: postgres\ntables:\n  - table: {TABLE}\n    topic: {topic}\n    \
         replica_identity: full\n    primary_key: [id]\n    columns:\n      \
         - {{ name: id, type: bigint, nullable: false }}\n"
    );
    let mut files = vec![(PathBuf::from("sources/shop.yaml"), source)];
    files.extend(families.iter().map(|name| {
        let text = format!(
            "family: bench.{name}\nschema_version: 1\nowner: {{ team: bench, contact: \"#bench\" }}\n\
             lifecycle: active\nfreshness: {{ class: strict, within: 1s, objective: 99.9%, window: 28d }}\n\
             max_ttl: 1h\nguard: none\nredis: {{ target: main, keys: [\"{}{{id}}\"] }}\n\
             sources:\n  - table: {TABLE}\n    bind: {{ id: id }}\n",
            prefix(name)
        );
        (PathBuf::from(format!("families/bench/{name}.yaml")), text)
    }));
    files
}

/// Writes them below `folder`.
///
/// # Errors
/// When the folder cannot be written.
pub fn write(folder: &Path, topic: &str, families: &[&str]) -> anyhow::Result<()> {
    for (path, text) in files(topic, families) {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().context("a parent")?)?;
        std::fs::write(path, text)?;
    }
    Ok(())
}

/// The same, compiled.
///
/// # Errors
/// When the registry refuses its own texts.
pub fn compiled(topic: &str, families: &[&str]) -> anyhow::Result<Registry> {
    freshet_registry::load_files(files(topic, families))
        .map(|loaded| loaded.registry)
        .map_err(|faults| anyhow!("the bench's registry is refused: {faults:?}"))
}
