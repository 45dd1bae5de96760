//! What `freshet source pull` says of a table, against what Debezium then sends for it: topic, columns, before-images.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::time::Duration;

use freshet_testbed::{
    Connect, KafkaBroker, MariaDb, MariaDbConnector, PgConnector, Postgres, TopicReader,
};
use serde_json::Value;

const DEADLINE: Duration = Duration::from_secs(60);

/// What the file says of a table.
struct Said {
    columns: BTreeSet<String>,
    whole_rows: bool,
}

/// Tables by topic, as the pulled file says.
fn pulled(url: &str, server: &str) -> BTreeMap<String, Said> {
    let output = Command::new(env!("CARGO_BIN_EXE_freshet"))
        .args(["source", "pull", "--password-env", "PULL_PASSWORD"])
        .args(["--url", url, "--server", server])
        .env("PULL_PASSWORD", "shop")
        .output()
        .expect("freshet runs");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{told}");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let file: Value = serde_saphyr::from_str(&text).expect("YAML");
    let tables = file["tables"].as_array().expect("tables").iter();
    tables
        .map(|table| {
            let topic = table["topic"].as_str().or(table["table"].as_str());
            let columns = table["columns"].as_array().expect("columns").iter();
            let names = columns.map(|it| it["name"].as_str().expect("a name").to_owned());
            let said = Said {
                columns: names.collect(),
                whole_rows: table["replica_identity"] == "full",
            };
            (topic.expect("a topic").to_owned(), said)
        })
        .collect()
}

/// A record with `op` by topic, once every topic has one.
fn records(reader: &mut TopicReader, op: &str, topics: &[&String]) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    let read = reader.read_until(DEADLINE, |records| {
        for record in records {
            let value: Value = serde_json::from_str(&record.value_text()).unwrap_or_default();
            if value["op"] == op {
                found.insert(record.topic.clone(), value);
            }
        }
        topics.iter().all(|topic| found.contains_key(*topic))
    });
    read.unwrap_or_else(|error| panic!("{op} of {topics:?}: {error:#}"));
    found
}

fn columns_of(image: &Value) -> BTreeSet<String> {
    image.as_object().expect("a row").keys().cloned().collect()
}

#[test]
fn the_file_says_what_debezium_sends() {
    let kafka = KafkaBroker::start().expect("kafka");
    let postgres = Postgres::start().expect("postgres");
    let mariadb = MariaDb::start().expect("mariadb");
    postgres.sql(POSTGRES).expect("tables");
    mariadb.sql(MARIADB).expect("tables");
    let from_postgres = pulled(&postgres.url(), "pg");
    let from_mariadb = pulled(&mariadb.url().replace("shop:shop@", "shop@"), "maria");
    let connector = PgConnector {
        extra: vec![("publish.via.partition.root".to_owned(), "true".to_owned())],
        ..PgConnector::new("pg", &["public.Order Items", "public.events"])
    };
    let _connect = Connect::builder(&kafka)
        .postgres_connector("pg", &postgres, &connector)
        .mariadb_connector(
            "maria",
            &mariadb,
            &MariaDbConnector::new("maria", &["shop.Order Items"]),
        )
        .start()
        .expect("connectors run");
    let wanted: BTreeMap<String, Said> = from_postgres.into_iter().chain(from_mariadb).collect();
    let topics: Vec<&String> = wanted.keys().collect();
    let mut reader = TopicReader::new(&kafka.bootstrap()).expect("a reader");
    // What comes after the snapshot comes from the log.
    records(&mut reader, "r", &topics);
    postgres
        .sql("UPDATE \"Order Items\" SET amount = 6; UPDATE events SET t = 'b';")
        .expect("updates");
    mariadb
        .sql("UPDATE `Order Items` SET amount = 6")
        .expect("update");
    let updates = records(&mut reader, "u", &topics);
    for (topic, said) in &wanted {
        let update = &updates[topic];
        assert_eq!(
            columns_of(&update["after"]),
            said.columns,
            "{topic}: {update}"
        );
        // The root of `events` says FULL, its partition does not.
        assert_eq!(said.whole_rows, topic != "pg.public.events");
        assert_eq!(
            update["before"].is_object(),
            said.whole_rows,
            "{topic}: {update}"
        );
    }
}

const POSTGRES: &str = "
CREATE TABLE \"Order Items\" (id int PRIMARY KEY, amount int, total int GENERATED ALWAYS AS (amount * 2) STORED);
ALTER TABLE \"Order Items\" REPLICA IDENTITY FULL;
CREATE TABLE events (id int, at date, t text NOT NULL, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
ALTER TABLE events REPLICA IDENTITY FULL;
INSERT INTO \"Order Items\" VALUES (2, 5);
INSERT INTO events VALUES (1, '2026-01-02', 'a');
";
const MARIADB: &str = "
CREATE TABLE `Order Items` (id int PRIMARY KEY, amount int, total int AS (amount * 2) STORED, half int AS (amount / 2) VIRTUAL);
INSERT INTO `Order Items` (id, amount) VALUES (2, 5);
";
