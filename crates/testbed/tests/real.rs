//! The servers are really there: each is started, used as the others will use it, and gone after.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use freshet_testbed::{
    Connect, DEFAULT_VCL, Format, KafkaBroker, MariaDb, MariaDbConnector, PgConnector, Postgres,
    Prometheus, PrometheusOptions, RedisServer, SchemaRegistry, TopicReader, TopicRecord,
    TopicWriter, Varnish, get, request, require_programs, wait_until,
};

const DEADLINE: Duration = Duration::from_secs(60);

/// Set for the copy of this test binary that starts servers and then dies.
const DYING_PARENT: &str = "FRESHET_TESTBED_DYING_PARENT";

fn timed<T>(name: &str, start: impl FnOnce() -> Result<T>) -> Result<T> {
    let began = Instant::now();
    let started = start()?;
    eprintln!("{name} up in {} ms", began.elapsed().as_millis());
    Ok(started)
}

/// One line to Redis and one line back.
fn redis_says(server: &RedisServer, line: &str) -> Result<String> {
    let mut stream = TcpStream::connect(server.address())?;
    stream.set_read_timeout(Some(Duration::from_millis(500)))?;
    stream.write_all(format!("{line}\r\n").as_bytes())?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer)?;
    Ok(answer.trim_end().to_owned())
}

#[test]
fn redis_stops_restarts_and_freezes() -> Result<()> {
    require_programs()?;
    let mut redis = timed("redis", RedisServer::start)?;
    ensure!(redis_says(&redis, "SET a 1")? == "+OK", "set");
    redis.pause()?;
    ensure!(
        redis_says(&redis, "PING").is_err(),
        "a frozen server answers nothing"
    );
    redis.resume()?;
    ensure!(
        redis_says(&redis, "EXISTS a")? == ":1",
        "it goes on where it was"
    );
    let address = redis.address();
    redis.stop();
    ensure!(
        TcpStream::connect(&address).is_err(),
        "a stopped server is not there"
    );
    redis.restart()?;
    ensure!(redis.address() == address, "the same port");
    ensure!(redis_says(&redis, "EXISTS a")? == ":0", "and empty");
    Ok(())
}

/// Answers every request with the next number, and the surrogate keys `item-1 category-2`.
fn counting_origin() -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?.to_string();
    thread::spawn(move || {
        for (number, stream) in (1..).zip(listener.incoming()) {
            let Ok(mut stream) = stream else { return };
            let _read = stream.read(&mut [0; 4096]);
            let body = format!("{number}");
            let _gone = write!(
                stream,
                "HTTP/1.1 200 OK\r\nCache-Control: max-age=600\r\nxkey: item-1 category-2\r\n\
                 Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
        }
    });
    Ok(address)
}

/// The number in the page and whether the cache had it.
fn page(varnish: &Varnish) -> Result<(u32, bool)> {
    let answer = get(&format!("{}/page", varnish.url()))?;
    Ok((
        answer.body.parse()?,
        answer.header("x-cache") == Some("HIT"),
    ))
}

fn purge(varnish: &Varnish, headers: &[(&str, &str)]) -> Result<(u16, Option<String>)> {
    let answer = request("PURGE", &varnish.url(), headers, "")?;
    Ok((answer.status, answer.header("x-purged").map(str::to_owned)))
}

#[test]
fn varnish_purges_by_surrogate_key() -> Result<()> {
    require_programs()?;
    let varnish = timed("varnish", || Varnish::start(&counting_origin()?))?;
    let (first, _) = page(&varnish)?;
    ensure!(
        page(&varnish)? == (first, true),
        "the second request is a hit"
    );

    let none = purge(&varnish, &[("xkey-purge", "item-9")])?;
    ensure!(none == (200, Some("0".to_owned())), "{none:?}");
    ensure!(page(&varnish)? == (first, true), "another key leaves it");

    let one = purge(&varnish, &[("xkey-purge", "item-9 category-2")])?;
    ensure!(one == (200, Some("1".to_owned())), "{one:?}");
    let (second, hit) = page(&varnish)?;
    ensure!(
        second > first && !hit,
        "a hard purge makes the next request fresh"
    );

    let soft = purge(&varnish, &[("xkey-softpurge", "item-1")])?;
    ensure!(soft == (200, Some("1".to_owned())), "{soft:?}");
    let (stale, _) = page(&varnish)?;
    ensure!(stale == second, "a soft purge gives one stale answer");
    wait_until("a fresh page", DEADLINE, || Ok(page(&varnish)?.0 > second))?;

    ensure!(purge(&varnish, &[])?.0 == 400, "a purge without a key");
    let forged = purge(&varnish, &[("X-Purged", "7")])?;
    ensure!(
        forged == (400, None),
        "a count from the client is not repeated: {forged:?}"
    );
    Ok(())
}

