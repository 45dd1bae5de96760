use serde_json::Value;

use super::*;

fn tables() -> Tables {
    Tables::stocked(3, 2, 0)
}

fn moved(tables: &Tables, id: i64, category_id: i64) -> Step {
    let product = tables.product(id).expect("in stock").clone();
    Step::Put(Product {
        category_id,
        ..product
    })
}

#[test]
fn a_move_outdates_the_product_and_both_listings_once() {
    let mut tables = tables();
    let steps = [moved(&tables, 1, 2), Step::Join(1, 3), Step::Join(1, 3)];
    let commit = tables.apply(&steps);
    let outdated: Vec<Entry> = commit.outdated.iter().map(|(entry, _)| *entry).collect();
    assert_eq!(
        outdated,
        [
            Entry::Product(1),
            Entry::Listing(1),
            Entry::Listing(2),
            Entry::Listing(3)
        ]
    );
    assert!(commit.outdated.iter().all(|(_, revision)| *revision == 1));
    assert_eq!(commit.changes.len(), 2, "joining twice changes one row");
    assert_eq!(tables.at_home_in(1), [4]);
    assert_eq!(tables.at_home_in(2), [1, 2, 5]);
}

#[test]
fn a_delete_takes_the_memberships_along_and_leaves_an_answer() {
    let mut tables = tables();
    tables.apply(&[Step::Join(1, 2), Step::Join(1, 3)]);
    let commit = tables.apply(&[Step::Drop(1)]);
    assert_eq!(commit.changes.len(), 3);
    assert!(commit.changes.iter().all(|change| change.after.is_none()));
    let body = |entry| -> Value { serde_json::from_str(&tables.body(entry)).expect("JSON") };
    assert_eq!(
        body(Entry::Product(1)),
        json!({ "revision": 1, "id": 1, "gone": true })
    );
    let products = json!([
        { "id": 2, "name": "Product 2", "price": "5.02" },
        { "id": 5, "name": "Product 5", "price": "5.05" },
    ]);
    assert_eq!(
        body(Entry::Listing(2)),
        json!({ "revision": 2, "category_id": 2, "products": products, "featured": [] })
    );
    assert!(
        tables.pages().contains(&Page::Product(1)),
        "caches may hold that it is gone"
    );
}

#[test]
fn each_body_changes_with_every_commit_that_touches_it_and_only_then() {
    let mut tables = tables();
    let watched = [
        Entry::Product(1),
        Entry::Category(1),
        Entry::Listing(1),
        Entry::Listing(2),
    ];
    let steps = [
        moved(&tables, 1, 1),
        Step::Rename(1, "Aisle one".to_owned()),
        Step::Join(2, 1),
        Step::Leave(2, 1),
        moved(&tables, 1, 2),
        Step::Drop(4),
    ];
    for step in steps {
        let before: Vec<String> = watched.iter().map(|entry| tables.body(*entry)).collect();
        let commit = tables.apply(std::slice::from_ref(&step));
        for (entry, before) in watched.iter().zip(before) {
            let is_outdated = commit
                .outdated
                .iter()
                .any(|(outdated, _)| outdated == entry);
            assert_eq!(
                tables.body(*entry) != before,
                is_outdated,
                "{entry} after {step:?}"
            );
        }
    }
}

#[test]
fn a_body_tells_its_revision() {
    let mut tables = tables();
    for revision in 0..12 {
        assert_eq!(revision_of(&tables.body(Entry::Listing(1))), Some(revision));
        tables.apply(&[moved(&tables, 1, 1)]);
    }
    assert_eq!(revision_of("lease:17"), None);
    assert_eq!(revision_of("{\"id\":7}"), None);
}
