//! A small registry, and what `freshet check` finds in it after one change.

#![allow(dead_code, reason = "each test binary uses its own part")]

use std::path::PathBuf;

use freshet_registry::diagnostics::{Diagnostics, Severity};
use freshet_registry::{Loaded, load_files};

pub(crate) const SOURCE: &str = "\
database: shop
engine: postgres
tables:
  - table: shop.public.items
    replica_identity: full
    primary_key: [id]
    columns:
      - { name: id, type: bigint, nullable: false }
      - { name: category_id, type: bigint, nullable: false }
      - { name: name, type: text, nullable: false }
      - { name: shape, type: polygon, nullable: true }
  - table: shop.public.notes
    replica_identity: default
    primary_key: [id]
    columns:
      - { name: id, type: bigint, nullable: false }
      - { name: item_id, type: bigint, nullable: false }
";

pub(crate) const FAMILY: &str = "\
family: catalog.item
schema_version: 2
owner: { team: catalog, contact: \"#catalog\" }
lifecycle: active
freshness: { class: strict, within: 2s, objective: 99.9%, window: 28d }
max_ttl: 24h
guard: none
redis:
  target: main
  keys: [\"catalog:v2:item:{item_id}:region:{region}\"]
cdn:
  targets: [edge]
  tags: [\"item-{item_id}\", \"category-{category_id}\"]
  mode: soft
sources:
  - table: shop.public.items
    bind: { item_id: id, category_id: category_id, region: [eu, us] }
    when_changed: [name]
examples:
  - change: { table: shop.public.items, op: u, before: { id: 1, category_id: 7, name: a }, after: { id: 1, category_id: 8, name: a } }
    purges:
      redis: [\"catalog:v2:item:1:region:eu\", \"catalog:v2:item:1:region:us\"]
      tags: [item-1, category-7, category-8]
";

pub(crate) fn check(files: &[(&str, &str)]) -> Result<Loaded, Diagnostics> {
    load_files(
        files
            .iter()
            .map(|&(path, text)| (PathBuf::from(path), text.to_owned()))
            .collect(),
    )
}

pub(crate) fn with(from: &str, to: &str) -> Result<Loaded, Diagnostics> {
    assert!(FAMILY.contains(from), "the test changes nothing: {from}");
    let family = FAMILY.replacen(from, to, 1);
    check(&[
        ("sources/shop.yaml", SOURCE),
        ("families/catalog/item.yaml", &family),
    ])
}

/// The registry is refused with `code` at `line` of the family file, with help.
pub(crate) fn refused(from: &str, to: &str, code: &str, line: usize) {
    let found = with(from, to).expect_err(&format!("{from} -> {to} is accepted"));
    let told = found.render();
    let hit = found
        .iter()
        .find(|it| it.code == code && it.place.line == line);
    let hit = hit.unwrap_or_else(|| panic!("no {code} at line {line} for {from} -> {to}:\n{told}"));
    assert_eq!(hit.severity, Severity::Error);
    assert!(
        hit.help.is_some() || !hit.also.is_empty() || code == "FR0002",
        "{told}"
    );
    assert!(told.contains(&format!("item.yaml:{line}:")), "{told}");
}

pub(crate) const NOTE: &str = "\
family: catalog.note
schema_version: 1
owner: { team: catalog }
lifecycle: active
freshness: { class: soft, within: 2s, objective: 99%, window: 28d }
max_ttl: 1h
redis: { target: main, keys: [\"catalog:v1:notes:{id}\"] }
sources:
  - table: shop.public.notes
    bind: { id: id }
";

/// Codes and lines of what is found in `NOTE` or in another file beside it.
pub(crate) fn found_in(files: &[(&str, &str)]) -> Vec<(&'static str, String)> {
    let found = match check(files) {
        Ok(loaded) => loaded.warnings,
        Err(found) => found,
    };
    let placed = found.iter().map(|it| {
        let file = it.place.file.display();
        (
            it.code,
            format!("{file}:{}:{}", it.place.line, it.place.column),
        )
    });
    placed.collect()
}