#[test]
fn varnish_refuses_purges_from_elsewhere() -> Result<()> {
    require_programs()?;
    let elsewhere = DEFAULT_VCL.replace("\"127.0.0.1\"", "\"192.0.2.1\"");
    let varnish = Varnish::start_with(&counting_origin()?, &elsewhere)?;
    ensure!(
        purge(&varnish, &[("xkey-purge", "item-1")])?.0 == 405,
        "not in the list"
    );
    Ok(())
}

#[test]
fn a_server_that_cannot_start_shows_its_log() -> Result<()> {
    require_programs()?;
    let Err(error) = Varnish::start_with("127.0.0.1:1", "vcl 4.1; nonsense") else {
        anyhow::bail!("it started");
    };
    let shown = format!("{error:#}");
    ensure!(
        shown.contains("nonsense") && shown.contains("end of its log"),
        "{shown}"
    );
    Ok(())
}

/// Reads a topic with another client than ours.
fn kcat(kafka: &KafkaBroker, topic: &str) -> Result<String> {
    let output = Command::new("kcat")
        .args(["-C", "-q", "-e", "-b", &kafka.bootstrap(), "-t", topic])
        .stdin(Stdio::null())
        .output()?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8(output.stdout)?)
}

#[test]
fn postgres_changes_reach_kafka_as_json() -> Result<()> {
    require_programs()?;
    let mut kafka = timed("kafka", KafkaBroker::start)?;
    let postgres = timed("postgres", Postgres::start)?;
    postgres.sql("create table items (id bigint primary key, name text)")?;
    let connector = PgConnector::new("shop", &["public.items"]);
    let mut connect = timed("connect", || {
        Connect::builder(&kafka)
            .postgres_connector("shop", &postgres, &connector)
            .start()
    })?;
    postgres.sql("insert into items values (1, 'Kettle')")?;
    wait_until("the row on the topic", DEADLINE, || {
        Ok(kcat(&kafka, "shop.public.items").is_ok_and(|text| text.contains("Kettle")))
    })?;

    let mut reader = TopicReader::new(&kafka.bootstrap())?;
    let is_items = |topic: &str| topic == "shop.public.items";
    let records = reader.read_until(DEADLINE, |records| {
        records.iter().any(|record| is_items(&record.topic))
    })?;
    let record = records
        .iter()
        .find(|record| is_items(&record.topic))
        .context("no record")?;
    ensure!(record.key_text() == r#"{"id":1}"#, "{record:?}");
    let change: serde_json::Value = serde_json::from_str(&record.value_text())?;
    ensure!(
        change["op"] == "c" && change["after"]["name"] == "Kettle",
        "{change}"
    );

    // Both ends go away and come back, and nothing is lost or told twice to the database.
    kafka.stop();
    kafka.restart()?;
    connect.stop();
    postgres.sql("update items set name = 'Pot' where id = 1")?;
    timed("connect again", || connect.restart())?;
    let text = |records: &[freshet_testbed::TopicRecord]| {
        records
            .iter()
            .any(|record| record.value_text().contains("Pot"))
    };
    reader.read_until(DEADLINE, text)?;
    Ok(())
}

#[test]
fn topics_are_created_and_deleted() -> Result<()> {
    require_programs()?;
    let kafka = KafkaBroker::start()?;
    kafka.create_topic("orders", 4)?;
    ensure!(
        kafka.create_topic("orders", 4).is_err(),
        "it is already there"
    );
    kafka.delete_topic("orders")?;
    kafka.create_topic_with("orders", 1, &[("cleanup.policy", "compact")])?;
    kafka.pause()?;
    kafka.resume()?;
    kafka.delete_topic("orders")
}

#[test]
fn a_reader_passes_over_records_that_were_deleted() -> Result<()> {
    require_programs()?;
    let kafka = KafkaBroker::start()?;
    kafka.create_topic("short", 1)?;
    let writer = TopicWriter::new(&kafka.bootstrap())?;
    let write = |count: usize| -> Result<()> {
        for _ in 0..count {
            writer.write(&TopicRecord {
                topic: "short".into(),
                value: Some(b"one".to_vec()),
                ..TopicRecord::default()
            })?;
        }
        writer.flush()
    };
    let offsets = |records: Vec<TopicRecord>| -> Vec<i64> {
        records.iter().map(|record| record.offset).collect()
    };
    let mut reader = TopicReader::new(&kafka.bootstrap())?;
    write(1)?;
    ensure!(offsets(reader.read_new()?) == [0]);
    write(4)?;
    kafka.delete_records("short", 0, 3)?;
    ensure!(
        offsets(reader.read_new()?) == [3, 4],
        "from the first that is left"
    );
    Ok(())
}

#[test]
fn avro_and_mariadb_reach_kafka() -> Result<()> {
    require_programs()?;
    let kafka = KafkaBroker::start()?;
    let registry = timed("schema registry", SchemaRegistry::start)?;
    let postgres = Postgres::start()?;
    let mariadb = timed("mariadb", MariaDb::start)?;
    postgres.sql("create table items (id bigint primary key, name text)")?;
    mariadb.sql("create table items (id bigint primary key, name text)")?;
    let mut avro = PgConnector::new("avro", &["public.items"]);
    avro.format = Format::Avro {
        registry: registry.apicurio_url(),
    };
    let mut rows = MariaDbConnector::new("maria", &["shop.items"]);
    rows.heartbeat_ms = Some(500);
    let _connect = timed("connect with two connectors", || {
        Connect::builder(&kafka)
            .postgres_connector("avro", &postgres, &avro)
            .mariadb_connector("maria", &mariadb, &rows)
            .start()
    })?;
    postgres.sql("insert into items values (1, 'Kettle')")?;
    mariadb.sql("insert into items values (1, 'Mug')")?;

    let mut reader = TopicReader::new(&kafka.bootstrap())?;
    let records = reader.read_until(DEADLINE, |records| {
        [
            "avro.public.items",
            "maria.shop.items",
            "__debezium-heartbeat.maria",
        ]
        .iter()
        .all(|topic| records.iter().any(|record| record.topic == *topic))
    })?;
    let of = |topic: &str| {
        records
            .iter()
            .find(|record| record.topic == topic)
            .context("no record of this topic")
    };
    let value = of("avro.public.items")?
        .value
        .as_deref()
        .unwrap_or_default();
    let [0, a, b, c, d, ..] = value else {
        anyhow::bail!("not framed: {value:?}")
    };
    let id = u32::from_be_bytes([*a, *b, *c, *d]);
    let schema = get(&format!("{}/schemas/ids/{id}", registry.ccompat_url()))?;
    ensure!(schema.body.contains("avro.public.items"), "{}", schema.body);
    ensure!(
        of("maria.shop.items")?.value_text().contains("Mug"),
        "the MariaDB row"
    );
    Ok(())
}

#[test]
fn prometheus_scrapes_a_target() -> Result<()> {
    require_programs()?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let target = listener.local_addr()?.to_string();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let _read = stream.read(&mut [0; 4096]);
            let _gone = stream.write_all(
                b"HTTP/1.0 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\n\r\nanswer 42\n",
            );
        }
    });
    let options = PrometheusOptions {
        targets: vec![("freshet".to_owned(), target)],
        ..PrometheusOptions::default()
    };
    let prometheus = timed("prometheus", || Prometheus::start(&options))?;
    wait_until("a scrape", DEADLINE, || {
        Ok(prometheus.query(r#"answer{job="freshet"}"#)?[0]["value"][1] == "42")
    })
}

/// Not a test of its own: run by the next one in a process that dies without cleaning up.
#[test]
#[ignore = "the dying parent of servers_die_with_their_parent"]
fn dying_parent() -> Result<()> {
    if std::env::var_os(DYING_PARENT).is_none() {
        return Ok(());
    }
    // From a thread that ends at once: the servers must outlive it, but not the process.
    let started = thread::spawn(|| -> Result<_> {
        let redis = RedisServer::start()?;
        let postgres = Postgres::start()?;
        let mariadb = MariaDb::start()?;
        let varnish = Varnish::start("127.0.0.1:1")?;
        Ok((redis, postgres, mariadb, varnish))
    });
    let Ok(servers) = started.join() else {
        anyhow::bail!("a server did not start")
    };
    let (redis, postgres, mariadb, varnish) = servers?;
    postgres.sql("select 1")?;
    mariadb.sql("select 1")?;
    let varnish_address = varnish.url().replace("http://", "");
    println!(
        "ports {} 127.0.0.1:{} 127.0.0.1:{} {varnish_address}",
        redis.address(),
        postgres.port(),
        mariadb.port()
    );
    std::process::abort();
}

#[test]
fn servers_die_with_their_parent() -> Result<()> {
    require_programs()?;
    // Such a parent leaves its folders behind as well; here they go with this one.
    let folder = tempfile::tempdir()?;
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711))?;
    let output = Command::new(std::env::current_exe()?)
        .args(["--exact", "dying_parent", "--ignored", "--nocapture"])
        .env(DYING_PARENT, "1")
        .env("TMPDIR", folder.path())
        .stdin(Stdio::null())
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let ports = text
        .lines()
        .find_map(|line| line.split_once("ports "))
        .context("no ports")?
        .1;
    let addresses: Vec<&str> = ports.split_whitespace().collect();
    ensure!(addresses.len() == 4, "{text}");
    for address in addresses {
        wait_until(
            &format!("{address} to be gone"),
            Duration::from_secs(10),
            || Ok(TcpStream::connect(address).is_err()),
        )?;
    }
    Ok(())
}
