//! Promise P12 on the real binary: a marker stands in every secret, and nothing that the process ever writes holds a
//! marker.

mod support;

use std::fs;
use std::time::Instant;

use freshet_testbed::{
    DEFAULT_VCL, KafkaBroker, RedisServer, TopicReader, TopicRecord, TopicWriter, Varnish,
};
use redis::Commands;
use support::marked::{
    MARK, PATIENCE, Running, Servers, World, assert_clean, down, echo, marker, variable,
};
use support::origin::Origin;
use support::schemas::Schemas;

#[test]
fn p12_no_secret_is_shown_while_every_server_is_down() {
    let world = World::new();
    for form in ["text", "json"] {
        world.write(&world.planted(&down(), form));
        let (code, written) = world.ends(&["run", "--dry-run"]);
        assert_eq!(code, Some(0), "{written}");
        assert_clean("a dry run", &written);
        let mut running = Running::start(&world, form);
        for target in ["main", "sent", "many", "edge", "fast", "flare", "own"] {
            let part = format!("target {target}");
            running.until(&part, |it| it.get("/readyz").contains(&part));
        }
        let written = running.work_through();
        assert!(written.contains("TRACE"), "trace is not logged");
        assert_clean("a run", &written);
        if form == "json" {
            let log = fs::read_to_string(world.folder.path().join("json.log")).expect("log");
            for line in log.lines() {
                let parsed = serde_json::from_str::<serde_json::Value>(line);
                assert!(parsed.is_ok(), "not JSON: {line}");
            }
        }
    }
    let (_, written) = world.ends(&["dlq", "list", "--timeout", "1s"]);
    assert!(!written.is_empty());
    assert_clean("dlq", &written);
    let (_, written) = world.ends(&["check", "registry"]);
    assert_clean("check", &written);
}

#[test]
fn p12_no_secret_is_shown_while_every_server_refuses_and_repeats_it() {
    let world = World::new();
    let address = echo();
    let servers = Servers {
        brokers: address.clone(),
        schemas: format!("http://{address}"),
        redis: format!("redis://{address}"),
        varnish: format!("http://{address}"),
        fastly: format!("http://{address}"),
    };
    world.write(&world.planted(&servers, "text"));
    let mut running = Running::start(&world, "refused");
    for part in ["main", "sent", "many", "edge", "fast", "flare", "own"] {
        let part = format!("target {part}");
        running.until(&part, |it| it.get("/readyz").contains(&part));
    }
    let written = running.work_through();
    for refusal in [
        "refused the purge with 403",
        "fastly answered 403",
        "cloudflare answered 403",
    ] {
        assert!(written.contains(refusal), "{refusal} is not reported");
    }
    assert_clean("a run", &written);
}

/// A Varnish whose VCL asks for the secret.
fn guarded_varnish(origin: &Origin) -> Varnish {
    let guard = format!(
        "if (req.method == \"PURGE\") {{ if (req.http.X-Purge-Secret != \"{}\") {{ return (synth(403, \"Wrong\")); }}",
        marker("SecretHeaderWritten.value")
    );
    let vcl = DEFAULT_VCL.replacen("if (req.method == \"PURGE\") {", &guard, 1);
    Varnish::start_with(&origin.address, &vcl).expect("varnish")
}

/// One record that is poison, and one that purges.
fn write_records(kafka: &KafkaBroker) {
    let writer = TopicWriter::new(&kafka.bootstrap()).expect("writer");
    let change = r#"{"before":null,"after":{"id":7},"op":"c","source":{"ts_ms":1}}"#;
    for value in ["no json", change] {
        let record = TopicRecord {
            topic: "shop.public.items".to_owned(),
            key: Some(b"{\"id\":7}".to_vec()),
            value: Some(value.as_bytes().to_vec()),
            ..TopicRecord::default()
        };
        writer.write(&record).expect("written");
    }
    writer.flush().expect("stored");
}

/// Reads everything that is in Kafka; there is a dead letter among it.
fn assert_topics_clean(kafka: &KafkaBroker) {
    let mut reader = TopicReader::new(&kafka.bootstrap()).expect("reader");
    let deadline = Instant::now() + PATIENCE;
    let mut letters = 0;
    while letters == 0 {
        assert!(Instant::now() < deadline, "no dead letter was read");
        for record in reader.read_new().expect("read") {
            let text = |bytes: &Option<Vec<u8>>| {
                String::from_utf8_lossy(bytes.as_deref().unwrap_or_default()).into_owned()
            };
            assert_clean(&record.topic, &(text(&record.key) + &text(&record.value)));
            letters += usize::from(record.topic == "freshet.dead-letters");
        }
    }
}

#[test]
fn p12_no_secret_is_shown_while_every_server_works() {
    let world = World::new();
    let kafka = KafkaBroker::start().expect("kafka");
    kafka.create_topic("shop.public.items", 1).expect("topic");
    let password = marker("RedisWritten.password");
    let server = RedisServer::start_with(&["--requirepass", &password]).expect("redis");
    let origin = Origin::start();
    let varnish = guarded_varnish(&origin);
    let servers = Servers {
        brokers: kafka.bootstrap(),
        schemas: Schemas::start().url,
        redis: server.url(),
        varnish: varnish.url(),
        ..down()
    };
    world.write(&world.planted(&servers, "json"));
    let mut running = Running::start(&world, "works");
    running.until("edge and main are ready", |it| {
        let ready = it.get("/readyz");
        let waits = ready.contains("target main") || ready.contains("target edge");
        ready.starts_with("503") && !waits
    });
    let url = server.url().replace("://", &format!("://:{password}@"));
    let client = redis::Client::open(url).expect("url");
    let mut client = client.get_connection().expect("redis answers");
    let key = "catalog:v1:item:7";
    let () = client.set_ex(key, "cached", 3600).expect("set");
    write_records(&kafka);
    running.until("the key is purged", |_| {
        !client.exists::<_, bool>(key).expect("exists")
    });
    running.until("the letter is listed", |it| {
        let (_, written) = it.world.ends(&["dlq", "list"]);
        assert_clean("dlq list", &written);
        written.contains("bad_json")
    });
    for args in [
        &["list", "--all", "-o", "json"][..],
        &["discard", "--all", "--reason", "bad_json"],
    ] {
        let (_, written) = world.ends(&[&["dlq"], args].concat());
        assert_clean(&format!("dlq {args:?}"), &written);
    }
    assert_clean("a run", &running.work_through());
    assert_topics_clean(&kafka);
}

#[test]
fn p12_source_pull_shows_neither_the_password_nor_the_url_that_holds_one() {
    let world = World::new();
    let address = echo();
    let gone = freshet_testbed::lease_port().expect("a port").address();
    for (url, code) in [
        (format!("postgres://app@{gone}/shop"), 1),
        (format!("mysql://app@{gone}/shop"), 1),
        (format!("postgres://app@{address}/shop"), 1),
        (format!("mysql://app@{address}/shop"), 1),
        (format!("postgres://app:{MARK}@{gone}/shop"), 2),
        (format!("mysql://app:{MARK}@{gone}/shop"), 2),
        (format!("postgres://app@{gone}/shop?password={MARK}"), 2),
        (format!("{MARK}@{gone}/shop"), 2),
    ] {
        let variable = variable("FastlyWritten.token");
        let args = [
            "source",
            "pull",
            "--server",
            "shop",
            "--password-env",
            &variable,
            "--url",
            &url,
        ];
        let (ended, written) = world.ends(&args);
        assert_eq!(ended, Some(code), "{url}: {written}");
        assert_clean(&format!("source pull {}", url.replace(MARK, "…")), &written);
    }
}
