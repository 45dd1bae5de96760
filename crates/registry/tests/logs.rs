//! What the log of a table holds: `freshet check` warns of what it forgets, and examples know no more.

mod small;

use freshet_core::registry::OnSnapshot;
use small::{FAMILY, NOTE, SOURCE, check, found_in, refused, with};

/// [`NOTE`], named by the item that the note is about: the key of its table does not say which.
fn notes_of_an_item() -> String {
    NOTE.replace("{id}", "{item_id}")
        .replace("{ id: id }", "{ item_id: item_id }")
}

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

    refused("guard: none\n", &verify(""), "FR0028", 8);
    refused("guard: none\n", &version("shape"), "FR0028", 8);
    refused("guard: none\n", &version("nothing"), "FR0011", 9);
    let looking = "guard: none\non_snapshot: look\n";
    refused("guard: none\n", looking, "FR0003", 8);
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

#[test]
fn columns_that_the_log_forgets_are_warned_of() {
    let family = &notes_of_an_item();
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
    let family = &notes_of_an_item();
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
