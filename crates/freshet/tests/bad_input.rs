//! Bad input gets an answer: what, where, why and what to do, and the documented exit code.

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use support::small::{CONFIG, FAMILY, SOURCE, deployment, freshet, reported};

#[test]
fn a_good_config_is_described_and_runs_nothing() {
    let config = format!("{CONFIG}transactions: {{ shop: {{}} }}\n");
    let folder = deployment(&config, FAMILY);
    let output = freshet(&["run", "--dry-run"], folder.path());
    assert_eq!(output.status.code(), Some(0), "{}", reported(&output));
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(shown.contains("consumes shop.public.items"), "{shown}");
    assert!(shown.contains("purges main (redis"), "{shown}");
    assert!(shown.contains("counts the transactions of shop"), "{shown}");
}

#[test]
fn every_fault_of_a_config_is_told_at_once_with_its_place() {
    let config = "\
registry: nowhere
kafka: { brokers: \"127.0.0.1:1\", start: yesterday }
targets:
  main: { redis: { url: \"http://127.0.0.1:1\" } }
  other: {}
admin: { listen: \"localhost\" }
stop_within: 5 minutes
transactions: { shop: { within: 10ms } }
";
    let output = freshet(&["run"], deployment(config, FAMILY).path());
    assert_eq!(output.status.code(), Some(2));
    let told = reported(&output);
    for place in [":1:11", ":2:", ":4:", ":5:", ":6:", ":7:", ":8:"] {
        assert!(
            told.contains(&format!("freshet.yaml{place}")),
            "no {place} in\n{told}"
        );
    }
    assert!(told.contains("7 errors"), "{told}");
    assert!(told.matches("help:").count() >= 7, "{told}");
}

#[test]
fn brokers_are_addresses_and_secrets_are_not_empty() {
    let with = |brokers: &str| {
        let config = CONFIG.replace(
            "127.0.0.1:1\" }\ntargets",
            &format!("{brokers}\" }}\ntargets"),
        );
        freshet(&["run", "--dry-run"], deployment(&config, FAMILY).path())
    };
    for good in [
        "kafka",
        "a:1, b:65535",
        "SASL_SSL://a:9",
        "[::1]:9092",
        "[::1]",
    ] {
        let output = with(good);
        assert_eq!(
            output.status.code(),
            Some(0),
            "{good}: {}",
            reported(&output)
        );
    }
    let bad = [
        ",, ",
        "a:1,",
        "a:99999",
        "a:0",
        "a:",
        ":9092",
        "http://a:9092",
        "a:9092/x",
        "::1",
        "a:1 b:2",
        "[::1]9092",
    ];
    for bad in bad {
        let output = with(bad);
        assert_eq!(output.status.code(), Some(2), "{bad}");
        let told = reported(&output);
        assert!(told.contains("freshet.yaml:2:"), "{bad}: {told}");
        assert!(told.contains("is not a list of host:port"), "{bad}: {told}");
    }
    let empty = CONFIG.replace(
        "127.0.0.1:1\" } }",
        "127.0.0.1:1\", password: { file: empty } } }",
    );
    let folder = deployment(&empty, FAMILY);
    fs::write(folder.path().join("empty"), "\n").expect("a file");
    let output = freshet(&["run", "--dry-run"], folder.path());
    assert_eq!(output.status.code(), Some(2));
    let told = reported(&output);
    assert!(told.contains("the secret is empty"), "{told}");
}

#[test]
fn a_beacon_is_served_without_a_file_or_told_where_it_is_wrong() {
    let with = |beacons: &str| {
        let config = format!(
            "{CONFIG}  spare: {{ redis: {{ url: \"redis://127.0.0.1:2\" }} }}\nbeacons:\n{beacons}"
        );
        freshet(&["run", "--dry-run"], deployment(&config, FAMILY).path())
    };
    let output = with("  shop: { table: shop.public.beats, within: 30s }\n");
    assert_eq!(output.status.code(), Some(0), "{}", reported(&output));
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    for wanted in ["consumes shop.public.beats", "purges main", "purges spare"] {
        assert!(shown.contains(wanted), "{shown}");
    }
    // The registry knows nothing of that database.
    let output = with("  billing: { table: billing.public.beats }\n");
    assert_eq!(output.status.code(), Some(2));
    let unknown = reported(&output);
    for wanted in ["freshet.yaml:7:21", "`billing`", "`engine:`"] {
        assert!(unknown.contains(wanted), "no {wanted} in\n{unknown}");
    }
    let faulty = "  shop: { table: public.beats, within: soon, targets: [main, main, nowhere] }\n  other: { table: other.public.beats, engine: oracle, within: 0s }\n";
    let output = with(faulty);
    assert_eq!(output.status.code(), Some(2));
    let faults = reported(&output);
    for wanted in [
        "freshet.yaml:7:18",
        "is not a duration",
        "is listed twice",
        "`nowhere` is not a target",
        "unknown value `oracle`",
        "is too short",
        "6 errors",
    ] {
        assert!(faults.contains(wanted), "no {wanted} in\n{faults}");
    }
}

/// The faults of a config with this Redis as its target, and the exit code.
fn told_of_redis(redis: &str) -> (Option<i32>, String) {
    let config = CONFIG.replace("{ url: \"redis://127.0.0.1:1\" }", redis);
    let output = freshet(&["run", "--dry-run"], deployment(&config, FAMILY).path());
    (output.status.code(), reported(&output))
}

#[test]
fn a_redis_is_one_server_or_what_sentinels_name_or_a_cluster() {
    for good in [
        r#"{ sentinel: { nodes: ["redis://a:1", "redis://b:1"], master: main, database: 2 } }"#,
        r#"{ cluster: { nodes: ["rediss://a:1", "rediss://b:1/"] } }"#,
    ] {
        let (code, told) = told_of_redis(good);
        assert_eq!(code, Some(0), "{told}");
    }
    let one = "exactly one of url, sentinel, cluster";
    for (redis, column, fault) in [
        ("{ username: x }", 18, one),
        (r#"{ url: "redis://a:1", cluster: { nodes: [] } }"#, 49, one),
        (
            r#"{ url: "redis://a:1", sentinel: { nodes: [], master: m } }"#,
            50,
            one,
        ),
        ("{ cluster: { nodes: [] } }", 29, "has no node"),
        (
            "{ sentinel: { nodes: [], master: m } }",
            30,
            "has no sentinel",
        ),
        (
            r#"{ sentinel: { nodes: ["redis://a"], master: "" } }"#,
            62,
            "has no name of a primary",
        ),
        (
            r#"{ cluster: { nodes: ["redis://a/3"] } }"#,
            39,
            "contains a database",
        ),
        (
            r#"{ cluster: { nodes: ["redis://a", "rediss://b"] } }"#,
            52,
            "a different scheme",
        ),
        (
            r#"{ cluster: { nodes: ["redis://u:p@a"] } }"#,
            39,
            "contains credentials",
        ),
        (
            r#"{ cluster: { nodes: ["http://a"] } }"#,
            39,
            "is not a valid URL",
        ),
    ] {
        let (code, told) = told_of_redis(redis);
        assert_eq!(code, Some(2), "{redis}: {told}");
        let place = format!("freshet.yaml:4:{column}");
        assert!(
            told.contains(&place) && told.contains(fault),
            "{redis}:\n{told}"
        );
        assert!(told.contains("1 error"), "{redis}:\n{told}");
    }
}

#[test]
fn an_unknown_field_and_a_missing_file_are_refused() {
    let config = format!("{CONFIG}retries: 7\n");
    let output = freshet(&["run"], deployment(&config, FAMILY).path());
    assert_eq!(output.status.code(), Some(2));
    assert!(
        reported(&output).contains("freshet.yaml:5:"),
        "{}",
        reported(&output)
    );
    let output = freshet(
        &["run", "--config", "gone.yaml"],
        deployment(CONFIG, FAMILY).path(),
    );
    assert_eq!(output.status.code(), Some(2));
    assert!(
        reported(&output).contains("gone.yaml"),
        "{}",
        reported(&output)
    );
}

#[test]
fn a_field_of_an_earlier_release_is_refused_with_its_name_of_today() {
    let told = |config: &str| {
        let output = freshet(&["run", "--dry-run"], deployment(config, FAMILY).path());
        assert_eq!(output.status.code(), Some(2));
        reported(&output)
    };
    let beats = "  shop: { table: shop.public.beats }\n";
    let former = told(&format!("{CONFIG}canaries:\n{beats}"));
    for wanted in [
        "freshet.yaml:5:1",
        "unknown field `canaries`",
        "`canaries` is called `beacons` now, see docs/upgrading.md",
    ] {
        assert!(former.contains(wanted), "no {wanted} in\n{former}");
    }
    // It never was one of these fields.
    let elsewhere = told(&format!("{CONFIG}outbox: {{ canaries: 1 }}\n"));
    assert!(elsewhere.contains("one of: topic_prefix"), "{elsewhere}");
    assert!(!elsewhere.contains("beacons"), "{elsewhere}");
}

#[test]
fn a_registry_that_names_an_unconfigured_target_is_refused() {
    let family = FAMILY.replace("target: main", "target: elsewhere");
    let output = freshet(&["run"], deployment(CONFIG, &family).path());
    assert_eq!(output.status.code(), Some(2));
    assert!(
        reported(&output).contains("`elsewhere`"),
        "{}",
        reported(&output)
    );
}

#[test]
fn a_registry_that_binds_no_table_is_refused_and_not_only_by_kafka() {
    let folder = deployment(CONFIG, FAMILY);
    fs::remove_file(folder.path().join("registry/families/item.yaml")).expect("removed");
    for args in [&["run"][..], &["run", "--dry-run"]] {
        let output = freshet(args, folder.path());
        assert_eq!(output.status.code(), Some(2), "{}", reported(&output));
        let shown = reported(&output);
        assert!(
            shown.contains("binds no table") && shown.contains("help: "),
            "{shown}"
        );
    }
}

#[test]
fn check_tells_faults_with_their_line_and_exits_with_two() {
    let folder = deployment(
        CONFIG,
        &FAMILY.replace("catalog:v1:item", "catalog:v9:item"),
    );
    let output = freshet(&["check", "registry"], folder.path());
    assert_eq!(output.status.code(), Some(2));
    let told = reported(&output);
    assert!(
        told.contains("FR0014") && told.contains("item.yaml:7:"),
        "{told}"
    );
    let output = freshet(&["check", "registry"], deployment(CONFIG, FAMILY).path());
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn check_prints_what_the_files_mean() {
    let folder = deployment(CONFIG, FAMILY);
    let output = freshet(&["check", "--print", "registry"], folder.path());
    assert_eq!(output.status.code(), Some(0), "{}", reported(&output));
    let printed = String::from_utf8(output.stdout).expect("text");
    let documents: Vec<&str> = printed.split("---\n").skip(1).collect();
    let [source, family] = documents[..] else {
        panic!("not a source and a family:\n{printed}");
    };
    assert!(source.starts_with("# registry/sources/"), "{source}");
    assert!(family.starts_with("# registry/families/"), "{family}");
    // It is a registry: nobody wrote these lines, and what is printed of it is the same.
    assert!(family.contains("\non_snapshot: ignore\n"), "{family}");
    for text in documents {
        let path = text.lines().next().and_then(|line| line.strip_prefix("# "));
        let path = folder.path().join(path.expect("a path"));
        assert!(path.is_file(), "{}", path.display());
        std::fs::write(path, text).expect("a file");
    }
    let again = freshet(&["check", "--print", "registry"], folder.path());
    assert_eq!(String::from_utf8(again.stdout).expect("text"), printed);
}

#[test]
fn p12_a_secret_is_neither_taken_inline_nor_shown() {
    let config = CONFIG.replace("redis://127.0.0.1:1", "redis://user:hunter2@127.0.0.1:1");
    let output = freshet(&["run"], deployment(&config, FAMILY).path());
    assert_eq!(output.status.code(), Some(2));
    assert!(
        reported(&output).contains("contains credentials"),
        "{}",
        reported(&output)
    );
    let config = CONFIG.replace(
        "url: \"redis://127.0.0.1:1\"",
        "url: \"redis://127.0.0.1:1\", password: { env: NO_SUCH_VARIABLE }",
    );
    let output = freshet(&["run"], deployment(&config, FAMILY).path());
    assert_eq!(output.status.code(), Some(2));
    assert!(
        reported(&output).contains("`NO_SUCH_VARIABLE`"),
        "{}",
        reported(&output)
    );
}

#[test]
fn wrong_flags_exit_with_two() {
    let folder = tempfile::tempdir().expect("a folder");
    assert_eq!(
        freshet(&["run", "--nope"], folder.path()).status.code(),
        Some(2)
    );
    assert_eq!(
        freshet(&["--version"], folder.path()).status.code(),
        Some(0)
    );
    let completions = freshet(&["completions", "bash"], folder.path());
    assert!(!completions.stdout.is_empty());
}

/// A pipe would hold the process until somebody writes, a device would fill its memory. Each run ends within 30 s.
#[test]
fn p9_a_config_secret_or_certificate_that_is_a_pipe_or_a_device_is_refused() {
    let ends = |folder: &Path| {
        let (tell, answer) = std::sync::mpsc::channel();
        let folder = folder.to_owned();
        std::thread::spawn(move || tell.send(freshet(&["run", "--dry-run"], &folder)));
        let answer = answer.recv_timeout(std::time::Duration::from_secs(30));
        let output = answer.expect("an answer in time");
        assert_eq!(output.status.code(), Some(2));
        reported(&output)
    };
    let with_secret = CONFIG.replace(
        "redis://127.0.0.1:1\" }",
        "redis://127.0.0.1:1\", password: { file: odd } }",
    );
    let with_authorities = with_secret.replace("password: { file: odd }", "ca_file: odd");
    for (name, config) in [
        ("freshet.yaml", CONFIG),
        ("odd", &with_secret),
        ("odd", &with_authorities),
    ] {
        let folder = deployment(config, FAMILY);
        let odd = folder.path().join(name);
        let _ = fs::remove_file(&odd);
        let made = Command::new("mkfifo").arg(&odd).status().expect("mkfifo");
        assert!(made.success());
        let faults = ends(folder.path());
        assert!(faults.contains("it is a pipe"), "{faults}");
        fs::remove_file(&odd).expect("removed");
        std::os::unix::fs::symlink("/dev/zero", &odd).expect("a link");
        let faults = ends(folder.path());
        assert!(faults.contains("it is a device"), "{faults}");
    }
}

/// Whoever answers with a certificate could not be trusted: that is said with its place, before anything is connected to.
#[test]
fn a_ca_file_that_cannot_be_one_is_refused() {
    let config = CONFIG.replace(
        "redis://127.0.0.1:1\" }",
        "rediss://127.0.0.1:1\", ca_file: ca.pem }",
    );
    let folder = deployment(&config, FAMILY);
    let large = "x".repeat((1 << 20) + 1);
    for (text, wanted) in [
        (None, "No such file"),
        (Some("no certificate"), "contains no PEM certificate"),
        (Some(large.as_str()), "larger than 1048576 bytes"),
    ] {
        if let Some(text) = text {
            fs::write(folder.path().join("ca.pem"), text).expect("written");
        }
        let output = freshet(&["run", "--dry-run"], folder.path());
        assert_eq!(output.status.code(), Some(2));
        let faults = reported(&output);
        assert!(faults.contains(wanted), "no {wanted:?} in\n{faults}");
        assert!(faults.contains("freshet.yaml:4:"), "{faults}");
        assert!(faults.contains("help: "), "{faults}");
    }
}

/// Few bytes can stand for much: a config is read within the limits that its page states.
#[test]
fn p14_a_config_that_stands_for_much_is_refused() {
    let mut laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for at in 1..12 {
        let before = vec![format!("*a{}", at - 1); 10].join(", ");
        laughs.push_str(&format!("a{at}: &a{at} [{before}]\n"));
    }
    let silent = |count: usize, value: &str| {
        let rest = (1..count).map(|at| format!(", d{at}: {value}"));
        let rest: String = rest.collect();
        format!("{CONFIG}heartbeats: {{ d0: &limit 30s{rest} }}\n")
    };
    let deep = format!("{CONFIG}log: {}{}\n", "[".repeat(40), "]".repeat(40));
    // What no field takes, or not so deep, ends the reading before it is much.
    for (name, config) in [
        ("laughs", laughs),
        ("aliases", silent(2_000, "*limit")),
        ("values", silent(12_000, "30s")),
        ("depth", deep),
    ] {
        let begun = Instant::now();
        let output = freshet(&["run", "--dry-run"], deployment(&config, FAMILY).path());
        let took = begun.elapsed();
        assert_eq!(output.status.code(), Some(2), "{name}");
        let faults = reported(&output);
        assert!(faults.contains("error[FC0002]"), "{name}: {faults}");
        assert!(
            ["laughs", "depth"].contains(&name) || faults.contains("the config is too large"),
            "{name}: {faults}"
        );
        assert!(took < Duration::from_secs(10), "{name}: {took:?}");
    }
    for config in [silent(500, "*limit"), silent(9_000, "30s")] {
        let output = freshet(&["run", "--dry-run"], deployment(&config, FAMILY).path());
        assert_eq!(output.status.code(), Some(0), "{}", reported(&output));
    }
}

/// A source file whose table is read from this topic.
fn read_from(topic: &str) -> String {
    SOURCE.replace(
        "    replica_identity",
        &format!("    topic: {topic:?}\n    replica_identity"),
    )
}

/// Dead letters of the topic of dead letters would make further ones, for ever.
#[test]
fn p14_no_table_is_read_from_a_topic_that_freshet_writes() {
    let renamed = format!(
        "{CONFIG}outbox: {{ dead_letters: our.letters, positions: our.places, topic_prefix: our.purges., backlog_prefix: our.backlog. }}\n"
    );
    let bare = format!("{CONFIG}outbox: {{ topic_prefix: \"\", backlog_prefix: b- }}\n");
    for (config, topic, reason) in [
        (CONFIG, "freshet.dead-letters", "outbox.dead_letters"),
        (CONFIG, "freshet.positions", "outbox.positions"),
        (CONFIG, "freshet.purges.main", "outbox.topic_prefix"),
        (CONFIG, "freshet.purges.another", "outbox.topic_prefix"),
        (CONFIG, "freshet.backlog.main", "outbox.backlog_prefix"),
        (CONFIG, "__consumer_offsets", "internal to Kafka"),
        (CONFIG, "^.*", "name of a topic"),
        (CONFIG, "^shop.public.items", "name of a topic"),
        (CONFIG, "shop public items", "name of a topic"),
        (CONFIG, "..", "name of a topic"),
        (CONFIG, &"a".repeat(250), "name of a topic"),
        (&renamed, "our.letters", "outbox.dead_letters"),
        (&renamed, "our.places", "outbox.positions"),
        (&renamed, "our.purges.main", "outbox.topic_prefix"),
        (&renamed, "our.backlog.main", "outbox.backlog_prefix"),
        (&bare, "main", "outbox.topic_prefix"),
        (&bare, "b-main", "outbox.backlog_prefix"),
    ] {
        let folder = deployment(config, FAMILY);
        fs::write(
            folder.path().join("registry/sources/shop.yaml"),
            read_from(topic),
        )
        .expect("source");
        for args in [&["run", "--dry-run"][..], &["run"]] {
            let output = freshet(args, folder.path());
            assert_eq!(
                output.status.code(),
                Some(2),
                "{topic}: {}",
                reported(&output)
            );
            assert!(
                reported(&output).contains(reason),
                "{topic}: {}",
                reported(&output)
            );
        }
        if config == CONFIG {
            let output = freshet(&["check", "registry"], folder.path());
            assert_eq!(
                output.status.code(),
                Some(2),
                "{topic}: {}",
                reported(&output)
            );
        }
    }
}

#[test]
fn topics_of_our_own_are_legal_and_differ() {
    for (outbox, reason) in [
        ("dead_letters: freshet.positions", "both make topic"),
        ("backlog_prefix: freshet.purges.", "both make topic"),
        ("dead_letters: \"dead letters\"", "characters"),
        ("topic_prefix: \"^\"", "pattern"),
    ] {
        let config = format!("{CONFIG}outbox: {{ {outbox} }}\n");
        let output = freshet(&["run", "--dry-run"], deployment(&config, FAMILY).path());
        assert_eq!(
            output.status.code(),
            Some(2),
            "{outbox}: {}",
            reported(&output)
        );
        assert!(
            reported(&output).contains(reason),
            "{outbox}: {}",
            reported(&output)
        );
    }
    let config = format!("{CONFIG}transactions: {{ \"^.*\": {{}} }}\n");
    let output = freshet(&["run", "--dry-run"], deployment(&config, FAMILY).path());
    assert_eq!(output.status.code(), Some(2), "{}", reported(&output));
}

/// The brokers are away, and the registry is read again all the same.
#[test]
fn p9_a_registry_that_reads_our_own_topics_never_takes_over() {
    let config = format!("{CONFIG}admin: {{ listen: \"127.0.0.1:0\" }}\n");
    let folder = deployment(&config, FAMILY);
    let log_at = folder.path().join("log");
    let log = fs::File::create(&log_at).expect("a log");
    let mut running = Command::new(env!("CARGO_BIN_EXE_freshet"))
        .arg("run")
        .current_dir(folder.path())
        .env_remove("FRESHET_LOG")
        .stdout(log.try_clone().expect("a log"))
        .stderr(log)
        .spawn()
        .expect("freshet runs");
    let until = |wanted: &str| {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let log = fs::read_to_string(&log_at).expect("a log");
            if log.contains(wanted) {
                return;
            }
            assert!(Instant::now() < deadline, "never {wanted}: {log}");
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    until("freshet started");
    let source = folder.path().join("registry/sources/shop.yaml");
    fs::write(&source, read_from("freshet.dead-letters")).expect("source");
    let hang_up = || {
        let sent = Command::new("kill")
            .args(["-HUP", &running.id().to_string()])
            .status();
        assert!(sent.expect("kill runs").success());
    };
    hang_up();
    until("registry rejected");
    until("outbox.dead_letters");
    fs::write(&source, read_from("shop.items")).expect("source");
    hang_up();
    until("registry reloaded");
    running.kill().expect("it still runs");
    running.wait().expect("it ends");
}

#[test]
fn the_schemas_of_registry_files_are_in_the_program() {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["family", "source"] {
        let output = freshet(&["schema", name], folder.path());
        assert_eq!(output.status.code(), Some(0), "{}", reported(&output));
        let schema: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(schema["type"], "object");
    }
}

#[test]
fn an_empty_registry_is_refused_by_check_and_run_alike() {
    let draft = FAMILY.replace("active", "draft");
    let folder = deployment(CONFIG, &draft);
    for command in [["check", "registry"], ["run", "--dry-run"]] {
        let output = freshet(&command, folder.path());
        assert_eq!(output.status.code(), Some(2), "{command:?}");
        let faults = reported(&output);
        assert!(faults.contains("error[FR0008]"), "{faults}");
        assert!(faults.contains("lifecycle: active"), "{faults}");
    }
}
