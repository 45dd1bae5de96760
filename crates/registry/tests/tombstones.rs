//! What `connector.tombstones` says of deletes, before any record of them is read.

use std::path::PathBuf;

use freshet_registry::{Loaded, load_files};

const SOURCE: &str = "\
database: shop
engine: postgres
connector: { tombstones: after_delete }
tables:
  - table: shop.public.notes
    replica_identity: full
    primary_key: [id]
    columns:
      - { name: id, type: bigint, nullable: false }
      - { name: item_id, type: bigint, nullable: false }
";

/// The example holds where a delete has its row.
const FAMILY: &str = "\
family: catalog.note
schema_version: 1
owner: { team: catalog }
lifecycle: active
freshness: { class: soft, within: 2s, objective: 99%, window: 28d }
max_ttl: 1h
guard: none
redis: { target: main, keys: [\"catalog:v1:notes:{item_id}:{id}\"] }
sources:
  - table: shop.public.notes
    bind: { id: id, item_id: item_id }
examples:
  - change: { table: shop.public.notes, op: d, before: { id: 7, item_id: 3 } }
    purges: { redis: [\"catalog:v1:notes:3:7\"] }
";

fn load(tombstones: &str, family: &str) -> Result<Loaded, String> {
    let source = SOURCE.replace("after_delete", tombstones);
    let files = [
        ("sources/shop.yaml", &*source),
        ("families/note.yaml", family),
    ];
    let files = files.map(|(path, text)| (PathBuf::from(path), text.to_owned()));
    load_files(files.to_vec()).map_err(|found| found.render())
}

#[test]
fn a_delete_that_has_its_row_names_its_entries() {
    for tombstones in ["after_delete", "none", "null"] {
        let loaded = load(tombstones, FAMILY).unwrap_or_else(|found| panic!("{found}"));
        assert!(loaded.warnings.is_empty(), "{}", loaded.warnings.render());
    }
}

#[test]
fn a_delete_that_is_a_tombstone_knows_its_key_alone() {
    let found = load("as_delete", FAMILY).expect_err("the example fails");
    assert!(found.contains("the example fails"), "{found}");
    let family = FAMILY.replace("notes:3:7", "notes:*:*");
    let loaded = load("as_delete", &family).unwrap_or_else(|found| panic!("{found}"));
    let warnings = loaded.warnings.render();
    let warned: Vec<_> = loaded
        .warnings
        .iter()
        .map(|it| (it.code, it.place.line))
        .collect();
    assert_eq!(warned, [("FR0040", 11)], "of `item_id` alone: {warnings}");
    for part in ["tombstone", "`item_id`", "mode=rewrite"] {
        assert!(warnings.contains(part), "{warnings}");
    }
}
