//! `freshet source pull` against real catalogs: what it writes is what is there, the same every time, and
//! `freshet check` takes it.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use freshet_testbed::{Authority, MariaDb, Postgres};

const SECRET: &str = "hunter2-is-no-password";

fn freshet(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_freshet"))
        .args(args)
        .env("PULL_PASSWORD", "shop")
        .env("WRONG_PASSWORD", SECRET)
        .env_remove("FRESHET_SOURCE_URL")
        .output()
        .expect("freshet runs")
}

fn pull(url: &str, more: &[&str]) -> Output {
    let fixed = ["source", "pull", "--url", url, "--server", "shop"];
    freshet(&[&fixed, more].concat())
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What a pull prints when all is well.
fn pulled(url: &str, more: &[&str]) -> String {
    let output = pull(url, more);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// A pull fails with `code`, says each of `parts`, and never the password.
fn refused(output: &Output, code: i32, parts: &[&str]) {
    let told = told(output);
    assert_eq!(output.status.code(), Some(code), "{told}");
    for part in parts {
        assert_eq!(told.matches(part).count(), 1, "`{part}` once in: {told}");
    }
    assert!(
        told.starts_with("error: ") && told.lines().count() == 1,
        "{told}"
    );
    assert!(!told.contains(SECRET), "{told}");
    assert!(output.stdout.is_empty());
}

/// What `diff` says: lines of `old` as `-line` and of `new` as `+line` outside the longest common sequence.
fn difference(old: &str, new: &str) -> Vec<String> {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let mut common = vec![vec![0_usize; new.len() + 1]; old.len() + 1];
    for at in (0..old.len()).rev() {
        for to in (0..new.len()).rev() {
            common[at][to] = if old[at] == new[to] {
                common[at + 1][to + 1] + 1
            } else {
                common[at + 1][to].max(common[at][to + 1])
            };
        }
    }
    let (mut at, mut to, mut found) = (0, 0, Vec::new());
    while at < old.len() || to < new.len() {
        if at < old.len() && to < new.len() && old[at] == new[to] {
            (at, to) = (at + 1, to + 1);
        } else if at < old.len() && (to == new.len() || common[at + 1][to] >= common[at][to + 1]) {
            found.push(format!("-{}", old[at].trim()));
            at += 1;
        } else {
            found.push(format!("+{}", new[to].trim()));
            to += 1;
        }
    }
    found
}

/// Runs `freshet check` on a registry with this source file and a family over `table`.
fn check(dir: &Path, table: &str, bind: &str) -> Output {
    let names: Vec<&str> = bind
        .split(',')
        .filter_map(|it| it.split(':').next())
        .collect();
    let key: Vec<String> = names
        .iter()
        .map(|it| format!("{{{}}}", it.trim()))
        .collect();
    let family = format!(
        "\
family: catalog.row
schema_version: 1
owner: {{ team: testers }}
lifecycle: active
freshness: {{ class: strict, within: 2s, objective: 99.9%, window: 28d }}
max_ttl: 1h
redis: {{ target: main, keys: [\"catalog:v1:row:{}\"] }}
sources:
  - table: \"{table}\"
    bind: {{ {bind} }}
",
        key.join(":")
    );
    fs::create_dir_all(dir.join("families")).expect("families");
    fs::write(dir.join("families/row.yaml"), family).expect("family");
    freshet(&["check", "--strict", &dir.display().to_string()])
}

const POSTGRES: &str = include_str!("source_pull/postgres.sql");
const MARIADB: &str = include_str!("source_pull/mariadb.sql");

#[test]
fn a_postgres_catalog_is_written_as_it_is() {
    let postgres = Postgres::start().expect("postgres");
    postgres.sql(POSTGRES).expect("tables");
    let url = postgres.url();
    let folder = tempfile::tempdir().expect("a folder");
    // Neither this folder is there yet, nor the one above it.
    let file = folder.path().join("sources/shop.yaml");
    let path = file.display().to_string();
    let output = pull(&url, &["--output", &path]);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    assert!(
        told(&output).contains("omitted `total` of shop.depot.orders"),
        "{}",
        told(&output)
    );
    let first = fs::read_to_string(&file).expect("written");
    assert_eq!(first, include_str!("source_pull/postgres.yaml"), "{first}");
    // The same catalog, the same text.
    assert_eq!(pulled(&url, &[]), first);
    assert_eq!(
        told(&pull(&url, &["-o", &path, "--force"]))
            .matches("wrote")
            .count(),
        1
    );
    assert_eq!(fs::read_to_string(&file).expect("written"), first);
    let checked = check(
        folder.path(),
        "shop.depot.orders",
        "o: order_id, l: line, d: placed",
    );
    assert_eq!(checked.status.code(), Some(0), "{}", told(&checked));
    let odd = check(
        folder.path(),
        "shop.Odd Schema.Order.Items",
        "i: \"the id\"",
    );
    assert_eq!(odd.status.code(), Some(0), "{}", told(&odd));
    postgres
        .sql(
            "ALTER TABLE depot.orders ADD COLUMN region text NOT NULL DEFAULT 'eu';
             ALTER TABLE depot.orders ALTER COLUMN note TYPE varchar(40);
             ALTER TABLE depot.full_rows REPLICA IDENTITY DEFAULT;",
        )
        .expect("altered");
    assert_eq!(
        difference(&first, &pulled(&url, &[])),
        [
            "-replica_identity: full",
            "+replica_identity: default",
            "-- { name: note, type: text, nullable: true, default: false }",
            "+- { name: note, type: \"character varying(40)\", nullable: true, default: false }",
            "+- { name: region, type: text, nullable: false }",
        ]
    );
    let one = pulled(&url, &["--table", "depot.full_rows"]);
    assert!(one.contains("replica_identity: default"), "{one}");
    assert_eq!(one.matches("- table:").count(), 1, "{one}");
}

/// The log of a partitioned table holds what its partitions' identities say, not the root's.
#[test]
fn the_weakest_partition_decides() {
    let postgres = Postgres::start().expect("postgres");
    postgres
        .sql(
            "CREATE TABLE events (id bigint, at date, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
             CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
             CREATE TABLE events_2 PARTITION OF events FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
             ALTER TABLE events REPLICA IDENTITY FULL;",
        )
        .expect("tables");
    let warned = told(&pull(&postgres.url(), &[]));
    assert!(
        warned.contains("note: shop.public.events is partitioned"),
        "{warned}"
    );
    assert_eq!(warned.matches("is partitioned").count(), 1, "{warned}");
    let identity = || {
        let text = pulled(&postgres.url(), &[]);
        assert_eq!(
            text.matches("- table: shop.public.events\n").count(),
            1,
            "{text}"
        );
        assert_eq!(text.matches("- table:").count(), 1, "{text}");
        let (_, rest) = text.split_once("replica_identity: ").expect("an identity");
        rest.lines().next().expect("a line").to_owned()
    };
    assert_eq!(identity(), "default");
    postgres
        .sql("ALTER TABLE events_1 REPLICA IDENTITY FULL")
        .expect("altered");
    assert_eq!(identity(), "default");
    postgres
        .sql("ALTER TABLE events_2 REPLICA IDENTITY FULL")
        .expect("altered");
    assert_eq!(identity(), "full");
    postgres
        .sql("ALTER TABLE events_2 REPLICA IDENTITY NOTHING")
        .expect("altered");
    assert_eq!(identity(), "nothing");
}

#[test]
fn a_mariadb_catalog_is_written_as_it_is() {
    let mariadb = MariaDb::start().expect("mariadb");
    mariadb.sql(MARIADB).expect("tables");
    let url = mariadb
        .url()
        .replace("shop:shop@", "shop@")
        .replace("mysql://", "mariadb://");
    let password = ["--password-env", "PULL_PASSWORD"];
    let folder = tempfile::tempdir().expect("a folder");
    let sources = folder.path().join("sources");
    fs::create_dir(&sources).expect("sources");
    let path = sources.join("shop.yaml").display().to_string();
    let output = pull(&url, &[&password[..], &["--output", &path]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    let first = fs::read_to_string(&path).expect("written");
    assert_eq!(first, include_str!("source_pull/mariadb.yaml"), "{first}");
    assert_eq!(pulled(&url, &password), first);
    let checked = check(
        folder.path(),
        "shop.shop.orders",
        "o: order_id, l: line, d: placed",
    );
    assert_eq!(checked.status.code(), Some(0), "{}", told(&checked));
    mariadb
        .sql("ALTER TABLE orders ADD COLUMN region varchar(8) NOT NULL DEFAULT 'eu'")
        .expect("altered");
    assert_eq!(
        difference(&first, &pulled(&url, &password)),
        [
            "+- { name: region, type: \"varchar(8)\", nullable: false, collation: utf8mb4_general_ci }"
        ]
    );
    mariadb
        .sql("SET GLOBAL binlog_row_image = MINIMAL")
        .expect("set");
    let warned = told(&pull(&url, &password));
    assert!(
        warned.contains("note: shop.shop.parts is partitioned"),
        "{warned}"
    );
    assert_eq!(warned.matches("is partitioned").count(), 1, "{warned}");
    let output = pull(&url, &[&password[..], &["--table", "shop.orders"]].concat());
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("replica_identity: default"), "{text}");
    assert!(
        told(&output).contains("note: binlog_row_image is MINIMAL"),
        "{}",
        told(&output)
    );
}

/// Lets only `reader` in, and with its password.
fn lock(postgres: &Postgres) {
    let hba = postgres.sql("SHOW hba_file").expect("a file");
    postgres
        .sql(&format!(
            "CREATE ROLE reader LOGIN PASSWORD 'shop';
             COPY (VALUES ('host all reader 127.0.0.1/32 scram-sha-256'),
                          ('host all all 127.0.0.1/32 trust')) TO '{hba}';
             SELECT pg_reload_conf();"
        ))
        .expect("locked");
}

#[test]
fn postgres_that_cannot_be_asked_is_told_plainly() {
    let mut postgres = Postgres::start().expect("postgres");
    lock(&postgres);
    let url = postgres.url().replace("postgres@", "reader@");
    let wrong = ["--password-env", "WRONG_PASSWORD"];
    let place = format!("postgres://127.0.0.1:{}/shop", postgres.port());
    let denied = pull(&url, &wrong);
    refused(
        &denied,
        1,
        &[&place, "password authentication failed for user \"reader\""],
    );
    refused(&pull(&url, &[]), 1, &[&place, "password missing"]);
    let right = ["--password-env", "PULL_PASSWORD"];
    refused(
        &pull(&url, &right),
        1,
        &[&place, "no table that this user may see"],
    );
    postgres
        .sql("CREATE TABLE t (id int PRIMARY KEY)")
        .expect("table");
    assert!(pulled(&url, &right).contains("shop.public.t"));
    let gone = [&right[..], &["--table", "public.t", "--table", "public.u"]].concat();
    refused(&pull(&url, &gone), 1, &[&place, "no table public.u"]);
    let nowhere = url.replace("/shop", "/nowhere");
    refused(
        &pull(&nowhere, &right),
        1,
        &["database \"nowhere\" does not exist"],
    );
    postgres.stop();
    refused(&pull(&url, &right), 1, &[&place, "onnection refused"]);
}

#[test]
fn mariadb_that_cannot_be_asked_is_told_plainly() {
    let mut mariadb = MariaDb::start().expect("mariadb");
    let url = mariadb.url().replace("shop:shop@", "shop@");
    let place = format!("mysql://127.0.0.1:{}/shop", mariadb.port());
    let denied = pull(&url, &["--password-env", "WRONG_PASSWORD"]);
    refused(&denied, 1, &[&place, "Access denied for user 'shop'"]);
    let right = ["--password-env", "PULL_PASSWORD"];
    refused(
        &pull(&url, &right),
        1,
        &[&place, "no table that this user may see"],
    );
    let nowhere = format!("{}nowhere", url.trim_end_matches("shop"));
    refused(&pull(&nowhere, &right), 1, &["Unknown database 'nowhere'"]);
    mariadb.stop();
    refused(&pull(&url, &right), 1, &[&place, "onnection refused"]);
}

#[test]
fn wrong_flags_are_told_before_anything_is_asked() {
    let away = "postgres://app@127.0.0.1:1/shop";
    refused(
        &pull("oracle://app@db/shop", &[]),
        2,
        &["oracle://", "postgres:// or mysql://"],
    );
    refused(&pull("db:5432", &[]), 2, &["--url is not a URL"]);
    refused(&pull("postgres://app@db:port/shop", &[]), 2, &["--url"]);
    for url in [
        format!("postgres://app:{SECRET}@db/shop"),
        format!("postgres://app@db/shop?password={SECRET}"),
        format!("mysql://app:{SECRET}@db/shop"),
        format!("mysql://app@db/shop?passwd={SECRET}"),
    ] {
        refused(
            &pull(&url, &[]),
            2,
            &["contains a password", "--password-env"],
        );
    }
    refused(
        &pull(away, &["--password-env", "NO_SUCH_ONE"]),
        2,
        &["`NO_SUCH_ONE` is not set"],
    );
    refused(&pull(away, &["--table", "items"]), 2, &["schema.table"]);
    let prefix = freshet(&["source", "pull", "--url", away, "--server", "my shop"]);
    refused(&prefix, 2, &["topic prefix"]);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("shop.yaml");
    fs::write(&path, "mine\n").expect("written");
    let name = path.display().to_string();
    refused(
        &pull(away, &["-o", &name]),
        2,
        &["shop.yaml already exists", "--force"],
    );
    refused(
        &pull(away, &["-o", &name, "--force"]),
        1,
        &["onnection refused"],
    );
    assert_eq!(fs::read_to_string(&path).expect("there"), "mine\n");
}

/// A certificate for `localhost` is that of no address, and no public authority has issued it.
fn pulls_over_tls(url: &str, more: &[&str], authority: &Authority) {
    let named = url.replace("127.0.0.1", "localhost");
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, pem: &str| {
        let path = folder.path().join(name);
        fs::write(&path, pem).expect("written");
        path.display().to_string()
    };
    let right = file("right.pem", &authority.pem());
    let other = Authority::new().expect("another authority");
    let wrong = file("wrong.pem", &other.pem());
    let empty = file("empty.pem", "no certificate");
    let run = |url: &str, ca: Option<&str>| {
        let flags: Vec<&str> = ca.map_or(vec![], |path| vec!["--ca-file", path]);
        pull(url, &[more, &flags].concat())
    };
    let full = format!("{named}?sslmode=verify-full");
    for output in [
        run(&format!("{url}?sslmode=require"), None),
        run(&full, Some(&right)),
        run(&named, Some(&right)),
    ] {
        assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    }
    for (url, ca) in [
        (full.as_str(), None),
        (full.as_str(), Some(wrong.as_str())),
        (&format!("{url}?sslmode=verify-full"), Some(right.as_str())),
    ] {
        let output = run(url, ca);
        assert_eq!(output.status.code(), Some(1), "{url}: {}", told(&output));
        assert!(told(&output).contains("certificate"), "{}", told(&output));
        assert!(output.stdout.is_empty(), "{url}");
    }
    refused(
        &run(&full, Some(&empty)),
        2,
        &["contains no PEM certificate"],
    );
    let odd = format!("{named}?sslmode=prefer");
    refused(&run(&odd, None), 2, &["disable, require, verify-full"]);
    let unused = format!("{named}?sslmode=require");
    refused(
        &run(&unused, Some(&right)),
        2,
        &["only with sslmode=verify-full"],
    );
}

#[test]
fn postgres_is_read_over_tls() {
    let postgres = Postgres::start().expect("postgres");
    postgres
        .sql("CREATE TABLE t (id int PRIMARY KEY)")
        .expect("a table");
    let plain = pull(&format!("{}?sslmode=require", postgres.url()), &[]);
    refused(&plain, 1, &["server does not support TLS"]);
    let authority = Authority::new().expect("an authority");
    postgres.serve_tls(&authority).expect("TLS");
    let hba = postgres.sql("SHOW hba_file").expect("a file");
    postgres
        .sql(&format!(
            "CREATE ROLE guarded LOGIN SUPERUSER;
             COPY (VALUES ('hostssl all guarded 127.0.0.1/32 trust'), ('host all postgres 127.0.0.1/32 trust')) TO '{hba}';
             SELECT pg_reload_conf();"
        ))
        .expect("only with TLS");
    let url = postgres.url().replace("postgres@", "guarded@");
    assert_eq!(pull(&url, &[]).status.code(), Some(1), "without TLS");
    pulls_over_tls(&url, &[], &authority);
}

#[test]
fn mariadb_is_read_over_tls() {
    let authority = Authority::new().expect("an authority");
    let mariadb = MariaDb::start_with_tls(&authority).expect("mariadb");
    mariadb
        .sql(
            "CREATE TABLE t (id int PRIMARY KEY);
             ALTER USER shop@'%' REQUIRE SSL; ALTER USER shop@localhost REQUIRE SSL;",
        )
        .expect("only with TLS");
    let url = mariadb.url().replace("shop:shop@", "shop@");
    let password = ["--password-env", "PULL_PASSWORD"];
    assert_eq!(pull(&url, &password).status.code(), Some(1), "without TLS");
    pulls_over_tls(&url, &password, &authority);
}

#[test]
fn what_a_person_stated_stays_when_the_file_is_written_anew() {
    let mariadb = MariaDb::start().expect("mariadb");
    mariadb
        .sql("CREATE TABLE t (id int PRIMARY KEY, flag tinyint(1))")
        .expect("a table");
    let url = mariadb.url().replace("shop:shop@", "shop@");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("shop.yaml").display().to_string();
    let write = || {
        let flags = ["--password-env", "PULL_PASSWORD", "-o", &path, "--force"];
        let output = pull(&url, &flags);
        assert_eq!(output.status.code(), Some(0), "{}", told(&output));
        fs::read_to_string(&path).expect("written")
    };
    let first = write();
    let stated = first
        .replace(
            "engine: mariadb\n",
            "engine: mariadb\nconnector:\n  decimal: string\n  zero_dates: never\n",
        )
        .replace(
            "nullable: true, default: false }",
            "nullable: true, default: false, text: integer }",
        );
    assert_ne!(stated, first);
    fs::write(&path, &stated).expect("stated");
    assert_eq!(write(), stated);
}
