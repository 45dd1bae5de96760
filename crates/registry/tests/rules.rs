//! Every rule of `freshet check`: one fault, its code, its line, and something to do about it.

use std::path::PathBuf;

use freshet_core::registry::OnSnapshot;
use freshet_registry::diagnostics::{Diagnostics, Severity};
use freshet_registry::{Loaded, load_files};

const SOURCE: &str = "\
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

const FAMILY: &str = "\
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

/// `on_snapshot: verify` needs something to compare a row with.
#[test]
fn rows_of_a_snapshot_are_verified_only_where_a_version_tells() {
    let verify = |rest: &str| format!("guard: none\non_snapshot: verify\n{rest}");
    let version = |column: &str| {
        verify(&format!(
            "entry_version: {{ field: rev, column: {column} }}\n"
        ))
    };
    let loaded = with("guard: none\n", &version("name")).expect("a text has an order");
    let family = &loaded.registry.families[0];
    assert_eq!(family.on_snapshot, OnSnapshot::Verify);
    let binding = &loaded.registry.tables[0].bindings[0];
    assert!(binding.version_column.is_some());

    refused("guard: none\n", &verify(""), ("FR0028", 8));
    refused("guard: none\n", &version("shape"), ("FR0028", 8));
    refused("guard: none\n", &version("nothing"), ("FR0011", 9));
    let looking = "guard: none\non_snapshot: look\n";
    refused("guard: none\n", looking, ("FR0003", 8));
    let on_cdn_only = verify("")
        + "cdn: { targets: [edge], tags: [\"item-{item_id}\"] }\nsources:\n  - table: shop.public.items\n    bind: { item_id: id }\n";
    let head = FAMILY.split("guard: none\n").next().expect("a head");
    let found = check(&[
        ("sources/shop.yaml", SOURCE),
        (
            "families/catalog/item.yaml",
            &format!("{head}{on_cdn_only}"),
        ),
    ]);
    let found = found.expect_err("nothing to look at");
    assert_eq!(found.iter().next().map(|it| it.code), Some("FR0028"));
}

#[test]
fn a_version_that_two_tables_have_is_refused_and_one_table_bound_twice_is_one() {
    let family = |second: &str| {
        FAMILY
            .replace(
                "guard: none\n",
                "guard: none\non_snapshot: verify\nentry_version: { field: rev, column: id }\n",
            )
            .replace("examples:", &format!("{second}\nexamples:"))
    };
    let load = |second: &str| {
        check(&[
            ("sources/shop.yaml", SOURCE),
            ("families/catalog/item.yaml", &family(second)),
        ])
    };
    let notes = "  - table: shop.public.notes\n    bind: { item_id: item_id, category_id: [1], region: [eu] }";
    let found = load(notes).expect_err("whose version is it");
    let codes: Vec<_> = found.iter().map(|it| (it.code, it.place.line)).collect();
    assert!(codes.contains(&("FR0028", 8)), "{}", found.render());
    let again = "  - table: shop.public.items\n    bind: { item_id: id, category_id: category_id, region: [ap] }";
    let loaded = load(again);
    let codes = loaded.map_or_else(
        |found| found.iter().map(|it| it.code).collect(),
        |_| Vec::new(),
    );
    assert!(!codes.contains(&"FR0028"), "{codes:?}");
}

fn check(files: &[(&str, &str)]) -> Result<Loaded, Diagnostics> {
    load_files(
        files
            .iter()
            .map(|&(path, text)| (PathBuf::from(path), text.to_owned()))
            .collect(),
    )
}

fn with(from: &str, to: &str) -> Result<Loaded, Diagnostics> {
    assert!(FAMILY.contains(from), "the test changes nothing: {from}");
    let family = FAMILY.replacen(from, to, 1);
    check(&[
        ("sources/shop.yaml", SOURCE),
        ("families/catalog/item.yaml", &family),
    ])
}

