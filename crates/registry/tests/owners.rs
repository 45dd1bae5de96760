//! Whose a name, a topic or a value is: what two families or two tables may share.

mod small;

use freshet_registry::Loaded;
use freshet_registry::diagnostics::Diagnostics;
use small::{FAMILY, NOTE, SOURCE, check, found_in};

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

/// A family of the notes with this Redis side or CDN side, or both.
fn family(name: &str, sides: &str) -> (String, String) {
    let text = NOTE
        .replace("catalog.note", &format!("catalog.{name}"))
        .replace(
            "redis: { target: main, keys: [\"catalog:v1:notes:{id}\"] }",
            sides,
        );
    (format!("families/{name}.yaml"), text)
}

/// What is found in families of the notes.
fn found(families: &[(String, String)]) -> Diagnostics {
    let mut files = vec![("sources/shop.yaml", SOURCE)];
    files.extend(families.iter().map(|(path, text)| (&**path, &**text)));
    match check(&files) {
        Ok(loaded) => loaded.warnings,
        Err(found) => found,
    }
}

/// The messages and helps of one code.
fn told(code: &str, families: &[(String, String)]) -> Vec<(String, String)> {
    let found = found(families);
    let of_code = found.iter().filter(|fault| fault.code == code);
    let told = of_code.map(|fault| {
        (
            fault.message.clone(),
            fault.help.clone().unwrap_or_default(),
        )
    });
    told.collect()
}

#[test]
fn shared_keys_are_reported_up_to_a_number_and_the_last_says_so() {
    for (shared, reported, is_cut) in [(99, 99, false), (100, 100, true), (101, 100, true)] {
        let keys: Vec<String> = (0..shared)
            .map(|at| format!("\"catalog:v1:n{at}:{{id}}\""))
            .collect();
        let redis = format!("redis: {{ target: main, keys: [{}] }}", keys.join(", "));
        let told = told("FR0020", &[family("one", &redis), family("two", &redis)]);
        assert_eq!(told.len(), reported);
        let says = |(_, help): &(String, String)| help.contains("there may be more");
        let (last, others) = told.split_last().expect("some");
        assert_eq!(says(last), is_cut, "{shared}: {last:?}");
        assert!(!others.iter().any(says), "{shared}");
    }
}

#[test]
fn shared_tags_are_reported_up_to_a_number() {
    let cdn = |tags: &str, family_tag: &str| {
        format!("cdn: {{ targets: [edge], tags: [{tags}], family_tag: {family_tag} }}")
    };
    for (tags, reported) in [(99, 99), (101, 100)] {
        let tags = vec!["\"one-{id}\""; tags].join(", ");
        let families = [
            family("one", &cdn(&tags, "all")),
            family("two", &cdn("\"two-{id}\"", "one-list")),
        ];
        assert_eq!(told("FR0029", &families).len(), reported);
        assert_eq!(found(&families).len(), reported, "and no more counted");
    }
    for (others, reported) in [(1, 1), (99, 99), (101, 100)] {
        let families: Vec<_> = (0..=others)
            .map(|at| family(&format!("n{at}"), &cdn(&format!("\"n{at}-{{id}}\""), "all")))
            .collect();
        assert_eq!(told("FR0029", &families).len(), reported);
        assert_eq!(found(&families).len(), reported, "and no more counted");
    }
}

#[test]
fn a_tag_that_is_another_familys_tag_is_told_from_one_that_can_be() {
    let of = |tags: &str| {
        let cdn = |tags, family_tag| {
            format!("cdn: {{ targets: [edge], tags: [{tags}], family_tag: {family_tag} }}")
        };
        let families = [
            family("one", &cdn(tags, "all")),
            family("two", &cdn("\"two-{id}\"", "one-list")),
        ];
        let told = told("FR0029", &families).into_iter();
        told.map(|(message, _)| message).collect::<Vec<_>>()
    };
    let [is] = &of("one-list")[..] else {
        panic!("one fault")
    };
    assert!(
        is.starts_with("`one-list` is the family tag of `catalog.two`:"),
        "{is}"
    );
    let [can_be] = &of("\"one-{id}\"")[..] else {
        panic!("one fault")
    };
    let wanted = "`one-{id}` can produce `one-list`, the family tag of `catalog.two`:";
    assert!(can_be.starts_with(wanted), "{can_be}");
}

#[test]
fn tags_at_two_cdns_are_apart() {
    for (one, two) in [("edge", "zone"), ("zone", "edge")] {
        let families = [
            family(
                "one",
                &format!("cdn: {{ targets: [{one}], tags: [\"one-{{id}}\"], family_tag: all }}"),
            ),
            family(
                "two",
                &format!("cdn: {{ targets: [{two}], tags: [\"all\"], family_tag: one-list }}"),
            ),
        ];
        assert_eq!(told("FR0029", &families), []);
    }
}

#[test]
fn a_family_that_is_declared_twice_shares_its_own_tag() {
    let cdn = "cdn: { targets: [edge], tags: [\"one-{id}\"] }";
    let (_, text) = family("one", cdn);
    let twice = ["families/a.yaml", "families/b.yaml"].map(|path| (path.to_owned(), text.clone()));
    assert_eq!(told("FR0021", &twice).len(), 1);
    assert_eq!(told("FR0029", &twice), []);
}

/// Ten families of 1 000 tags at ten CDNs are a million pairs. Beyond that nobody knows, which is no reason to say yes.
#[test]
fn p13_tags_that_are_too_many_to_compare_are_refused() {
    let targets: Vec<String> = (0..10).map(|at| format!("edge{at}")).collect();
    let targets = targets.join(", ");
    let tags = vec!["\"{id}-x\""; 1_000].join(", ");
    let families = |more: &str| -> Vec<_> {
        (0..10)
            .map(|at| {
                let more = if at == 9 { more } else { "" };
                let sides = format!("cdn: {{ targets: [{targets}{more}], tags: [{tags}] }}");
                let (path, text) = family(&format!("n{at}"), &sides);
                let (head, _) = text.split_once("sources:").expect("bound");
                (path, format!("{head}sources: []\n"))
            })
            .collect()
    };
    assert_eq!(told("FR0029", &families("")), []);
    let told = told("FR0029", &families(", zone"));
    let [(message, help)] = &told[..] else {
        panic!("{told:?}")
    };
    assert!(
        message.contains("cannot be determined in bounded time"),
        "{message}"
    );
    assert!(help.contains("literal"), "{help}");
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
