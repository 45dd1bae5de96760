//! A commit in a real database purges a real Redis and a real Varnish: exactly the right entries go, all
//! others stay. Postgres as JSON, JSON with schema and Avro from the same commits; MariaDB beside it.

mod support;

use std::time::{Duration, Instant};

use freshet_testbed::{
    Connect, Format, MariaDb, MariaDbConnector, PgConnector, Postgres, SchemaRegistry,
};
use support::deployment::{Deployment, PATIENCE};
use support::registry::Form;

const JSON: Form = Form {
    domain: "json",
    server: "shop",
    schema: "public",
    engine: "postgres",
};
const SCHEMA: Form = Form {
    domain: "schema",
    server: "shopschema",
    schema: "public",
    engine: "postgres",
};
const AVRO: Form = Form {
    domain: "avro",
    server: "shopavro",
    schema: "public",
    engine: "postgres",
};
const MARIA: Form = Form {
    domain: "maria",
    server: "shopmaria",
    schema: "shop",
    engine: "mariadb",
};

/// Runs statements in the database of the forms named beside it.
struct Database<'a> {
    forms: &'a [Form],
    sql: Box<dyn Fn(&str) + 'a>,
}

/// One change and what it must purge; `{d}` stands for the form's domain.
struct Step {
    name: &'static str,
    sql: String,
    /// Keys that must go.
    gone: Vec<String>,
    /// Pages that must go, by their tags.
    pages_gone: Vec<&'static str>,
}

/// Everything that is cached before each step; what a step does not name must stay.
const KEYS: &[&str] = &[
    "{d}:v1:item:1",
    "{d}:v1:item:2",
    "{d}:v1:item:3",
    "{d}:v1:item:100",
    "{d}:v1:item:101",
    "{d}:v1:listing:7:region:eu",
    "{d}:v1:listing:7:region:us",
    "{d}:v1:listing:8:region:eu",
    "{d}:v1:listing:8:region:us",
    "{d}:v1:doc:short",
    "{d}:v1:doc:other",
    "{d}:v1:note:1",
    "{d}:v1:note:2",
    "{d}:v1:item_notes:1",
    "{d}:v1:item_notes:2",
    "unrelated:v1:item:1",
];
const PAGES: &[&str] = &[
    "/p/{d}-item-1,{d}-cat-7,{d}.item",
    "/p/{d}-item-2,{d}-cat-8,{d}.item",
    "/p/{d}-cat-7,{d}.item",
    "/p/{d}-cat-8,{d}.item",
    "/p/{d}-note-1,{d}.note",
    "/p/{d}-note-2,{d}.note",
];
const TABLES: &str = "
CREATE TABLE items (id bigint PRIMARY KEY, category_id bigint NOT NULL, tenant int NOT NULL,
  name text NOT NULL, body text);
CREATE TABLE notes (id bigint PRIMARY KEY, item_id bigint NOT NULL, text text NOT NULL);
";

#[test]
fn a_commit_purges_exactly_what_it_made_stale() {
    let registry = SchemaRegistry::start().expect("schema registry");
    let mut deployment =
        Deployment::new(&[JSON, SCHEMA, AVRO, MARIA], Some(&registry.ccompat_url()));
    let postgres = Postgres::start().expect("postgres");
    let mariadb = MariaDb::start().expect("mariadb");
    postgres.sql(TABLES).expect("tables");
    postgres
        .sql("ALTER TABLE items REPLICA IDENTITY FULL; ALTER TABLE items ALTER body SET STORAGE EXTERNAL;")
        .expect("identity");
    mariadb.sql(TABLES).expect("tables");
    let tables = ["public.items", "public.notes"];
    let form = |prefix: &str, format: Format| PgConnector {
        format,
        heartbeat_ms: Some(500),
        transactions: true,
        ..PgConnector::new(prefix, &tables)
    };
    let avro = Format::Avro {
        registry: registry.apicurio_url(),
    };
    let _connect = Connect::builder(&deployment.kafka)
        .postgres_connector("json", &postgres, &form("shop", Format::Json))
        .postgres_connector(
            "schema",
            &postgres,
            &form("shopschema", Format::JsonWithSchema),
        )
        .postgres_connector("avro", &postgres, &form("shopavro", avro))
        .mariadb_connector(
            "maria",
            &mariadb,
            &MariaDbConnector::new("shopmaria", &["shop.items", "shop.notes"]),
        )
        .start()
        .expect("connectors run");
    deployment.start_ready();

    let on_postgres = Database {
        forms: &[JSON, SCHEMA, AVRO],
        sql: Box::new(|text| drop(postgres.sql(text).expect("sql"))),
    };
    let on_mariadb = Database {
        forms: &[MARIA],
        sql: Box::new(|text| drop(mariadb.sql(text).expect("sql"))),
    };
    for (at, step) in steps(false).iter().enumerate() {
        play(&deployment, &on_postgres, step, 1000 + at);
    }
    for (at, step) in steps(true).iter().enumerate() {
        play(&deployment, &on_mariadb, step, 1000 + at);
    }
    killed_in_the_middle(&mut deployment, &on_postgres);
    metrics_tell_what_happened(&deployment);
    let (code, took) = deployment.terminate();
    assert_eq!(code, Some(0), "{}", deployment.log_tail());
    assert!(took < Duration::from_secs(25), "P10: left after {took:?}");
}

