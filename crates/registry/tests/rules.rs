//! Every rule of `freshet check`: one fault, its code, its line, and something to do about it.

mod small;

use std::path::PathBuf;

use freshet_registry::{load_files, load_files_on};
use small::{FAMILY, NOTE, SOURCE, check, found_in, refused, with};

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
            binding.names[0].len(),
            binding.names[1].len(),
            binding.when_changed.len()
        ),
        (2, 2, 3)
    );
}

#[test]
fn values_are_checked_where_they_stand() {
    refused("lifecycle: active", "lifecycle: live", "FR0026", 4);
    refused("lifecycle: active", "lifecycle: shadow", "FR0026", 4);
    refused("class: strict", "class: quick", "FR0003", 5);
    refused("within: 2s", "within: soon", "FR0003", 5);
    refused("objective: 99.9%", "objective: 101%", "FR0003", 5);
    refused("max_ttl: 24h", "max_ttl: 0s", "FR0003", 6);
    refused("guard: none", "guard: maybe", "FR0003", 7);
    refused("mode: soft", "mode: gentle", "FR0003", 14);
    refused("team: catalog", "team: \" \"", "FR0003", 3);
    refused("family: catalog.item", "family: Item", "FR0003", 1);
}

#[test]
fn what_the_form_does_not_know_is_refused() {
    refused("guard: none", "gaurd: none", "FR0002", 7);
    refused(
        "max_ttl: 24h\n",
        "max_ttl: 24h\nmax_ttl: 12h\n",
        "FR0002",
        7,
    );
    let odd = with("item_id: id,", "item_id: 7,").expect_err("a number");
    let told = odd.render();
    assert!(told.contains("a column's name"), "{told}");
    assert!(told.contains("or a list of constants"), "{told}");
    let missing = with("max_ttl: 24h\n", "").expect_err("max_ttl is not optional");
    assert!(missing.render().contains("max_ttl"), "{}", missing.render());
}

#[test]
fn keys_and_tags_are_checked() {
    refused("catalog:v2:item:", "catalog:v1:item:", "FR0014", 10);
    refused(
        "catalog:v2:item:{item_id}",
        "catalog:v2:{item_id}",
        "FR0015",
        10,
    );
    refused(
        "catalog:v2:item:{item_id}",
        "catalog:v2:item:*{item_id}",
        "FR0016",
        10,
    );
    refused("item-{item_id}", "Item {item_id}", "FR0016", 13);
    refused("item-{item_id}", "item-{item_id", "FR0016", 13);
    refused("item-{item_id}", "item-{thing}", "FR0012", 13);
    let many: Vec<String> = (0..65).map(|at| format!("r{at}")).collect();
    refused(
        "region: [eu, us]",
        &format!("region: [{}]", many.join(", ")),
        "FR0018",
        10,
    );
}

#[test]
fn bindings_are_checked_against_the_source() {
    refused(
        "table: shop.public.items\n    bind",
        "table: shop.public.itms\n    bind",
        "FR0010",
        16,
    );
    refused(
        "category_id: category_id",
        "category_id: categry",
        "FR0011",
        17,
    );
    refused("when_changed: [name]", "when_changed: [nmae]", "FR0011", 18);
    refused(
        "category_id: category_id",
        "category_id: shape",
        "FR0017",
        17,
    );
    refused(
        "mode: soft",
        "mode: soft\nauth_scope: user_id",
        "FR0025",
        10,
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
        "FR0030",
        20,
    );
    let found = with("category-7, category-8]", "category-8]").expect_err("wrong");
    assert!(
        found.render().contains("category-7"),
        "expected and got are told: {}",
        found.render()
    );
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
    refused("targets: [edge]", "targets: [main]", "FR0022", 12);
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
    let file: freshet_registry::written::source::SourceFile =
        serde_saphyr::from_str(SOURCE).expect("valid");
    let text = file.to_yaml();
    let again: freshet_registry::written::source::SourceFile =
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
        refused("lifecycle: active", &lifecycle, "FR0026", 4);
    }
}

/// The day itself is still within; what has passed is warned of, and can be acknowledged as other warnings can.
#[test]
fn a_family_that_outlives_its_day_is_warned_of() {
    let on = |today: &str, extra: &str| {
        let family = FAMILY.replacen("lifecycle: active", "lifecycle: deprecated(2027-01-31)", 1);
        let files = [
            ("sources/shop.yaml", SOURCE.to_owned()),
            ("families/catalog/item.yaml", family + extra),
        ];
        let files = files.map(|(path, text)| (PathBuf::from(path), text));
        let loaded = match today {
            "" => load_files(files.into()),
            today => {
                let mut parts = today
                    .split('-')
                    .map(|part| part.parse::<u8>().expect("two digits"));
                let mut part = || parts.next().expect("a part");
                let (year, month, day) = (i32::from(part()), part(), part());
                let month = time::Month::try_from(month).expect("a month");
                let today = time::Date::from_calendar_date(2000 + year, month, day);
                load_files_on(files.into(), today.expect("a day"))
            }
        };
        let loaded = loaded.unwrap_or_else(|found| panic!("{}", found.render()));
        let warnings = loaded.warnings.iter();
        let told = warnings.map(|it| (it.code, it.place.line, it.message.clone()));
        told.collect::<Vec<_>>()
    };
    let ends = "acknowledge: [{ code: FR0048, reason: the last readers go in spring }]\n";
    for today in ["", "27-01-30", "27-01-31"] {
        assert_eq!(on(today, ""), [], "{today}");
    }
    for today in ["27-02-01", "28-01-01"] {
        let told = on(today, "");
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!((told[0].0, told[0].1), ("FR0048", 4));
        assert!(told[0].2.contains("2027-01-31"), "{told:?}");
        assert_eq!(on(today, ends), [], "{today}");
    }
    // Before the day there is nothing to acknowledge; without a day nobody knows.
    assert_eq!(on("27-01-31", ends)[0].0, "FR0043");
    assert_eq!(on("", ends), []);
}

#[test]
fn an_example_names_the_tables_and_columns_that_are_there() {
    refused(
        "before: { id: 1, category",
        "before: { id: 1, categroy",
        "FR0011",
        20,
    );
    let foreign = "change: { table: shop.public.notes, op: u, before";
    refused(
        "change: { table: shop.public.items, op: u, before",
        foreign,
        "FR0010",
        20,
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
        ("", "case and trailing blanks"),
        ("|lower", "trailing blanks"),
        ("|trim", "case"),
    ] {
        let found = of(tag, "{region|lower}");
        let found = match &found {
            Ok(loaded) => &loaded.warnings,
            Err(found) => found,
        };
        let about = format!("ignores {warned} in comparisons");
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