/// The registry is refused with `code` at `line` of the family file, with help.
fn refused(from: &str, to: &str, (code, line): (&str, usize)) {
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

#[test]
fn the_family_as_it_stands_is_accepted() {
    let loaded = check(&[
        ("sources/shop.yaml", SOURCE),
        ("families/catalog/item.yaml", FAMILY),
    ])
    .unwrap_or_else(|found| panic!("{}", found.render()));
    assert!(loaded.warnings.is_empty(), "{}", loaded.warnings.render());
    assert_eq!((loaded.examples.run, loaded.files), (1, 2));
    let registry = loaded.registry;
    assert_eq!(registry.revision.content_hash.len(), 16);
    assert_eq!(registry.topics().collect::<Vec<_>>(), ["shop.public.items"]);
    // Two constants, one key template: two compiled ones; `when_changed` includes what names are made of.
    let binding = &registry.tables[0].bindings[0];
    assert_eq!(
        (
            binding.keys.len(),
            binding.tags.len(),
            binding.when_changed.len()
        ),
        (2, 2, 3)
    );
}

#[test]
fn values_are_checked_where_they_stand() {
    refused("lifecycle: active", "lifecycle: live", ("FR0026", 4));
    refused("lifecycle: active", "lifecycle: shadow", ("FR0026", 4));
    refused("class: strict", "class: quick", ("FR0003", 5));
    refused("within: 2s", "within: soon", ("FR0003", 5));
    refused("objective: 99.9%", "objective: 101%", ("FR0003", 5));
    refused("max_ttl: 24h", "max_ttl: 0s", ("FR0003", 6));
    refused("guard: none", "guard: maybe", ("FR0003", 7));
    refused("mode: soft", "mode: gentle", ("FR0003", 14));
    refused("team: catalog", "team: \" \"", ("FR0003", 3));
    refused("family: catalog.item", "family: Item", ("FR0003", 1));
}

#[test]
fn what_the_form_does_not_know_is_refused() {
    refused("guard: none", "gaurd: none", ("FR0002", 7));
    refused(
        "max_ttl: 24h\n",
        "max_ttl: 24h\nmax_ttl: 12h\n",
        ("FR0002", 7),
    );
    let missing = with("max_ttl: 24h\n", "").expect_err("max_ttl is not optional");
    assert!(missing.render().contains("max_ttl"), "{}", missing.render());
}

#[test]
fn keys_and_tags_are_checked() {
    refused("catalog:v2:item:", "catalog:v1:item:", ("FR0014", 10));
    refused(
        "catalog:v2:item:{item_id}",
        "catalog:v2:{item_id}",
        ("FR0015", 10),
    );
    refused(
        "catalog:v2:item:{item_id}",
        "catalog:v2:item:*{item_id}",
        ("FR0016", 10),
    );
    refused("item-{item_id}", "Item {item_id}", ("FR0016", 13));
    refused("item-{item_id}", "item-{item_id", ("FR0016", 13));
    refused("item-{item_id}", "item-{thing}", ("FR0012", 13));
    let many: Vec<String> = (0..65).map(|at| format!("r{at}")).collect();
    refused(
        "region: [eu, us]",
        &format!("region: [{}]", many.join(", ")),
        ("FR0018", 10),
    );
}

#[test]
fn bindings_are_checked_against_the_source() {
    refused(
        "table: shop.public.items\n    bind",
        "table: shop.public.itms\n    bind",
        ("FR0010", 16),
    );
    refused(
        "category_id: category_id",
        "category_id: categry",
        ("FR0011", 17),
    );
    refused(
        "when_changed: [name]",
        "when_changed: [nmae]",
        ("FR0011", 18),
    );
    refused(
        "category_id: category_id",
        "category_id: shape",
        ("FR0017", 17),
    );
    refused(
        "mode: soft",
        "mode: soft\nauth_scope: user_id",
        ("FR0025", 10),
    );
}

#[test]
fn a_family_that_cannot_be_purged_is_refused() {
    let start = FAMILY.find("sources:").expect("there");
    let end = FAMILY.find("examples:").expect("there");
    let family = format!("{}sources: []\n", FAMILY[..start].to_owned());
    assert!(end > start);
    let found = check(&[
        ("sources/shop.yaml", SOURCE),
        ("families/item.yaml", &family),
    ]);
    let found = found.expect_err("nothing purges it");
    assert!(
        found.iter().any(|it| it.code == "FR0023"),
        "{}",
        found.render()
    );
}

#[test]
fn an_example_that_does_not_hold_is_a_failing_unit_test() {
    refused(
        "tags: [item-1, category-7, category-8]",
        "tags: [item-1, category-8]",
        ("FR0030", 20),
    );
    let found = with("category-7, category-8]", "category-8]").expect_err("wrong");
    assert!(
        found.render().contains("category-7"),
        "expected and got are told: {}",
        found.render()
    );
}

#[test]
fn two_owners_of_one_key_space_are_both_shown() {
    let other = FAMILY
        .replace("family: catalog.item", "family: catalog.thing")
        .replace(
            "catalog:v2:item:{item_id}:region:{region}",
            "catalog:v2:item:{item_id}:region:eu",
        );
    let other = other
        .split("examples:")
        .next()
        .expect("a beginning")
        .to_owned();
    let found = check(&[
        ("sources/shop.yaml", SOURCE),
        ("families/item.yaml", FAMILY),
        ("families/thing.yaml", &other),
    ])
    .expect_err("overlap");
    let hit = found
        .iter()
        .find(|it| it.code == "FR0020")
        .unwrap_or_else(|| panic!("{}", found.render()));
    assert_eq!(hit.also.len(), 1, "the other owner's place");
    let apart = other.replace("catalog:v2:item:", "catalog:v2:thing:");
    let files = [
        ("sources/shop.yaml", SOURCE),
        ("families/item.yaml", FAMILY),
        ("families/thing.yaml", &apart),
    ];
    assert!(check(&files).is_ok());
}

/// A pair of families over the notes, by their keys and tags.
fn two_families(one: [&str; 3], other: [&str; 3]) -> Result<Loaded, Diagnostics> {
    let family = |name: &str, [keys, tags, family_tag]: [&str; 3]| {
        format!(
            "family: catalog.{name}\nschema_version: 1\nowner: {{ team: catalog }}\nlifecycle: active\n\
             freshness: {{ class: soft, within: 2s, objective: 99%, window: 28d }}\nmax_ttl: 1h\n\
             redis: {{ target: main, keys: [\"{keys}\"] }}\n\
             cdn: {{ targets: [edge], tags: [\"{tags}\"], family_tag: {family_tag} }}\n\
             sources:\n  - table: shop.public.notes\n    bind: {{ id: id }}\n"
        )
    };
    check(&[
        ("sources/shop.yaml", SOURCE),
        ("families/one.yaml", &family("one", one)),
        ("families/other.yaml", &family("other", other)),
    ])
}

#[test]
fn p13_keys_of_two_families_share_no_name() {
    let with = |one: &str, other: &str| {
        two_families(
            [one, "one-{id}", "all-one"],
            [other, "other-{id}", "all-other"],
        )
    };
    for (one, other, shared) in [
        (
            "catalog:v1:item:{id}",
            "catalog:v1:item:{id}",
            "catalog:v1:item:1",
        ),
        (
            "catalog:v1:item:{id}",
            "catalog:v1:item:x{id}",
            "catalog:v1:item:x1",
        ),
        (
            "catalog:v1:item:{id}:eu",
            "catalog:v1:item:7:{id}",
            "catalog:v1:item:7:eu",
        ),
        (
            "catalog:v1:item-{id}",
            "catalog:v1:item-list-{id}",
            "catalog:v1:item-list-1",
        ),
        ("catalog:v1:item{id}", "catalog:v1:item:{id}", ""),
        ("catalog:v1:item:{id}", "catalog:v1:item:{id}:reviews", ""),
        ("catalog:v1:item:{id}", "catalog:v1:item:{id}:", ""),
        ("catalog:v1:item-{id}", "catalog:v1:list-{id}", ""),
        ("catalog:v1:item:{id}-a", "catalog:v1:item:{id}-b", ""),
    ] {
        match with(one, other) {
            Ok(_) => assert_eq!(shared, "", "{one} {other}"),
            Err(found) => {
                let fault = found.iter().find(|it| it.code == "FR0020");
                let fault = fault.unwrap_or_else(|| panic!("{}", found.render()));
                let wanted = format!("both name `{shared}`");
                assert!(
                    !shared.is_empty() && fault.message.ends_with(&wanted),
                    "{}",
                    found.render()
                );
            }
        }
    }
}

#[test]
fn p13_no_tag_is_another_familys_tag() {
    let with = |one: [&str; 2], other: [&str; 2]| {
        let [one_tag, one_family] = one;
        let [other_tag, other_family] = other;
        two_families(
            ["catalog:v1:one:{id}", one_tag, one_family],
            ["catalog:v1:other:{id}", other_tag, other_family],
        )
    };
    for (one, other, line) in [
        (["one-{id}", "all"], ["other-{id}", "all"], 8),
        (["one-{id}", "one-list"], ["other-{id}", "all"], 0),
        (["one-{id}", "all"], ["other-{id}", "one-list"], 8),
        (["one-{id}", "all"], ["one-list", "one-list"], 8),
        (["one-{id}", "all"], ["one-{id}", "every"], 0),
    ] {
        match with(one, other) {
            Ok(_) => assert_eq!(line, 0, "{one:?} {other:?}"),
            Err(found) => {
                let fault = found.iter().find(|it| it.code == "FR0029");
                let fault = fault.unwrap_or_else(|| panic!("{}", found.render()));
                assert_eq!(
                    fault.place.line,
                    line,
                    "{one:?} {other:?}: {}",
                    found.render()
                );
            }
        }
    }
}

#[test]
fn a_family_is_declared_once_and_a_target_is_one_thing() {
    let files = [
        ("sources/shop.yaml", SOURCE),
        ("families/a.yaml", FAMILY),
        ("families/b.yaml", FAMILY),
    ];
    let found = check(&files).expect_err("twice");
    assert!(
        found.iter().any(|it| it.code == "FR0021"),
        "{}",
        found.render()
    );
    refused("targets: [edge]", "targets: [main]", ("FR0022", 12));
}

#[test]
fn columns_that_the_log_forgets_are_warned_of() {
    let family = "\
family: catalog.note
schema_version: 1
owner: { team: catalog }
lifecycle: active
freshness: { class: soft, within: 2s, objective: 99%, window: 28d }
max_ttl: 1h
redis: { target: main, keys: [\"catalog:v1:notes:{item_id}\"] }
sources:
  - table: shop.public.notes
    bind: { item_id: item_id }
";
    let loaded = check(&[
        ("sources/shop.yaml", SOURCE),
        ("families/note.yaml", family),
    ])
    .unwrap_or_else(|found| panic!("{}", found.render()));
    let warned: Vec<_> = loaded
        .warnings
        .iter()
        .map(|it| (it.code, it.place.line))
        .collect();
    assert_eq!(warned, [("FR0040", 10)]);
}

#[test]
fn cascades_that_no_log_shows_must_be_declared() {
    let source = SOURCE
        .replace("engine: postgres", "engine: mysql")
        .replace("replica_identity: default", "replica_identity: full")
        + "    foreign_keys:\n      - { columns: [item_id], references: shop.public.items, on_delete: cascade }\n";
    let family = "\
family: catalog.note
schema_version: 1
owner: { team: catalog }
lifecycle: active
freshness: { class: soft, within: 2s, objective: 99%, window: 28d }
max_ttl: 1h
redis: { target: main, keys: [\"catalog:v1:notes:{item_id}\"] }
sources:
  - table: shop.public.notes
    bind: { item_id: item_id }
";
    let found = check(&[
        ("sources/shop.yaml", &source),
        ("families/note.yaml", family),
    ]);
    let found = found.expect_err("a silent cascade");
    assert!(
        found.iter().any(|it| it.code == "FR0027"),
        "{}",
        found.render()
    );
    let told =
        format!("{family}relations: [{{ parent: shop.public.items, acknowledged: true }}]\n");
    assert!(
        check(&[
            ("sources/shop.yaml", &source),
            ("families/note.yaml", &told)
        ])
        .is_ok()
    );
}

#[test]
fn p9_all_faults_are_told_at_once_and_in_order() {
    let family = FAMILY
        .replace("lifecycle: active", "lifecycle: live")
        .replace("mode: soft", "mode: x");
    let found = check(&[
        ("sources/shop.yaml", SOURCE),
        ("families/item.yaml", &family),
        ("families/y.yaml", "a: ["),
    ]);
    let told = found.expect_err("three faults").render();
    let places: Vec<usize> = ["item.yaml:4:", "item.yaml:14:", "y.yaml:1:"]
        .iter()
        .map(|place| {
            told.find(place)
                .unwrap_or_else(|| panic!("no {place} in\n{told}"))
        })
        .collect();
    assert!(places.is_sorted(), "{told}");
    assert!(
        told.contains("| lifecycle: live"),
        "the line is shown: {told}"
    );
}

#[test]
fn a_source_file_reads_back_as_it_was_written() {
    let file: freshet_registry::source_file::SourceFile =
        serde_saphyr::from_str(SOURCE).expect("valid");
    let text = file.to_yaml();
    let again: freshet_registry::source_file::SourceFile =
        serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert_eq!(again.to_yaml(), text);
    assert_eq!(again.tables.len(), 2);
    assert_eq!(again.tables[0].columns, file.tables[0].columns);
}

#[test]
fn the_revision_follows_names_and_contents() {
    let revision = |files: &[(&str, &str)]| {
        check(files)
            .map(|loaded| loaded.registry.revision.content_hash)
            .expect("valid")
    };
    let source = ("sources/shop.yaml", SOURCE);
    let one = revision(&[source, ("families/a.yaml", FAMILY)]);
    assert_eq!(one, revision(&[("families/a.yaml", FAMILY), source]));
    assert_ne!(one, revision(&[source, ("families/b.yaml", FAMILY)]));
    let other = FAMILY.replace("24h", "12h");
    assert_ne!(one, revision(&[source, ("families/a.yaml", &other)]));
}

const NOTE: &str = "\
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
fn found_in(files: &[(&str, &str)]) -> Vec<(&'static str, String)> {
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

#[test]
fn two_tables_on_one_topic_are_refused_with_both_places() {
    let elsewhere = SOURCE
        .replace("database: shop", "database: depot")
        .replace("shop.public", "depot.public")
        .replace(
            "  - table: depot.public.notes\n",
            "  - table: depot.public.notes\n    topic: shop.public.items\n",
        );
    let files = [("sources/a.yaml", SOURCE), ("sources/b.yaml", &elsewhere)];
    assert_eq!(
        found_in(&files),
        [("FR0005", "sources/b.yaml:13:12".to_owned())]
    );
    let found = check(&files).expect_err("one topic");
    let (place, _) = &found.iter().next().expect("one").also[0];
    assert_eq!(
        (place.file.display().to_string(), place.line),
        ("sources/a.yaml".to_owned(), 4)
    );
    // Debezium writes both to one topic.
    let adjusted = SOURCE
        .replace("shop.public.items", "\"shop.public.a b\"")
        .replace("shop.public.notes", "\"shop.public.a_b\"");
    let found = found_in(&[("sources/a.yaml", &adjusted)]);
    assert_eq!(found, [("FR0005", "sources/a.yaml:12:12".to_owned())]);
    let renamed = SOURCE.replace(
        "  - table: shop.public.notes\n",
        "  - table: shop.public.notes\n    topic: notes\n",
    );
    let loaded = check(&[("sources/a.yaml", &renamed), ("families/n.yaml", NOTE)]).expect("apart");
    assert_eq!(loaded.registry.topics().collect::<Vec<_>>(), ["notes"]);
}

#[test]
fn values_side_by_side_are_warned_of_only_where_rows_can_meet() {
    let source = SOURCE
        .replace("replica_identity: default", "replica_identity: full")
        .replace(
            "      - { name: item_id, type: bigint, nullable: false }\n",
            "      - { name: item_id, type: bigint }\n      - { name: code, type: uuid }\n      - { name: open, type: boolean }\n",
        );
    let of = |key: &str, bind: &str| {
        let family = NOTE
            .replace("notes:{id}", &format!("notes:{key}"))
            .replace("bind: { id: id }", &format!("bind: {{ {bind} }}"));
        found_in(&[("sources/shop.yaml", &source), ("families/n.yaml", &family)])
    };
    let warned = [("FR0042", "families/n.yaml:7:31".to_owned())];
    assert_eq!(of("{a}{b}", "a: id, b: item_id"), warned);
    assert_eq!(of("{a}{c}{b}", "a: id, b: item_id, c: code"), warned);
    assert_eq!(of("{a}{b}", "a: id, b: [x, xy]"), warned);
    assert_eq!(of("{a}{b}", "a: id, b: [x, yx]"), warned);
    for (key, bind) in [
        ("{a}:{b}", "a: id, b: item_id"),
        ("{a}{c}", "a: id, c: code"),
        ("{c}{a}", "a: id, c: open"),
        ("{a}{b}", "a: id, b: [xx, y]"),
        ("{a}{a}", "a: id"),
    ] {
        assert_eq!(of(key, bind), [], "{key} with {bind}");
    }
    // Rows may share a tag.
    let cdn = "cdn: { targets: [edge], tags: [\"note-{a}{b}\"] }\n";
    let family = NOTE
        .replace("{id}", "{a}:{b}")
        .replace("{ id: id }", "{ a: id, b: item_id }")
        + cdn;
    let found = found_in(&[("sources/shop.yaml", &source), ("families/n.yaml", &family)]);
    assert_eq!(found, []);
}

#[test]
fn a_table_whose_log_holds_no_before_image_is_warned_of_even_by_its_key() {
    let nothing = SOURCE.replace("replica_identity: default", "replica_identity: nothing");
    assert_eq!(
        found_in(&[("sources/s.yaml", SOURCE), ("families/n.yaml", NOTE)]),
        []
    );
    let warned = found_in(&[("sources/s.yaml", &nothing), ("families/n.yaml", NOTE)]);
    assert_eq!(warned, [("FR0040", "families/n.yaml:10:17".to_owned())]);
    let mysql = nothing.replace("engine: postgres", "engine: mysql");
    let loaded = check(&[("sources/s.yaml", &mysql), ("families/n.yaml", NOTE)]).expect("warned");
    assert!(
        loaded.warnings.render().contains("binlog_row_image"),
        "{}",
        loaded.warnings.render()
    );
}

#[test]
fn some_table_has_the_column_that_entries_are_stamped_with() {
    let with = |column: &str| {
        let family = format!("{NOTE}entry_version: {{ field: v, column: {column} }}\n");
        found_in(&[("sources/s.yaml", SOURCE), ("families/n.yaml", &family)])
    };
    assert_eq!(with("item_id"), []);
    assert_eq!(
        with("changes"),
        [("FR0011", "families/n.yaml:11:36".to_owned())]
    );
}

#[test]
fn a_fault_is_told_once_and_not_again_by_the_examples() {
    let twice = "  - table: shop.public.items\n    bind: { id: id }\n";
    let example = "examples:\n  - change: { table: shop.public.notes, op: c, after: { id: 1 } }\n";
    let family = NOTE.replace("notes:{id}", "notes:{id}?") + twice + example;
    let files = [
        ("sources/s.yaml", SOURCE),
        ("families/n.yaml", family.as_str()),
    ];
    assert_eq!(
        found_in(&files),
        [("FR0016", "families/n.yaml:7:31".to_owned())]
    );
    let family = NOTE.to_owned() + twice + example;
    let files = [
        ("sources/s.yaml", SOURCE),
        ("families/n.yaml", family.as_str()),
    ];
    assert_eq!(
        found_in(&files),
        [("FR0030", "families/n.yaml:14:5".to_owned())]
    );
}

#[test]
fn hidden_copies_of_a_mounted_registry_are_not_read() {
    let folder = tempfile::tempdir().expect("a folder");
    for dir in ["sources", "families/..2026_11_23"] {
        std::fs::create_dir_all(folder.path().join(dir)).expect("a folder");
    }
    for (name, text) in [
        ("sources/s.yaml", SOURCE),
        ("families/n.yaml", NOTE),
        ("families/..2026_11_23/n.yaml", NOTE),
        ("families/.n.yaml", NOTE),
    ] {
        std::fs::write(folder.path().join(name), text).expect("written");
    }
    let loaded =
        freshet_registry::load(folder.path()).unwrap_or_else(|it| panic!("{}", it.render()));
    assert_eq!((loaded.files, loaded.registry.families.len()), (2, 1));
    std::fs::write(folder.path().join("families/x.yaml"), [0xff, 0xfe]).expect("written");
    let found = freshet_registry::load(folder.path()).expect_err("no text");
    let fault = found.iter().next().expect("one");
    assert_eq!((fault.code, fault.place.line), ("FR0001", 0));
    assert!(
        fault.place.file.ends_with("families/x.yaml"),
        "{}",
        found.render()
    );
}

#[test]
fn source_files_are_checked_where_they_stand() {
    let of = |from: &str, to: &str| {
        assert!(SOURCE.contains(from), "{from}");
        let source = SOURCE.replacen(from, to, 1);
        found_in(&[("sources/s.yaml", &source)])
    };
    for name in ["shop.notes", "depot.public.notes", "shopping.public.notes"] {
        let found = of("- table: shop.public.notes", &format!("- table: {name}"));
        assert_eq!(
            found,
            [("FR0003", "sources/s.yaml:12:12".to_owned())],
            "{name}"
        );
    }
    let found = of("primary_key: [id]", "primary_key: [id, ident]");
    assert_eq!(found, [("FR0011", "sources/s.yaml:6:23".to_owned())]);
    let found = of("replica_identity: full", "replica_identity: whole");
    assert_eq!(found, [("FR0002", "sources/s.yaml:5:23".to_owned())]);
}

#[test]
fn a_side_of_a_family_that_names_nothing_is_refused() {
    let of = |redis: &str, cdn: &str| {
        let family = NOTE.replace(
            "redis: { target: main, keys: [\"catalog:v1:notes:{id}\"] }",
            &format!("{redis}{cdn}"),
        );
        let found = found_in(&[("sources/s.yaml", SOURCE), ("families/n.yaml", &family)]);
        found
            .iter()
            .any(|it| it == &("FR0024", "families/n.yaml:1:9".to_owned()))
    };
    let redis = "redis: { target: main, keys: [\"catalog:v1:notes:{id}\"] }\n";
    let cdn = "cdn: { targets: [edge], tags: [\"note-{id}\"] }\n";
    assert!(!of(redis, cdn) && !of(redis, "") && !of("", cdn));
    assert!(of("", ""));
    assert!(of("redis: { target: main, keys: [] }\n", cdn));
    assert!(of(redis, "cdn: { targets: [], tags: [\"note-{id}\"] }\n"));
    assert!(of(redis, "cdn: { targets: [edge], tags: [] }\n"));
}

/// Both rules that InnoDB carries out below its binlog, and no other.
#[test]
fn only_silent_cascades_must_be_declared() {
    for (rule, silent) in [
        ("cascade", true),
        ("set null", true),
        ("set default", false),
        ("restrict", false),
        ("no action", false),
    ] {
        let source = SOURCE
            .replace("engine: postgres", "engine: mariadb")
            .replace("replica_identity: default", "replica_identity: full")
            + &format!(
                "    foreign_keys:\n      - {{ columns: [item_id], references: shop.public.items, on_delete: {rule} }}\n"
            );
        let found = found_in(&[("sources/s.yaml", &source), ("families/n.yaml", NOTE)]);
        let wanted = [("FR0027", "families/n.yaml:9:12".to_owned())];
        assert_eq!(found, if silent { &wanted[..] } else { &[] }, "{rule}");
    }
}

/// What the log of a table does not hold, its examples cannot rely on.
#[test]
fn examples_know_no_more_than_the_log_does() {
    let of = |identity: &str, purges: &str| {
        let source = SOURCE.replace(
            "replica_identity: default",
            &format!("replica_identity: {identity}"),
        );
        let change = "{ table: shop.public.notes, op: u, before: { id: 1, item_id: 7 }, after: { id: 1, item_id: 8 } }";
        let family = NOTE
            .replace("{id}", "{item}")
            .replace("{ id: id }", "{ item: item_id }")
            + &format!("examples:\n  - change: {change}\n    purges: {{ redis: [{purges}] }}\n");
        let found = found_in(&[("sources/s.yaml", &source), ("families/n.yaml", &family)]);
        !found.iter().any(|(code, _)| *code == "FR0030")
    };
    let (exact, wide) = (
        "\"catalog:v1:notes:7\", \"catalog:v1:notes:8\"",
        "\"catalog:v1:notes:*\"",
    );
    assert!(of("full", exact) && !of("full", wide));
    assert!(of("default", wide) && !of("default", exact));
    assert!(of("nothing", wide));
    // Without a before-image the key is what it was, unless the log never has one.
    let of = |identity: &str, purges: &str| {
        let source = SOURCE.replace(
            "replica_identity: default",
            &format!("replica_identity: {identity}"),
        );
        let family = NOTE.to_owned()
            + &format!(
                "examples:\n  - change: {{ table: shop.public.notes, op: u, after: {{ id: 1 }} }}\n    purges: {{ redis: [{purges}] }}\n"
            );
        let found = found_in(&[("sources/s.yaml", &source), ("families/n.yaml", &family)]);
        !found.iter().any(|(code, _)| *code == "FR0030")
    };
    assert!(of("default", "\"catalog:v1:notes:1\""));
    assert!(of("nothing", wide) && !of("nothing", "\"catalog:v1:notes:1\""));
}

#[test]
fn a_family_is_deprecated_until_a_day_of_the_calendar() {
    for day in ["2027-01-31", "2028-02-29", "2000-02-29"] {
        let lifecycle = format!("lifecycle: deprecated({day})");
        assert!(with("lifecycle: active", &lifecycle).is_ok(), "{day}");
    }
    for day in [
        "2027-02-29",
        "2100-02-29",
        "2027-13-01",
        "2027-00-01",
        "2027-04-31",
        "27-01-01",
        "soon",
        "2027-01-01-01",
    ] {
        let lifecycle = format!("lifecycle: deprecated({day})");
        refused("lifecycle: active", &lifecycle, ("FR0026", 4));
    }
}

#[test]
fn an_example_names_the_tables_and_columns_that_are_there() {
    refused(
        "before: { id: 1, category",
        "before: { id: 1, categroy",
        ("FR0011", 20),
    );
    let foreign = "change: { table: shop.public.notes, op: u, before";
    refused(
        "change: { table: shop.public.items, op: u, before",
        foreign,
        ("FR0010", 20),
    );
}

#[test]
fn a_warning_is_acknowledged_with_a_reason_and_only_where_it_arises() {
    let with_reason = |code: &str, reason: &str| {
        let acknowledge = format!("acknowledge: [{{ code: {code}, reason: \"{reason}\" }}]");
        with("guard: none", &format!("guard: lease\n{acknowledge}"))
    };
    let warned = with("guard: none", "guard: lease").expect("good");
    assert_eq!(warned.warnings.len(), 1, "{}", warned.warnings.render());
    let silent = with_reason("FR0041", "readers take leases").expect("good");
    assert!(silent.warnings.is_empty(), "{}", silent.warnings.render());
    let unused = with_reason("FR0040", "no").expect("good").warnings;
    let codes: Vec<_> = unused.iter().map(|it| it.code).collect();
    assert_eq!(codes, ["FR0041", "FR0043"], "{}", unused.render());
    assert!(with_reason("FR0041", " ").is_err());
}

#[test]
fn a_word_that_is_none_of_the_choices_comes_with_the_nearest() {
    for (from, to, near) in [
        ("class: strict", "class: srtict", "did you mean `strict`?"),
        (
            "lifecycle: active",
            "lifecycle: actve",
            "did you mean `active`?",
        ),
        (
            "lifecycle: active",
            "lifecycle: deprecatd(2027-01-31)",
            "did you mean `deprecated`?",
        ),
        ("mode: soft", "mode: sotf", "did you mean `soft`?"),
        (
            "region: [eu, us] }",
            "regoin: [eu, us] }",
            "did you mean `regoin`?",
        ),
        ("guard: none", "gaurd: none", "did you mean `guard`?"),
    ] {
        let text = with(from, to).expect_err("refused").render();
        assert!(text.contains(near), "{text}");
    }
}

/// A template folds what the column's collation ignores; values and constants alike.
#[test]
fn what_a_collation_ignores_is_folded_or_warned_of() {
    let source = SOURCE.replace(
        "name: category_id, type: bigint",
        "name: category_id, type: \"varchar(20)\", collation: utf8mb4_general_ci",
    );
    let source = source.replace("engine: postgres", "engine: mariadb");
    let of = |tag: &str, keys: &str| {
        let family = FAMILY
            .replace(
                "category-{category_id}",
                &format!("category-{{category_id{tag}}}"),
            )
            .replace("region: [eu, us]", "region: [EU, us]")
            .replace("{region}", keys)
            .replace("category_id: 7", "category_id: \"Tea \"")
            .replace("category_id: 8", "category_id: tea")
            .replace("category-7, category-8", "category-tea");
        check(&[
            ("sources/shop.yaml", &source),
            ("families/item.yaml", &family),
        ])
    };
    let loaded =
        of("|lower|trim", "{region|lower}").unwrap_or_else(|found| panic!("{}", found.render()));
    assert!(loaded.warnings.is_empty(), "{}", loaded.warnings.render());
    assert_eq!(
        loaded.examples.run, 1,
        "the names are those of folded values"
    );
    for (tag, warned) in [
        ("", "case and blanks at the end"),
        ("|lower", "blanks at the end"),
        ("|trim", "case"),
    ] {
        let found = of(tag, "{region|lower}");
        let found = match &found {
            Ok(loaded) => &loaded.warnings,
            Err(found) => found,
        };
        let about = format!("without regard to {warned}:");
        let loose: Vec<_> = found.iter().filter(|it| it.code == "FR0045").collect();
        assert_eq!(loose.len(), 1, "{tag}: {}", found.render());
        assert!(found.render().contains(&about), "{tag}: {}", found.render());
    }
    let unfolded = of("|lower|trim", "{region}");
    assert!(
        unfolded.is_err(),
        "the example expects `eu`, the name has `EU`"
    );
}
