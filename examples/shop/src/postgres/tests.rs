use super::*;
use crate::store::Step;

const SCHEMA: &str = include_str!("../../schema.sql");

/// What memory says, Postgres says too: after every kind of step, for every entry.
#[tokio::test(flavor = "multi_thread")]
async fn postgres_and_memory_answer_the_same() {
    let server = tokio::task::spawn_blocking(freshet_testbed::Postgres::start)
        .await
        .expect("no panic")
        .expect("postgres starts");
    let mut tables = Tables::stocked(3, 2, 1_772_366_400_123_456);
    let rows = PostgresRows::create(&server.url(), SCHEMA, &tables)
        .await
        .expect("created");
    let product = tables.product(1).expect("in stock").clone();
    let transactions = [
        vec![Step::Put(Product {
            name: "It's \\ new".to_owned(),
            ..product.clone()
        })],
        vec![Step::Put(Product {
            category_id: 2,
            price_cents: 7,
            ..product.clone()
        })],
        vec![
            Step::Join(1, 3),
            Step::Join(2, 3),
            Step::Put(Product { id: 99, ..product }),
        ],
        vec![Step::Rename(3, "Third".to_owned()), Step::Leave(2, 3)],
        vec![Step::Drop(1)],
    ];
    let entries = (1..=4).flat_map(|id| [Entry::Category(id), Entry::Listing(id)]);
    let entries: Vec<Entry> = entries
        .chain([1, 2, 99, 7_777].map(Entry::Product))
        .collect();
    for steps in [vec![]].into_iter().chain(transactions) {
        if !steps.is_empty() {
            rows.commit(&tables.apply(&steps)).await.expect("commits");
        }
        for entry in &entries {
            let read = rows.read(*entry).await.expect("reads");
            assert_eq!(read, tables.body(*entry), "{entry} after {steps:?}");
        }
    }
}
