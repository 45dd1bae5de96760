//! The registry that Freshet gets: one table, and families that each cache one key of a row.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use freshet_core::registry::Registry;

use crate::forms::TABLE;

/// What every key of a family begins with.
pub fn prefix(family: &str) -> String {
    format!("bench:v1:{family}:")
}

/// Of families whose tables do not change, so many share a table.
const IDLE_A_TABLE: usize = 20;

/// The topics of tables that do not change, for so many families beside those of `topic`.
pub fn idle_topics(topic: &str, families: usize) -> Vec<String> {
    let tables = 0..families.div_ceil(IDLE_A_TABLE);
    tables.map(|at| format!("{topic}.idle{at}")).collect()
}

/// Path below the registry's folder and text of each file; `idle` families hang on tables that do not change.
pub fn files(topic: &str, families: &[&str], idle: usize) -> Vec<(PathBuf, String)> {
    let mut source = "database: shop\nengine: postgres\ntables:\n".to_owned();
    source.push_str(&table(TABLE, topic));
    for (at, topic) in idle_topics(topic, idle).iter().enumerate() {
        source.push_str(&table(&idle_table(at), topic));
    }
    let mut files = vec![(PathBuf::from("sources/shop.yaml"), source)];
    files.extend(families.iter().map(|name| family(name, TABLE)));
    files.extend((0..idle).map(|at| family(&format!("idle{at}"), &idle_table(at / IDLE_A_TABLE))));
    files
}

fn idle_table(at: usize) -> String {
    format!("shop.public.idle{at}")
}

fn table(name: &str, topic: &str) -> String {
    format!(
        "  - table: {name}\n    topic: {topic}\n    replica_identity: full\n    primary_key: [id]\n    columns:\n      \
         - {{ name: id, type: bigint, nullable: false }}\n"
    )
}

fn family(name: &str, table: &str) -> (PathBuf, String) {
    let text = format!(
        "family: bench.{name}\nschema_version: 1\nowner: {{ team: bench, contact: \"#bench\" }}\n\
         lifecycle: active\nfreshness: {{ class: strict, within: 1s, objective: 99.9%, window: 28d }}\n\
         max_ttl: 1h\nguard: none\nredis: {{ target: main, keys: [\"{}{{id}}\"] }}\n\
         sources:\n  - table: {table}\n    bind: {{ id: id }}\n",
        prefix(name)
    );
    (PathBuf::from(format!("families/bench/{name}.yaml")), text)
}

/// Writes them below `folder`.
///
/// # Errors
/// When the folder cannot be written.
pub fn write(folder: &Path, topic: &str, families: &[&str], idle: usize) -> anyhow::Result<()> {
    for (path, text) in files(topic, families, idle) {
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
    freshet_registry::load_files(files(topic, families, 0))
        .map(|loaded| loaded.registry)
        .map_err(|faults| anyhow!("the bench's registry is refused: {faults:?}"))
}
