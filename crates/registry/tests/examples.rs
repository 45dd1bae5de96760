//! Examples of families know what the log of their table would know, and hold only where both sides do.

mod small;

use small::{FAMILY, NOTE, SOURCE, check, refused, with};

/// What a change is expected to purge, and what the connector and the table's log are like.
struct Case {
    log: &'static str,
    key: &'static str,
    change: &'static str,
    purges: &'static [&'static str],
}

fn holds(case: &Case) -> Result<(), String> {
    let Case {
        log,
        key,
        change,
        purges,
    } = case;
    let (identity, tombstones) = log.split_once(", ").unwrap_or((log, "none"));
    let source = SOURCE
        .replace(
            "engine: postgres",
            &format!("engine: postgres\nconnector: {{ tombstones: {tombstones} }}"),
        )
        .replace(
            "replica_identity: default",
            &format!("replica_identity: {identity}"),
        );
    let purges: Vec<String> = purges
        .iter()
        .map(|id| format!("\"catalog:v1:notes:{id}\""))
        .collect();
    let family = NOTE
        .replace("{id}", &format!("{{{key}}}"))
        .replace("{ id: id }", &format!("{{ {key}: {key} }}"));
    let family = format!(
        "{family}examples:\n  - change: {{ table: shop.public.notes, {change} }}\n    purges: {{ redis: [{}] }}\n",
        purges.join(", ")
    );
    let files = [("sources/s.yaml", &*source), ("families/n.yaml", &*family)];
    match check(&files) {
        Ok(loaded) => {
            assert_eq!(loaded.examples.run, 1);
            Ok(())
        }
        Err(found) => Err(found.render()),
    }
}

fn case(
    log: &'static str,
    key: &'static str,
    change: &'static str,
    purges: &'static [&'static str],
) -> Case {
    Case {
        log,
        key,
        change,
        purges,
    }
}

fn all_hold(cases: &[Case]) {
    for case in cases {
        let told = holds(case);
        assert_eq!(told, Ok(()), "{} {} {}", case.log, case.key, case.change);
    }
}

#[test]
fn an_example_knows_of_a_row_what_the_log_does() {
    all_hold(&[
        case(
            "full",
            "item_id",
            "op: u, before: { id: 1, item_id: 3 }, after: { id: 1, item_id: 4 }",
            &["3", "4"][..],
        ),
        case(
            "default",
            "item_id",
            "op: u, before: { id: 1, item_id: 3 }, after: { id: 1, item_id: 4 }",
            &["*"],
        ),
        case(
            "full",
            "item_id",
            "op: d, before: { id: 1, item_id: 3 }",
            &["3"],
        ),
        case(
            "default",
            "item_id",
            "op: d, before: { id: 1, item_id: 3 }",
            &["*"],
        ),
        case("default", "id", "op: d, before: { id: 1 }", &["1"]),
        // A delete that is a tombstone has the key alone; an update is none.
        case(
            "full, as_delete",
            "item_id",
            "op: d, before: { id: 1, item_id: 3 }",
            &["*"],
        ),
        case(
            "full, as_delete",
            "item_id",
            "op: u, before: { id: 1, item_id: 3 }, after: { id: 1, item_id: 4 }",
            &["3", "4"],
        ),
        case(
            "full, after_delete",
            "item_id",
            "op: d, before: { id: 1, item_id: 3 }",
            &["3"],
        ),
    ]);
}

/// An update that does not say its row before had the same key.
#[test]
fn an_example_without_a_row_before_has_the_same_key() {
    all_hold(&[
        case("default", "id", "op: u, after: { id: 1 }", &["1"]),
        case("nothing", "id", "op: u, after: { id: 1 }", &["*"]),
        case(
            "default",
            "item_id",
            "op: u, after: { id: 1, item_id: 3 }",
            &["*"],
        ),
        case(
            "default",
            "item_id",
            "op: c, after: { id: 1, item_id: 3 }",
            &["3"],
        ),
        case("default", "id", "op: r, after: { id: 1 }", &[]),
        case("default", "id", "op: t", &["*"]),
    ]);
}

#[test]
fn an_example_has_an_operation_of_the_log() {
    let unknown = case("default", "id", "op: x, after: { id: 1 }", &[]);
    let told = holds(&unknown).expect_err("no such op");
    assert!(
        told.contains("op `x` is not one of c, u, d, r, t"),
        "{told}"
    );
}

#[test]
fn an_example_names_keys_and_tags() {
    let keys = "\"catalog:v2:item:1:region:eu\", ";
    refused(keys, "", "FR0030", 20);
    refused("tags: [item-1, ", "tags: [", "FR0030", 20);
}

#[test]
fn examples_are_run_of_families_that_purge() {
    for (lifecycle, run) in [
        ("active", 1),
        ("deprecated(2027-01-31)", 1),
        ("draft", 0),
        ("retired", 0),
    ] {
        let loaded = with("lifecycle: active", &format!("lifecycle: {lifecycle}"));
        let loaded = loaded.unwrap_or_else(|found| panic!("{}", found.render()));
        assert_eq!(loaded.examples.run, run, "{lifecycle}");
    }
    // A family with a fault has that told, not what its examples make of it.
    let family = FAMILY
        .replace("mode: soft", "mode: gentle")
        .replace("category-8]", "category-9]");
    let found = check(&[
        ("sources/shop.yaml", SOURCE),
        ("families/item.yaml", &family),
    ]);
    let found = found.expect_err("a fault");
    let codes: Vec<_> = found.iter().map(|fault| fault.code).collect();
    assert_eq!(codes, ["FR0003"], "{}", found.render());
}
