//! Debezium's own counts of transactions, from a real Postgres: what a connector drops is noticed by them.

mod support;

use std::sync::atomic::{AtomicU32, Ordering};

use freshet_testbed::{Connect, PgConnector, Postgres};
use support::deployment::Deployment;
use support::registry::SHOP;

const TABLES: &str = "
CREATE TABLE items (id bigint PRIMARY KEY, category_id bigint NOT NULL, tenant int NOT NULL, name text NOT NULL, body text);
CREATE TABLE notes (id bigint PRIMARY KEY, item_id bigint NOT NULL, text text NOT NULL);
ALTER TABLE items REPLICA IDENTITY FULL;
INSERT INTO items VALUES (1, 7, 1, 'first', NULL);
INSERT INTO notes VALUES (1, 1, 'first');
";

/// Connect's own transform: records of the table of items go nowhere.
const DROP_ITEMS: [(&str, &str); 6] = [
    ("transforms", "drop"),
    (
        "transforms.drop.type",
        "org.apache.kafka.connect.transforms.Filter",
    ),
    ("transforms.drop.predicate", "items"),
    ("predicates", "items"),
    (
        "predicates.items.type",
        "org.apache.kafka.connect.transforms.predicates.TopicNameMatches",
    ),
    ("predicates.items.pattern", "shop\\.public\\.items"),
];

#[test]
fn p5_what_a_connector_drops_is_one_gap_of_its_table_alone() {
    let mut deployment = Deployment::new(&[SHOP], None);
    let postgres = Postgres::start().expect("postgres");
    postgres.sql(TABLES).expect("tables");
    let connector = PgConnector {
        transactions: true,
        ..PgConnector::new("shop", &["public.items", "public.notes"])
    };
    let mut connect = Connect::builder(&deployment.kafka)
        .postgres_connector("shop", &postgres, &connector)
        .start()
        .expect("connect");
    deployment.configure("transactions: { shop: { within: 2s } }\n");
    deployment.start_ready();
    let changes = AtomicU32::new(0);
    let change_both = || {
        let change = changes.fetch_add(1, Ordering::Relaxed);
        let sql = format!(
            "BEGIN; UPDATE items SET name = 'change {change}' WHERE id = 1;
             UPDATE notes SET text = 'change {change}' WHERE id = 1; COMMIT"
        );
        postgres.sql(&sql).expect("a transaction");
    };
    deployment.until("whole transactions of both tables", || {
        change_both();
        ended(&deployment, "complete") >= Some(4.0)
    });
    assert_eq!(
        gaps(&deployment),
        Some(0.0),
        "nothing is missing:\n{}",
        deployment.log_tail()
    );

    let dropping = PgConnector {
        extra: DROP_ITEMS
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec(),
        ..connector
    };
    let dropping = dropping.config(&postgres);
    connect.configure("shop", &dropping).expect("reconfigured");
    let kept = ["shop:v1:note:99".to_owned()];
    let unknown = ["shop:v1:item:99".to_owned(), "shop:v1:doc:any".to_owned()];
    deployment.fill(&[kept.as_slice(), unknown.as_slice()].concat());
    deployment.until("what may be stale goes, whichever row it is of", || {
        // The first ones may be too early to be judged.
        change_both();
        deployment.present(&unknown).is_empty()
    });
    assert!(ended(&deployment, "missing") >= Some(1.0));
    assert!(gaps(&deployment) >= Some(1.0));
    assert_eq!(
        deployment.present(&kept),
        kept,
        "the other table lost nothing"
    );
    let told = "of shop ended with 1 changes of this table, 0 arrived";
    assert!(deployment.log().contains(told), "{}", deployment.log_tail());
    assert_eq!(
        deployment.terminate().0,
        Some(0),
        "{}",
        deployment.log_tail()
    );
}

fn ended(deployment: &Deployment, outcome: &str) -> Option<f64> {
    deployment.metric(&format!(
        "freshet_transactions_total{{database=\"shop\",outcome=\"{outcome}\"}}"
    ))
}

fn gaps(deployment: &Deployment) -> Option<f64> {
    deployment.metric("freshet_gaps_total{cause=\"members_missing\"}")
}
