//! Promise P12 on the real binary: a marker stands in every secret and in every place where somebody might write one,
//! and nothing that the process ever writes holds a marker.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use freshet_testbed::{
    DEFAULT_VCL, KafkaBroker, RedisServer, TopicReader, TopicRecord, TopicWriter, Varnish,
};
use redis::Commands;
use support::origin::Origin;
use support::schemas::Schemas;

/// How long anything may take to come true. Generous: the machine may be busy building.
const PATIENCE: Duration = Duration::from_secs(60);

/// In every marker.
const MARK: &str = "p12marker";

/// Every field of the config whose type says that credentials may stand in it.
const PLANTED: [&str; 16] = [
    "KafkaWritten.brokers",
    "KafkaWritten.properties",
    "KafkaWritten.secret_properties",
    "SchemaRegistryWritten.url",
    "SchemaRegistryWritten.password",
    "SchemaRegistryWritten.bearer",
    "RedisWritten.url",
    "RedisWritten.password",
    "SentinelWritten.nodes",
    "SentinelWritten.password",
    "ClusterWritten.nodes",
    "VarnishWritten.nodes",
    "FastlyWritten.token",
    "FastlyWritten.api",
    "SecretHeaderWritten.value",
    "SecretHeaderWritten.name",
];

/// Every other text of the config. None of them is a secret or holds one: names, paths and addresses to listen on.
const PLAIN: [&str; 26] = [
    "AdminWritten.listen",
    "CanaryWritten.engine",
    "CanaryWritten.table",
    "CanaryWritten.targets",
    "CanaryWritten.topic",
    "ConfigWritten.canaries",
    "ConfigWritten.heartbeats",
    "ConfigWritten.registry",
    "ConfigWritten.targets",
    "ConfigWritten.transactions",
    "FastlyWritten.service_id",
    "KafkaWritten.group",
    "KafkaWritten.start",
    "KafkaWritten.static_member",
    "LogWritten.level",
    "OutboxWritten.backlog_prefix",
    "OutboxWritten.dead_letters",
    "OutboxWritten.positions",
    "OutboxWritten.topic_prefix",
    "RedisWritten.ca_file",
    "RedisWritten.username",
    "SchemaRegistryWritten.username",
    "SentinelWritten.master",
    "SentinelWritten.username",
    "VarnishWritten.host",
    "VarnishWritten.purge_header",
];

/// `Struct.field` and the type of every field of the config, out of its source.
fn fields() -> Vec<(String, String)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config/written.rs");
    let source = fs::read_to_string(path).expect("the written config");
    let mut of = String::new();
    let mut fields = Vec::new();
    for line in source.lines().map(str::trim) {
        let Some(rest) = line.strip_prefix("pub(crate) ") else {
            continue;
        };
        if let Some(name) = rest.strip_prefix("struct ") {
            of = name.trim_end_matches(" {").to_owned();
        } else if let Some((name, kind)) = rest.split_once(": ") {
            fields.push((
                format!("{of}.{name}"),
                kind.trim_end_matches(',').to_owned(),
            ));
        }
    }
    fields
}

#[test]
fn p12_every_text_of_the_config_is_planted_or_known_to_be_plain() {
    let fields = fields();
    assert!(fields.len() > 60, "{} fields", fields.len());
    let secret = |kind: &str| {
        ["SecretWritten", "AddressWritten", "PropertyWritten"]
            .iter()
            .any(|it| kind.contains(it))
    };
    let named = |wanted: &dyn Fn(&str) -> bool| -> BTreeSet<&str> {
        let found = fields.iter().filter(|(_, kind)| wanted(kind));
        found.map(|(name, _)| name.as_str()).collect()
    };
    let planted: BTreeSet<&str> = PLANTED.into_iter().collect();
    let mut wanted = named(&|kind| secret(kind));
    wanted.insert("SecretHeaderWritten.name");
    assert_eq!(planted, wanted, "left: planted, right: the config");
    let texts = named(&|kind| kind.contains("String") && !secret(kind));
    let known: BTreeSet<&str> = PLAIN.into_iter().chain(PLANTED).collect();
    let new: Vec<_> = texts
        .difference(&known)
        .filter(|it| !it.ends_with("soft_header"))
        .collect();
    assert!(
        new.is_empty(),
        "{new:?}: give it a type that cannot be printed and plant a marker, or add it to PLAIN"
    );
    for (name, _) in &fields {
        let at = name.split('.').nth(1).expect("a field");
        let suspicious = ["password", "token", "secret", "url", "bearer", "key"];
        let is_number =
            name.ends_with("keys_per_command") || name.ends_with("scan_keys_per_second");
        let is_section = name.ends_with("secret_header");
        if suspicious.iter().any(|it| at.contains(it)) && !is_number && !is_section {
            assert!(planted.contains(name.as_str()), "{name} is not planted");
        }
    }
}

