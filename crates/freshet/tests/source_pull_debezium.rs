//! What `freshet source pull` says of a table, against what Debezium then sends for it: topic, columns, before-images.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::time::Duration;

use freshet_testbed::{
    Connect, KafkaBroker, MariaDb, MariaDbConnector, PgConnector, Postgres, TopicReader, get,
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

/// A pull with Kafka Connect's settings.
fn pull_connect(url: &str, server: &str, more: &[&str]) -> (String, String, bool) {
    let output = Command::new(env!("CARGO_BIN_EXE_freshet"))
        .args(["source", "pull", "--password-env", "PULL_PASSWORD"])
        .args(["--url", url, "--server", server])
        .args(more)
        .env("PULL_PASSWORD", "shop")
        .output()
        .expect("freshet runs");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (
        text(output.stdout),
        text(output.stderr),
        output.status.success(),
    )
}

/// The settings of running connectors, against what their plugins say their defaults are.
fn settings_are_read(connect: &Connect, postgres: &Postgres, mariadb: &MariaDb) {
    let url = connect.url();
    let maria = mariadb.url().replace("shop:shop@", "shop@");
    let (text, told, done) = pull_connect(&postgres.url(), "pg", &["--connect", &url]);
    assert!(done, "{told}");
    let block = "connector:\n  time_precision: adaptive\n  decimal: precise\n  binary: bytes\n  \
                 unavailable_placeholder: \"__debezium_unavailable_value\"\n  keeps_nulls: false\n  \
                 tombstones: after_delete\n  field_names: as_is\ntables:";
    assert!(text.contains(block), "{text}");
    let named = ["--connect", &url, "--connector", "maria"];
    let (text, told, done) = pull_connect(&maria, "maria", &named);
    assert!(done, "{told}");
    assert!(
        text.contains("  time_precision: connect\n  decimal: string\n  bigint_unsigned: long\n"),
        "{text}"
    );
    assert!(
        text.contains("  keeps_nulls: true\n  tombstones: none\n"),
        "{text}"
    );
    assert!(
        !told.contains("database.password") && !text.contains("password"),
        "{told}{text}"
    );
    let (text, told, done) =
        pull_connect(&maria, "maria", &["--connect", &url, "--connector", "none"]);
    assert!(
        !done && text.is_empty() && told.contains("no connector none"),
        "{told}"
    );
    let (_, told, done) = pull_connect(&maria, "other", &["--connect", &url]);
    assert!(
        !done && told.contains("no connector with topic.prefix other"),
        "{told}"
    );
    let (_, told, done) = pull_connect(&maria, "pg", &["--connect", &url, "--connector", "maria"]);
    assert!(
        !done && told.contains("its topic.prefix is maria"),
        "{told}"
    );
    let (_, told, done) = pull_connect(&maria, "pg", &["--connect", &url]);
    assert!(!done && told.contains("kind of database"), "{told}");
    // The defaults that are taken where a configuration states nothing are those of the plugins, which do not list
    // `field.name.adjustment.mode`, and for a binary log not `binary.handling.mode`.
    for (class, defaults) in [
        (
            "io.debezium.connector.postgresql.PostgresConnector",
            POSTGRES_DEFAULTS,
        ),
        (
            "io.debezium.connector.mariadb.MariaDbConnector",
            BINLOG_DEFAULTS,
        ),
        (
            "io.debezium.connector.mysql.MySqlConnector",
            BINLOG_DEFAULTS,
        ),
    ] {
        let answer = get(&format!("{url}/connector-plugins/{class}/config")).expect("an answer");
        let properties = answer.json().expect("JSON");
        let listed = properties
            .as_array()
            .unwrap_or_else(|| panic!("{class}: {}", answer.body));
        for (name, wanted) in defaults {
            let property = listed.iter().find(|it| it["name"] == *name);
            let default = property.map(|it| it["default_value"].as_str().unwrap_or_default());
            assert_eq!(default, Some(*wanted), "{name} of {class}");
        }
    }
}

const POSTGRES_DEFAULTS: &[(&str, &str)] = &[
    ("time.precision.mode", "adaptive"),
    ("decimal.handling.mode", "precise"),
    ("binary.handling.mode", "bytes"),
    (
        "unavailable.value.placeholder",
        "__debezium_unavailable_value",
    ),
    ("tombstones.on.delete", "true"),
];
const BINLOG_DEFAULTS: &[(&str, &str)] = &[
    ("time.precision.mode", "adaptive_time_microseconds"),
    ("decimal.handling.mode", "precise"),
    ("bigint.unsigned.handling.mode", "long"),
    ("tombstones.on.delete", "true"),
];

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
    let connect = Connect::builder(&kafka)
        .postgres_connector("pg", &postgres, &connector)
        .mariadb_connector(
            "maria",
            &mariadb,
            &MariaDbConnector {
                extra: [
                    ("time.precision.mode", "connect"),
                    ("decimal.handling.mode", "string"),
                    ("tombstones.on.delete", "false"),
                    ("value.converter.replace.null.with.default", "false"),
                ]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .to_vec(),
                ..MariaDbConnector::new("maria", &["shop.Order Items"])
            },
        )
        .start()
        .expect("connectors run");
    settings_are_read(&connect, &postgres, &mariadb);
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
