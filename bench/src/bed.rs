//! The servers that all participants share: one broker, one Redis, and a schema registry once Avro needs it.

use std::cell::{Cell, OnceCell};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use freshet_testbed::{KafkaBroker, RedisServer, Resp, SchemaRegistry, server_folder};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use serde_json::json;

use crate::case::Form;
use crate::forms::{SchemaIds, TABLE, writer_schemas};
use crate::usage::{Usage, used_by};

/// As Kafka's own start script has it, with a fixed heap.
const BROKER_JVM: [&str; 8] = [
    "-server",
    "-Xms1g",
    "-Xmx1g",
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-XX:InitiatingHeapOccupancyPercent=35",
    "-XX:+ExplicitGCInvokesConcurrent",
    "-Djava.awt.headless=true",
];

/// Topics of finished cases make room at once.
const BROKER_SETTINGS: [(&str, &str); 2] = [
    ("log.segment.delete.delay.ms", "1000"),
    ("log.retention.check.interval.ms", "5000"),
];

/// The shared servers.
#[derive(Debug)]
pub struct Bed {
    /// The broker.
    pub kafka: KafkaBroker,
    /// The cache.
    pub redis: RedisServer,
    schemas: OnceCell<(SchemaRegistry, SchemaIds)>,
    /// Logs of participants.
    logs: PathBuf,
    folder: tempfile::TempDir,
    runs: Cell<u32>,
}

impl Bed {
    /// Starts broker and Redis; `out` gets the logs.
    ///
    /// # Errors
    /// When one of them does not start.
    pub fn start(out: &Path) -> anyhow::Result<Self> {
        let logs = out.join("logs");
        std::fs::create_dir_all(&logs)?;
        Ok(Self {
            kafka: KafkaBroker::start_with_jvm(&BROKER_JVM, &BROKER_SETTINGS)?,
            redis: RedisServer::start()?,
            schemas: OnceCell::new(),
            logs,
            folder: server_folder("bench")?,
            runs: Cell::new(0),
        })
    }

    /// A name that no run had before; it names groups and topics.
    pub fn next_run(&self) -> String {
        self.runs.set(self.runs.get() + 1);
        format!("run{}", self.runs.get())
    }

    /// A folder for a run's files.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn folder(&self, run: &str) -> anyhow::Result<PathBuf> {
        let folder = self.folder.path().join(run);
        std::fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    /// Where a run's participant writes what it says.
    pub fn log_file(&self, name: &str) -> PathBuf {
        self.logs.join(format!("{name}.log"))
    }

    /// A connection to Redis.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn resp(&self) -> anyhow::Result<Resp> {
        Resp::connect(&self.redis.address())
    }

    /// The schema registry with the writer schemas in it, started at the first call.
    ///
    /// # Errors
    /// When it does not start or refuses a schema.
    pub fn schemas(&self) -> anyhow::Result<&(SchemaRegistry, SchemaIds)> {
        if let Some(schemas) = self.schemas.get() {
            return Ok(schemas);
        }
        let registry = SchemaRegistry::start()?;
        let (key, value) = writer_schemas()?;
        let ids = SchemaIds {
            key: register(&registry, "key", &key)?,
            value: register(&registry, "value", &value)?,
        };
        Ok(self.schemas.get_or_init(|| (registry, ids)))
    }

    /// The ids for a form; zero where there are no schemas.
    ///
    /// # Errors
    /// When the registry does not start.
    pub fn schema_ids(&self, form: Form) -> anyhow::Result<SchemaIds> {
        match form {
            Form::Avro => Ok(self.schemas()?.1),
            Form::Json | Form::JsonSchema => Ok(SchemaIds::default()),
        }
    }

    /// Deletes the topics that a run's participant made for itself.
    ///
    /// # Errors
    /// When the broker refuses.
    pub fn forget(&self, run: &str) -> anyhow::Result<()> {
        let client: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", self.kafka.bootstrap())
            .create()?;
        let metadata = client.fetch_metadata(None, Duration::from_secs(30))?;
        let prefix = format!("{run}.");
        for topic in metadata.topics() {
            if topic.name().starts_with(&prefix) {
                self.kafka.delete_topic(topic.name())?;
            }
        }
        Ok(())
    }

    /// What broker and Redis used so far.
    ///
    /// # Errors
    /// When one of them is gone.
    pub fn used(&self) -> anyhow::Result<[Usage; 2]> {
        let broker = self.kafka.pid().context("the broker is gone")?;
        let redis = self.redis.pid().context("redis is gone")?;
        Ok([used_by(broker)?, used_by(redis)?])
    }
}

fn register(registry: &SchemaRegistry, side: &str, schema: &str) -> anyhow::Result<u32> {
    let url = format!(
        "{}/subjects/{TABLE}-{side}/versions",
        registry.ccompat_url()
    );
    let headers = [("Content-Type", "application/vnd.schemaregistry.v1+json")];
    let body = json!({ "schema": schema }).to_string();
    let answer = freshet_testbed::request("POST", &url, &headers, &body)?;
    if answer.status != 200 {
        bail!(
            "the schema registry refuses: {} {}",
            answer.status,
            answer.body
        );
    }
    let id = answer.json()?["id"].as_u64().context("a schema's id")?;
    Ok(u32::try_from(id)?)
}
