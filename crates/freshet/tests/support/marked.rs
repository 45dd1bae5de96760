//! A deployment with a marker in every secret, and everything that the real binary writes in it.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use super::small::SOURCE;

/// How long anything may take to come true. Generous: the machine may be busy building.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// In every marker.
pub const MARK: &str = "p12marker";

/// Every field of the config whose type says that credentials may stand in it.
pub const PLANTED: [&str; 22] = [
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
    "CloudflareWritten.token",
    "CloudflareWritten.api",
    "HttpWritten.url",
    "HttpWritten.headers",
    "HttpWritten.body",
    "HttpWritten.ping",
    "SecretHeaderWritten.value",
    "SecretHeaderWritten.name",
];

/// Properties of librdkafka that are secret and that its build here takes.
const SECRET_PROPERTIES: [&str; 5] = [
    "sasl.oauthbearer.config",
    "sasl.password",
    "ssl.key.password",
    "ssl.key.pem",
    "ssl.keystore.password",
];

/// Where everything is; each may be down, refuse, or work.
pub struct Servers {
    pub brokers: String,
    pub schemas: String,
    pub redis: String,
    pub varnish: String,
    pub fastly: String,
}

pub struct World {
    pub folder: tempfile::TempDir,
    admin: String,
}

impl World {
    pub fn new() -> Self {
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

    pub fn write(&self, config: &str) {
        fs::write(self.folder.path().join("freshet.yaml"), config).expect("config");
    }

    /// The config with a marker in every secret, from files and from the environment.
    pub fn planted(&self, servers: &Servers, form: &str) -> String {
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
  flare: {{ cloudflare: {{ zone_id: abc, api: \"{fastly}\", token: {}, secret_header: {{ name: X-Proxy, value: {} }} }}, window: 10ms }}
  own: {{ http: {{ url: \"{varnish}/\", headers: {{ xkey-purge: \"{{names}}\" }}, secret_header: {{ name: X-Purge-Secret, value: {} }} }}, window: 10ms }}
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
            self.secret("CloudflareWritten.token"),
            self.secret("SecretHeaderWritten.value"),
            self.secret("SecretHeaderWritten.value"),
            self.admin,
        )
    }

    /// A secret with a marker of its own: every other one from a file.
    pub fn secret(&self, name: &str) -> String {
        match name.len() % 2 {
            0 => format!("{{ env: {} }}", variable(name)),
            _ => {
                let file = self.folder.path().join(variable(name));
                fs::write(&file, format!("{}\n", marker(name))).expect("secret");
                format!("{{ file: \"{}\" }}", file.display())
            }
        }
    }

    pub fn freshet(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_freshet"));
        command.args(args).current_dir(self.folder.path());
        command.env("FRESHET_LOG", "trace");
        for name in SECRET_PROPERTIES.iter().chain(&PLANTED) {
            command.env(variable(name), marker(name));
        }
        command
    }

    /// Runs a command to its end; exit code and everything that it wrote.
    pub fn ends(&self, args: &[&str]) -> (Option<i32>, String) {
        let output = self.freshet(args).output().expect("freshet runs");
        let written = [output.stdout, output.stderr].concat();
        (
            output.status.code(),
            String::from_utf8_lossy(&written).into_owned(),
        )
    }
}

/// Distinct, with every character class that a password has, and none that YAML, a header or JSON would change.
pub fn marker(name: &str) -> String {
    format!("{MARK}-{}-hunter2", name.replace('.', "-"))
}

pub fn variable(name: &str) -> String {
    format!("P12_{}", name.replace('.', "_").to_uppercase())
}

/// A running `freshet`, and everything that it wrote.
pub struct Running<'a> {
    pub world: &'a World,
    child: Child,
    log: PathBuf,
    answers: String,
}

impl<'a> Running<'a> {
    pub fn start(world: &'a World, name: &str) -> Self {
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

    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub fn get(&mut self, path: &str) -> String {
        let url = format!("http://{}{path}", self.world.admin);
        let answer = freshet_testbed::get(&url);
        let text = answer.map_or(String::new(), |it| format!("{} {:?}", it.status, it));
        self.answers.push_str(&text);
        text
    }

    pub fn until(&mut self, what: &str, mut condition: impl FnMut(&mut Self) -> bool) {
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

    pub fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .arg(format!("-{name}"))
            .arg(self.child.id().to_string())
            .status();
        assert!(status.expect("kill").success());
    }

    /// Every page, a reload that is good, one that is refused, and the end. Everything that was written.
    pub fn work_through(mut self) -> String {
        for path in ["/", "/livez", "/readyz", "/metrics", "/nothing"] {
            assert!(!self.get(path).is_empty(), "{path} is not answered");
        }
        let families = self.world.folder.path().join("registry/families");
        let good = fs::read_to_string(families.join("item.yaml")).expect("family");
        for (text, logged) in [
            (
                good.replace("max_ttl: 1h", "max_ttl: 2h"),
                "registry reloaded",
            ),
            (good.replace("owner:", "ownre:"), "registry rejected"),
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
pub fn assert_clean(what: &str, written: &str) {
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

pub fn down() -> Servers {
    let address = || freshet_testbed::lease_port().expect("a port").address();
    Servers {
        brokers: address(),
        schemas: format!("http://{}", address()),
        redis: format!("redis://{}", address()),
        varnish: format!("http://{}", address()),
        fastly: format!("http://{}", address()),
    }
}

/// A server of every protocol that repeats what it was sent in its refusal, as an unknown `AUTH` does at a real Redis.
pub fn echo() -> String {
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
            let body = serde_json::json!({
                "msg": words,
                "success": false,
                "errors": [{ "code": 10000, "message": words }],
            })
            .to_string();
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

const FAMILY: &str = "\
family: catalog.{name}
schema_version: 1
owner: { team: catalog }
lifecycle: active
freshness: { class: strict, within: 2s, objective: 99.9%, window: 28d }
max_ttl: 1h
redis: { target: {target}, keys: [\"catalog:v1:{name}:{id}\"] }
cdn: { targets: [edge, fast, flare, own], tags: [\"{name}-{id}\"] }
sources:
  - table: shop.public.items
    bind: { id: id }
";
