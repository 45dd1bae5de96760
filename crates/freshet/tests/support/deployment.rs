//! Kafka, Redis, Varnish and a real `freshet` process.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use freshet_testbed::{Freshet, KafkaBroker, RedisServer, Varnish};
use redis::Commands;
use rustix::process::Signal;

use super::origin::Origin;
use super::registry::{self, Form};

/// How long anything may take to come true. Generous: the machine may be busy building.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The topics of the tables of a form.
fn topics_of(form: &Form) -> Vec<String> {
    let Form { server, schema, .. } = form;
    let topic = |table: &str| format!("{server}.{schema}.{table}");
    ["items", "notes"].map(topic).to_vec()
}

pub struct Deployment {
    pub kafka: KafkaBroker,
    pub redis: RedisServer,
    pub varnish: Varnish,
    pub origin: Origin,
    topics: Vec<String>,
    freshet: Freshet,
    folder: tempfile::TempDir,
}

impl Deployment {
    /// Starts the servers and writes registry and config; `freshet` itself is started by [`start`](Self::start).
    pub fn new(forms: &[Form], schema_registry: Option<&str>) -> Self {
        let kafka = KafkaBroker::start().expect("kafka");
        let redis = RedisServer::start().expect("redis");
        let origin = Origin::start();
        let varnish = Varnish::start(&origin.address).expect("varnish");
        let folder = tempfile::tempdir().expect("a folder");
        registry::write(&folder.path().join("registry"), forms);
        let schemas = schema_registry.map_or_else(String::new, |url| {
            format!("schema_registry: {{ url: \"{url}\" }}\n")
        });
        let config = format!(
            "\
registry: registry
kafka: {{ brokers: \"{}\", group: e2e }}
{schemas}targets:
  main: {{ redis: {{ url: \"{}\" }} }}
  edge: {{ varnish: {{ nodes: [\"{}\"] }}, window: 20ms, max_wait: 200ms }}
audit: {{ samples_per_second: 100 }}
outbox: {{ partitions: 2 }}
",
            kafka.bootstrap(),
            redis.url(),
            varnish.url()
        );
        let program = Path::new(env!("CARGO_BIN_EXE_freshet"));
        let freshet = Freshet::new(program, folder.path(), &config).expect("config");
        Self {
            kafka,
            redis,
            varnish,
            origin,
            topics: forms.iter().flat_map(topics_of).collect(),
            freshet,
            folder,
        }
    }

    /// Adds lines to the config; before the start.
    pub fn configure(&self, lines: &str) {
        let path = self.freshet.config();
        let config = fs::read_to_string(path).expect("config");
        fs::write(path, config + lines).expect("config");
    }

    /// Gives the target `main` a cluster in place of the one Redis; before the start.
    pub fn on_cluster(&self, nodes: &[String]) {
        let path = self.freshet.config();
        let config = fs::read_to_string(path).expect("config");
        let alone = format!("url: \"{}\"", self.redis.url());
        let cluster = format!("cluster: {{ nodes: {nodes:?} }}");
        fs::write(path, config.replace(&alone, &cluster)).expect("config");
    }

    /// Changes the config; before the start.
    pub fn replace(&self, from: &str, to: &str) {
        let path = self.freshet.config();
        let config = fs::read_to_string(path).expect("config");
        assert!(config.contains(from), "{config}");
        fs::write(path, config.replacen(from, to, 1)).expect("config");
    }

    /// Starts `freshet`; it need not be ready when this returns.
    pub fn start(&mut self) {
        self.freshet.start().expect("freshet starts");
    }

    /// Starts `freshet` and waits until it says that it is ready. That needs the topics of all tables, of which a test
    /// may have made some, or Debezium.
    pub fn start_ready(&mut self) {
        for topic in &self.topics {
            // An error says that it is there.
            let _ = self.kafka.create_topic(topic, 1);
        }
        self.start();
        self.until("freshet is ready", || {
            self.get("/readyz").is_some_and(|(code, _)| code == 200)
        });
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.freshet.kill();
    }

    /// SIGTERM; returns the exit code and how long it took.
    pub fn terminate(&mut self) -> (Option<i32>, Duration) {
        let left = self.freshet.terminate(PATIENCE).expect("running");
        (left.code, left.took)
    }

    /// SIGHUP.
    pub fn reload(&self) {
        self.freshet.signal(Signal::HUP).expect("running");
    }

    pub fn registry_folder(&self) -> PathBuf {
        self.folder.path().join("registry")
    }

    /// The value of the first series that begins with `series`.
    pub fn metric(&self, series: &str) -> Option<f64> {
        let (_, text) = self.get("/metrics")?;
        let line = text.lines().find(|line| line.starts_with(series))?;
        line.rsplit(' ').next()?.parse().ok()
    }

    pub fn is_running(&mut self) -> bool {
        self.freshet.is_running()
    }

    /// One GET to the admin endpoints: status code and body.
    pub fn get(&self, path: &str) -> Option<(u16, String)> {
        let answer = self.freshet.get(path)?;
        Some((answer.status, answer.body))
    }

    pub fn connection(&self) -> redis::Connection {
        let client = redis::Client::open(self.redis.url()).expect("url");
        client.get_connection().expect("redis answers")
    }

    pub fn fill(&self, keys: &[String]) {
        let mut redis = self.connection();
        for key in keys {
            let () = redis.set_ex(key, "cached", 3600).expect("set");
        }
    }

    /// Which of `keys` are there.
    pub fn present(&self, keys: &[String]) -> Vec<String> {
        let mut redis = self.connection();
        keys.iter()
            .filter(|key| redis.exists::<_, bool>(*key).expect("exists"))
            .cloned()
            .collect()
    }

    /// Puts a page with these tags into Varnish and proves that it is served from there.
    pub fn cache_page(&self, path: &str) {
        let url = format!("{}{path}", self.varnish.url());
        freshet_testbed::get(&url).expect("varnish answers");
        let asked = self.origin.asked(path);
        freshet_testbed::get(&url).expect("varnish answers");
        assert_eq!(
            self.origin.asked(path),
            asked,
            "{path} is not cached by Varnish"
        );
    }

    /// Whether Varnish still has the page. Asking puts it back.
    pub fn page_is_cached(&self, path: &str) -> bool {
        let asked = self.origin.asked(path);
        freshet_testbed::get(&format!("{}{path}", self.varnish.url())).expect("varnish answers");
        self.origin.asked(path) == asked
    }

    /// Waits for a condition; shows freshet's log when it does not come true.
    pub fn until(&self, what: &str, condition: impl Fn() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !condition() {
            if Instant::now() >= deadline {
                let ready = self.get("/readyz");
                panic!(
                    "not within {PATIENCE:?}: {what}\nreadyz: {ready:?}\n{}",
                    self.log_tail()
                );
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub fn log_tail(&self) -> String {
        self.freshet.log_tail()
    }

    /// Everything that freshet logged.
    pub fn log(&self) -> String {
        self.freshet.log()
    }
}