/// The steps. MariaDB logs whole rows, so what widens on a Postgres table without them stays exact there.
fn steps(whole_rows: bool) -> Vec<Step> {
    let mut steps = item_steps();
    steps.extend(key_and_note_steps(whole_rows));
    if !whole_rows {
        steps.extend(toast_steps());
    }
    steps
}

fn item_steps() -> Vec<Step> {
    vec![
        Step::new(
            "insert",
            "INSERT INTO items VALUES (1, 7, 1, 'one', 'short')",
        )
        .gone(&[
            "item:1",
            "listing:7:region:eu",
            "listing:7:region:us",
            "doc:short",
        ])
        .pages(&["/p/{d}-item-1,{d}-cat-7,{d}.item", "/p/{d}-cat-7,{d}.item"]),
        Step::new(
            "update of a column that matters",
            "UPDATE items SET name = 'uno' WHERE id = 1",
        )
        .gone(&[
            "item:1",
            "listing:7:region:eu",
            "listing:7:region:us",
            "doc:short",
        ])
        .pages(&["/p/{d}-item-1,{d}-cat-7,{d}.item", "/p/{d}-cat-7,{d}.item"]),
        Step::new(
            "update of a column that does not matter",
            "UPDATE items SET tenant = 2 WHERE id = 1",
        ),
        Step::new(
            "category move",
            "UPDATE items SET category_id = 8 WHERE id = 1",
        )
        .gone(&[
            "item:1",
            "listing:7:region:eu",
            "listing:7:region:us",
            "listing:8:region:eu",
            "listing:8:region:us",
        ])
        .pages(&[
            "/p/{d}-item-1,{d}-cat-7,{d}.item",
            "/p/{d}-cat-7,{d}.item",
            "/p/{d}-cat-8,{d}.item",
            "/p/{d}-item-2,{d}-cat-8,{d}.item",
        ]),
        Step::new(
            "multi-row transaction",
            "BEGIN; INSERT INTO items VALUES (2, 9, 1, 'two', NULL); \
             INSERT INTO items VALUES (3, 9, 1, 'three', NULL); \
             INSERT INTO notes VALUES (2, 2, 'second'); COMMIT",
        )
        .gone(&["item:2", "item:3", "note:2", "item_notes:2"])
        .pages(&["/p/{d}-item-2,{d}-cat-8,{d}.item", "/p/{d}-note-2,{d}.note"]),
    ]
}

fn key_and_note_steps(whole_rows: bool) -> Vec<Step> {
    let mut steps = vec![
        Step::new(
            "key change: insert first",
            "INSERT INTO items VALUES (100, 9, 1, 'old key', NULL)",
        )
        .gone(&["item:100"]),
        Step::new("key change", "UPDATE items SET id = 101 WHERE id = 100")
            .gone(&["item:100", "item:101"]),
        Step::new("delete", "DELETE FROM items WHERE id = 3").gone(&["item:3"]),
        Step::new(
            "insert without whole rows",
            "INSERT INTO notes VALUES (1, 1, 'first')",
        )
        .gone(&["note:1", "item_notes:1"])
        .pages(&["/p/{d}-note-1,{d}.note"]),
    ];
    // Which item a note belonged to is not in the log of a DEFAULT table: the whole family goes.
    let item_notes: &[&str] = if whole_rows {
        &["item_notes:1"]
    } else {
        &["item_notes:1", "item_notes:2"]
    };
    for (name, sql) in [
        (
            "update without whole rows",
            "UPDATE notes SET text = 'prima' WHERE id = 1",
        ),
        (
            "delete without whole rows",
            "DELETE FROM notes WHERE id = 1",
        ),
    ] {
        steps.push(
            Step::new(name, sql)
                .gone(&["note:1"])
                .gone(item_notes)
                .pages(&["/p/{d}-note-1,{d}.note"]),
        );
    }
    steps.push(
        Step::new("truncate", "TRUNCATE TABLE notes")
            .gone(&["note:1", "note:2", "item_notes:1", "item_notes:2"])
            .pages(&["/p/{d}-note-1,{d}.note", "/p/{d}-note-2,{d}.note"]),
    );
    steps
}

fn toast_steps() -> Vec<Step> {
    let long = "x".repeat(9000);
    vec![
        Step::new(
            "a long value is stored aside",
            &format!("UPDATE items SET body = '{long}', name = 'n' WHERE id = 2"),
        )
        .gone(&["item:2"])
        .pages(&["/p/{d}-item-2,{d}-cat-8,{d}.item"]),
        Step::new("TOAST", "UPDATE items SET name = 'due' WHERE id = 2")
            .gone(&["item:2"])
            .pages(&["/p/{d}-item-2,{d}-cat-8,{d}.item"]),
    ]
}