/// Properties of librdkafka that are secret and that its build here takes.
const SECRET_PROPERTIES: [&str; 5] = [
    "sasl.oauthbearer.config",
    "sasl.password",
    "ssl.key.password",
    "ssl.key.pem",
    "ssl.keystore.password",
];

/// Where everything is; each may be down, refuse, or work.
struct Servers {
    brokers: String,
    schemas: String,
    redis: String,
    varnish: String,
    fastly: String,
}

struct World {
    folder: tempfile::TempDir,
    admin: String,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let registry = folder.path().join("registry");
        fs::create_dir_all(registry.join("sources")).expect("sources");
        fs::create_dir_all(registry.join("families")).expect("families");
        fs::write(registry.join("sources/shop.yaml"), SOURCE).expect("source");
        for (name, target) in [("item", "main"), ("seen", "sent"), ("spread", "many")] {
            let family = FAMILY.replace("{name}", name).replace("{target}", target);
            fs::write(registry.join(format!("families/{name}.yaml")), family).expect("family");
        }
        let admin = freshet_testbed::lease_port().expect("a port").address();
        Self { folder, admin }
    }

    fn write(&self, config: &str) {
        fs::write(self.folder.path().join("freshet.yaml"), config).expect("config");
    }

    /// The config with a marker in every secret, from files and from the environment.
    fn planted(&self, servers: &Servers, form: &str) -> String {
        let secret_properties: Vec<String> = SECRET_PROPERTIES
            .iter()
            .map(|name| format!("{name}: {}", self.secret(name)))
            .collect();
        let Servers {
            brokers,
            schemas,
            redis,
            varnish,
            fastly,
        } = servers;
        format!(
            "\
registry: registry
kafka:
  brokers: \"{brokers}\"
  group: planted
  properties: {{ topic.metadata.refresh.interval.ms: \"1000\", debug: all }}
  secret_properties: {{ {} }}
schema_registry: {{ url: \"{schemas}\", username: freshet, password: {}, bearer: {} }}
targets:
  main: {{ redis: {{ url: \"{redis}\", password: {} }} }}
  sent: {{ redis: {{ sentinel: {{ nodes: [\"{redis}\"], master: main, password: {} }} }} }}
  many: {{ redis: {{ cluster: {{ nodes: [\"{redis}\"] }}, password: {} }} }}
  edge: {{ varnish: {{ nodes: [\"{varnish}\"], secret_header: {{ name: X-Purge-Secret, value: {} }} }}, window: 10ms }}
  fast: {{ fastly: {{ service_id: abc, api: \"{fastly}\", token: {}, secret_header: {{ name: X-Proxy, value: {} }} }}, window: 10ms }}
admin: {{ listen: \"{}\" }}
log: {{ form: {form}, level: trace }}
",
            secret_properties.join(", "),
            self.secret("SchemaRegistryWritten.password"),
            self.secret("SchemaRegistryWritten.bearer"),
            self.secret("RedisWritten.password"),
            self.secret("SentinelWritten.password"),
            self.secret("RedisWritten.password"),
            self.secret("SecretHeaderWritten.value"),
            self.secret("FastlyWritten.token"),
            self.secret("SecretHeaderWritten.value"),
            self.admin,
        )
    }

    /// A secret with a marker of its own: every other one from a file.
    fn secret(&self, name: &str) -> String {
        match name.len() % 2 {
            0 => format!("{{ env: {} }}", variable(name)),
            _ => {
                let file = self.folder.path().join(variable(name));
                fs::write(&file, format!("{}\n", marker(name))).expect("secret");
                format!("{{ file: \"{}\" }}", file.display())
            }
        }
    }

    fn freshet(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_freshet"));
        command.args(args).current_dir(self.folder.path());
        command.env("FRESHET_LOG", "trace");
        for name in SECRET_PROPERTIES.iter().chain(&PLANTED) {
            command.env(variable(name), marker(name));
        }
        command
    }

    /// Runs a command to its end; exit code and everything that it wrote.
    fn ends(&self, args: &[&str]) -> (Option<i32>, String) {
        let output = self.freshet(args).output().expect("freshet runs");
        let written = [output.stdout, output.stderr].concat();
        (
            output.status.code(),
            String::from_utf8_lossy(&written).into_owned(),
        )
    }
}

/// Distinct, with every character class that a password has, and none that YAML, a header or JSON would change.
fn marker(name: &str) -> String {
    format!("{MARK}-{}-hunter2", name.replace('.', "-"))
}

fn variable(name: &str) -> String {
    format!("P12_{}", name.replace('.', "_").to_uppercase())
}

/// A running `freshet`, and everything that it wrote.
struct Running<'a> {
    world: &'a World,
    child: Child,
    log: PathBuf,
    answers: String,
}

impl<'a> Running<'a> {
    fn start(world: &'a World, name: &str) -> Self {
        let log = world.folder.path().join(format!("{name}.log"));
        let file = fs::File::create(&log).expect("log");
        let mut command = world.freshet(&["run"]);
        command.stdout(file.try_clone().expect("log")).stderr(file);
        let child = command.spawn().expect("freshet starts");
        Self {
            world,
            child,
            log,
            answers: String::new(),
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    fn get(&mut self, path: &str) -> String {
        let url = format!("http://{}{path}", self.world.admin);
        let answer = freshet_testbed::get(&url);
        let text = answer.map_or(String::new(), |it| format!("{} {:?}", it.status, it));
        self.answers.push_str(&text);
        text
    }

    fn until(&mut self, what: &str, mut condition: impl FnMut(&mut Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !condition(self) {
            if Instant::now() > deadline {
                let log = self.log();
                let tail = log.len().saturating_sub(6_000);
                panic!(
                    "not within {PATIENCE:?}: {what}\n{}\n{}",
                    self.get("/readyz"),
                    &log[tail..]
                );
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .arg(format!("-{name}"))
            .arg(self.child.id().to_string())
            .status();
        assert!(status.expect("kill").success());
    }

    /// Every page, a reload that is good, one that is refused, and the end. Everything that was written.
    fn work_through(mut self) -> String {
        for path in ["/", "/livez", "/readyz", "/metrics", "/nothing"] {
            assert!(!self.get(path).is_empty(), "{path} is not answered");
        }
        let families = self.world.folder.path().join("registry/families");
        let good = fs::read_to_string(families.join("item.yaml")).expect("family");
        for (text, logged) in [
            (
                good.replace("max_ttl: 1h", "max_ttl: 2h"),
                "registry in force",
            ),
            (good.replace("owner:", "ownre:"), "registry refused"),
        ] {
            fs::write(families.join("item.yaml"), text).expect("family");
            self.signal("HUP");
            self.until(logged, |it| it.log().contains(logged));
        }
        fs::write(families.join("item.yaml"), good).expect("family");
        self.get("/readyz");
        self.get("/metrics");
        self.signal("TERM");
        let deadline = Instant::now() + PATIENCE;
        while self.child.try_wait().expect("waits").is_none() {
            assert!(Instant::now() < deadline, "not ended");
            std::thread::sleep(Duration::from_millis(20));
        }
        self.log() + &self.answers
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// No marker is in what was written.
fn assert_clean(what: &str, written: &str) {
    if let Some(at) = written.find(MARK) {
        let from = written[..at]
            .char_indices()
            .rev()
            .nth(300)
            .map_or(0, |(at, _)| at);
        let to = written[at..]
            .char_indices()
            .nth(200)
            .map_or(written.len(), |(it, _)| at + it);
        panic!("{what} shows a secret: …{}…", &written[from..to]);
    }
}

fn down() -> Servers {
    let address = || freshet_testbed::lease_port().expect("a port").address();
    Servers {
        brokers: address(),
        schemas: format!("http://{}", address()),
        redis: format!("redis://{}", address()),
        varnish: format!("http://{}", address()),
        fastly: format!("http://{}", address()),
    }
}

#[test]
fn p12_no_secret_is_shown_while_every_server_is_down() {
    let world = World::new();
    for form in ["text", "json"] {
        world.write(&world.planted(&down(), form));
        let (code, written) = world.ends(&["run", "--dry-run"]);
        assert_eq!(code, Some(0), "{written}");
        assert_clean("a dry run", &written);
        let mut running = Running::start(&world, form);
        for target in ["main", "sent", "many", "edge", "fast"] {
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

/// A server of every protocol that repeats what it was sent in its refusal, as an unknown `AUTH` does at a real Redis.
fn echo() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound").to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || repeat(stream));
        }
    });
    address
}

fn repeat(mut stream: TcpStream) {
    let mut bytes = [0; 4096];
    let mut sent = String::new();
    while let Ok(count @ 1..) = stream.read(&mut bytes) {
        sent.push_str(&String::from_utf8_lossy(&bytes[..count]));
        let words: Vec<&str> = sent
            .lines()
            .filter(|it| !it.starts_with(['*', '$']))
            .collect();
        let words = words.join(" ");
        let refusal = if sent.starts_with('*') {
            format!("-ERR unknown command, with args beginning with: {words}\r\n").repeat(8)
        } else if sent.contains("HTTP/1.1") {
            let body = serde_json::json!({ "msg": words }).to_string();
            let length = body.len();
            format!(
                "HTTP/1.1 403 {words}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            )
        } else {
            return;
        };
        if stream.write_all(refusal.as_bytes()).is_err() {
            return;
        }
        sent.clear();
    }
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
    for part in ["main", "sent", "many", "edge", "fast"] {
        let part = format!("target {part}");
        running.until(&part, |it| it.get("/readyz").contains(&part));
    }
    let written = running.work_through();
    for refusal in ["refused the purge with 403", "fastly answered 403"] {
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

/// Part of a config, with `{wrong}` where the mistake stands.
enum Part {
    Kafka(&'static str),
    Section(&'static str),
    Target(&'static str),
}

impl Part {
    fn config(&self, wrong: &str) -> String {
        let (kafka, section, target) = match self {
            Self::Kafka(kafka) => (*kafka, "", ""),
            Self::Section(section) => ("brokers: \"127.0.0.1:1\"", *section, ""),
            Self::Target(target) => ("brokers: \"127.0.0.1:1\"", "", *target),
        };
        let config = format!(
            "registry: registry\nkafka: {{ {kafka} }}\ntargets:\n  main: {{ redis: {{ url: \"redis://x:1\" }} }}\n{target}\n{section}\n"
        );
        config.replace("{wrong}", wrong)
    }
}

const PROPERTIES: Part = Part::Kafka("brokers: \"x:1\", properties: { {wrong} }");

/// Where a secret belongs.
const SECRETS: [(&str, Part); 7] = [
    (
        "KafkaWritten.secret_properties",
        Part::Kafka("brokers: \"x:1\", secret_properties: { sasl.password: {wrong} }"),
    ),
    (
        "SchemaRegistryWritten.password",
        Part::Section("schema_registry: { url: \"http://x:1\", password: {wrong} }"),
    ),
    (
        "SchemaRegistryWritten.bearer",
        Part::Section("schema_registry: { url: \"http://x:1\", bearer: {wrong} }"),
    ),
    (
        "RedisWritten.password",
        Part::Target("  x: { redis: { url: \"redis://x:1\", password: {wrong} } }"),
    ),
    (
        "SentinelWritten.password",
        Part::Target(
            "  x: { redis: { sentinel: { nodes: [\"redis://x:1\"], master: m, password: {wrong} } } }",
        ),
    ),
    (
        "FastlyWritten.token",
        Part::Target("  x: { fastly: { service_id: x, token: {wrong} } }"),
    ),
    (
        "SecretHeaderWritten.value",
        Part::Target(
            "  x: { varnish: { nodes: [\"http://x:1\"], secret_header: { name: X-A, value: {wrong} } } }",
        ),
    ),
];

/// Forms of a secret that are none. The first is what everybody tries.
const NO_SECRETS: [&str; 12] = [
    "{mark}",
    "[{mark}]",
    "{ {mark} }",
    "{ env: {mark} }",
    "{ file: {mark} }",
    "{ env: {mark}, file: {mark} }",
    "{ env: [{mark}] }",
    "*{mark}",
    "&{mark}",
    "",
    "!{mark} x",
    "\"{mark}",
];

/// Where an address belongs.
const ADDRESSES: [(&str, &str, Part); 7] = [
    (
        "KafkaWritten.brokers",
        "plaintext",
        Part::Kafka("brokers: \"{wrong}\""),
    ),
    (
        "SchemaRegistryWritten.url",
        "http",
        Part::Section("schema_registry: { url: \"{wrong}\" }"),
    ),
    (
        "VarnishWritten.nodes",
        "http",
        Part::Target("  x: { varnish: { nodes: [\"{wrong}\"] } }"),
    ),
    (
        "FastlyWritten.api",
        "https",
        Part::Target("  x: { fastly: { service_id: x, token: { env: PATH }, api: \"{wrong}\" } }"),
    ),
    (
        "RedisWritten.url",
        "redis",
        Part::Target("  x: { redis: { url: \"{wrong}\" } }"),
    ),
    (
        "SentinelWritten.nodes",
        "redis",
        Part::Target("  x: { redis: { sentinel: { nodes: [\"{wrong}\"], master: m } } }"),
    ),
    (
        "ClusterWritten.nodes",
        "redis",
        Part::Target("  x: { redis: { cluster: { nodes: [\"{wrong}\"] } } }"),
    ),
];

/// Forms of an address with credentials in it.
const NO_ADDRESSES: [&str; 2] = ["{scheme}://u:{mark}@127.0.0.1:1", "{scheme}://{mark}@x"];
/// Forms that only a URL is refused for.
const NO_URLS: [&str; 4] = [
    "{scheme}://x/?token={mark}",
    "ftp://{mark}",
    "{scheme}:/{mark}",
    "{mark} x",
];

/// Properties in the wrong place, with a wrong value, or in the line of another fault.
const NO_PROPERTIES: [&str; 14] = [
    "sasl.oauthbearer.config: {mark}",
    "sasl.password: {mark}",
    "ssl.key.password: {mark}",
    "ssl.key.pem: {mark}",
    "ssl.keystore.password: {mark}",
    "group.id: {mark}",
    "acks: {mark}",
    "no.such.property: {mark}",
    "session.timeout.ms: {mark}",
    "security.protocol: {mark}",
    "bootstrap.servers: {mark}",
    "enable.auto.commit: {mark}",
    "sasl.oauthbearer.token.endpoint.url: \"https://u:{mark}@x\"",
    "client.rack: {mark}, securty.protocol: ssl",
];

/// Configs in which somebody wrote the secret itself, one mistake each, by the field.
fn mistakes() -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    for wrong in NO_PROPERTIES {
        found.push(("KafkaWritten.properties", PROPERTIES.config(wrong)));
    }
    for (field, part) in &SECRETS {
        found.extend(NO_SECRETS.map(|wrong| (*field, part.config(wrong))));
    }
    for (field, scheme, part) in &ADDRESSES {
        let is_url = *field != "KafkaWritten.brokers";
        for form in NO_ADDRESSES.iter().chain(NO_URLS.iter().filter(|_| is_url)) {
            found.push((*field, part.config(&form.replace("{scheme}", scheme))));
        }
    }
    let header = Part::Target(
        "  x: { varnish: { nodes: [\"http://x:1\"], secret_header: { name: {wrong}, value: { env: PATH } } } }",
    );
    found.push(("SecretHeaderWritten.name", header.config("\"X-A: {mark}\"")));
    for (_, config) in &mut found {
        *config = config.replace("{mark}", MARK);
    }
    found
}

#[test]
fn p12_a_secret_in_the_wrong_place_is_refused_with_its_place_and_not_repeated() {
    let world = World::new();
    let mistakes = mistakes();
    let planted: BTreeSet<&str> = mistakes.iter().map(|(field, _)| *field).collect();
    assert_eq!(
        planted,
        PLANTED.into_iter().collect(),
        "left: mistakes, right: all"
    );
    for (field, config) in &mistakes {
        world.write(config);
        for args in [
            &["run"][..],
            &["run", "--dry-run"],
            &["run", "--log-form", "json"],
            &["dlq", "list"],
        ] {
            let (code, written) = world.ends(args);
            assert_eq!(code, Some(2), "{field}: {args:?}\n{config}\n{written}");
            assert!(
                written.contains("freshet.yaml:"),
                "{field} has no place: {written}"
            );
            assert_clean(&format!("{args:?} with a wrong {field}"), &written);
        }
    }
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

const SOURCE: &str = "\
database: shop
engine: postgres
tables:
  - table: shop.public.items
    replica_identity: full
    primary_key: [id]
    columns: [{ name: id, type: bigint, nullable: false }]
";
const FAMILY: &str = "\
family: catalog.{name}
schema_version: 1
owner: { team: catalog }
lifecycle: active
freshness: { class: strict, within: 2s, objective: 99.9%, window: 28d }
max_ttl: 1h
redis: { target: {target}, keys: [\"catalog:v1:{name}:{id}\"] }
cdn: { targets: [edge, fast], tags: [\"{name}-{id}\"] }
sources:
  - table: shop.public.items
    bind: { id: id }
";