impl Step {
    fn new(name: &'static str, sql: &str) -> Self {
        Self {
            name,
            sql: sql.to_owned(),
            gone: Vec::new(),
            pages_gone: Vec::new(),
        }
    }

    fn gone(mut self, keys: &[&str]) -> Self {
        self.gone
            .extend(keys.iter().map(|key| format!("{{d}}:v1:{key}")));
        self
    }

    fn pages(mut self, pages: &[&'static str]) -> Self {
        self.pages_gone.extend(pages);
        self
    }
}

fn play(deployment: &Deployment, database: &Database<'_>, step: &Step, marker: usize) {
    let in_domains = |texts: &[&str]| -> Vec<String> {
        let forms = database.forms.iter();
        forms
            .flat_map(|form| texts.iter().map(|text| text.replace("{d}", form.domain)))
            .collect()
    };
    let (item, note) = (
        format!("{{d}}:v1:item:{marker}"),
        format!("{{d}}:v1:note:{marker}"),
    );
    let markers = in_domains(&[&item, &note]);
    let (item, note) = (
        format!("/p/{{d}}-item-{marker}"),
        format!("/p/{{d}}-note-{marker}"),
    );
    let marker_pages = in_domains(&[&item, &note]);
    deployment.fill(&in_domains(KEYS));
    deployment.fill(&markers);
    for page in in_domains(PAGES).iter().chain(&marker_pages) {
        deployment.cache_page(page);
    }
    (database.sql)(&step.sql);
    // Markers come after the step in the same topics: when they are gone, whatever the step purges is too.
    (database.sql)(&format!(
        "INSERT INTO items VALUES ({marker}, 999, 1, 'marker', NULL)"
    ));
    (database.sql)(&format!(
        "INSERT INTO notes VALUES ({marker}, 999, 'marker')"
    ));
    deployment.until(step.name, || deployment.present(&markers).is_empty());
    for page in &marker_pages {
        deployment.until(page, || !deployment.page_is_cached(page));
    }

    let gone: Vec<&str> = step.gone.iter().map(String::as_str).collect();
    let expected_gone = in_domains(&gone);
    let still = deployment.present(&expected_gone);
    assert!(
        still.is_empty(),
        "{}: still cached: {still:?}\n{}",
        step.name,
        deployment.log_tail()
    );
    let must_stay: Vec<String> = in_domains(KEYS)
        .into_iter()
        .filter(|key| !expected_gone.contains(key))
        .collect();
    let there = deployment.present(&must_stay);
    let lost: Vec<_> = must_stay
        .iter()
        .filter(|key| !there.contains(key))
        .collect();
    assert!(
        lost.is_empty(),
        "{}: purged without need: {lost:?}",
        step.name
    );
    let pages_gone = in_domains(&step.pages_gone);
    for page in in_domains(PAGES) {
        let cached = deployment.page_is_cached(&page);
        assert_eq!(
            cached,
            !pages_gone.contains(&page),
            "{}: {page} cached: {cached}",
            step.name
        );
    }
}

/// P1: `kill -9` under traffic, twice; after the restart every purge still arrives.
fn killed_in_the_middle(deployment: &mut Deployment, database: &Database<'_>) {
    const ROWS: u64 = 3_000;
    let keys: Vec<String> = database
        .forms
        .iter()
        .flat_map(|form| (0..ROWS).map(|row| format!("{}:v1:item:{}", form.domain, 10_000 + row)))
        .collect();
    deployment.fill(&keys);
    for chunk in 0..3 {
        let (from, to) = (
            10_000 + chunk * ROWS / 3,
            10_000 + (chunk + 1) * ROWS / 3 - 1,
        );
        (database.sql)(&format!(
            "INSERT INTO items SELECT id, 999, 1, 'bulk', NULL FROM generate_series({from}, {to}) AS id"
        ));
        if chunk < 2 {
            let deadline = Instant::now() + PATIENCE;
            let before = deployment.present(&keys).len();
            while deployment.present(&keys[..1]).len() == before && Instant::now() < deadline {}
            deployment.kill();
            deployment.start();
        }
    }
    deployment.until("every purge arrives after two kills", || {
        deployment.present(&keys).is_empty()
    });
}

fn metrics_tell_what_happened(deployment: &Deployment) {
    for wanted in [
        "freshet_purges_total{family=\"json.item\",target=\"main\",outcome=\"purged\"}",
        "freshet_freshness_seconds_bucket",
        "freshet_oldest_unpurged_seconds",
        "freshet_consumer_lag_records",
    ] {
        deployment.until(wanted, || {
            deployment
                .get("/metrics")
                .is_some_and(|(_, text)| text.contains(wanted))
        });
    }
}
