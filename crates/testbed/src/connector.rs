//! Configurations of Debezium connectors.

use std::collections::BTreeMap;

use crate::mariadb::MariaDb;
use crate::postgres::Postgres;

/// The settings of one connector, as Connect takes them.
pub type ConnectorConfig = BTreeMap<String, String>;

/// The wire form of the records.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Format {
    /// JSON without a schema.
    #[default]
    Json,
    /// JSON as `{"schema":…,"payload":…}`.
    JsonWithSchema,
    /// Avro with Confluent framing.
    Avro {
        /// `SchemaRegistry::apicurio_url()`.
        registry: String,
    },
}

impl Format {
    fn settings(&self) -> Vec<(String, String)> {
        let mut settings = Vec::new();
        for side in ["key", "value"] {
            let mut set = |name: &str, value: &str| {
                settings.push((format!("{side}.converter{name}"), value.to_owned()));
            };
            match self {
                Format::Json | Format::JsonWithSchema => {
                    set("", "org.apache.kafka.connect.json.JsonConverter");
                    let with_schema = *self == Format::JsonWithSchema;
                    set(
                        ".schemas.enable",
                        if with_schema { "true" } else { "false" },
                    );
                }
                Format::Avro { registry } => {
                    set("", "io.apicurio.registry.utils.converter.AvroConverter");
                    set(".apicurio.registry.url", registry);
                    set(".apicurio.registry.auto-register", "true");
                    set(".apicurio.registry.as-confluent", "true");
                    set(".apicurio.registry.headers.enabled", "false");
                    // The id under which the Confluent interface finds it: one per content.
                    set(".apicurio.registry.use-id", "contentId");
                }
            }
        }
        if matches!(self, Format::Avro { .. }) {
            settings.push(("schema.name.adjustment.mode".to_owned(), "avro".to_owned()));
        }
        settings
    }
}

/// What a Postgres connector reads and how it writes it.
#[derive(Debug, Clone)]
pub struct PgConnector {
    /// The first part of every topic's name.
    pub topic_prefix: String,
    /// `schema.table` names.
    pub tables: Vec<String>,
    /// The replication slot; each connector needs its own.
    pub slot: String,
    /// The publication; each connector needs its own.
    pub publication: String,
    /// The wire form.
    pub format: Format,
    /// Heartbeats every so many milliseconds; none without.
    pub heartbeat_ms: Option<u32>,
    /// Whether to send transaction boundaries and number the rows of a transaction.
    pub transactions: bool,
    /// More settings; they win.
    pub extra: Vec<(String, String)>,
}

impl PgConnector {
    /// JSON, no heartbeat, no transactions; slot and publication named after the prefix.
    pub fn new(topic_prefix: &str, tables: &[&str]) -> PgConnector {
        PgConnector {
            topic_prefix: topic_prefix.to_owned(),
            tables: tables.iter().map(|&table| table.to_owned()).collect(),
            slot: format!("{topic_prefix}_slot"),
            publication: format!("{topic_prefix}_publication"),
            format: Format::Json,
            heartbeat_ms: None,
            transactions: false,
            extra: Vec::new(),
        }
    }

    /// The connector's settings for this server.
    pub fn config(&self, server: &Postgres) -> ConnectorConfig {
        let mut config = common(&self.topic_prefix, &self.tables, server.port());
        config.extend(owned(&[
            (
                "connector.class",
                "io.debezium.connector.postgresql.PostgresConnector",
            ),
            ("plugin.name", "pgoutput"),
            ("database.user", "postgres"),
            ("database.password", "postgres"),
            ("database.dbname", "shop"),
            ("slot.name", &self.slot),
            ("publication.name", &self.publication),
            ("publication.autocreate.mode", "filtered"),
        ]));
        config.extend(announcements(self.heartbeat_ms, self.transactions));
        finish(config, &self.format, &self.extra)
    }
}

/// What a MariaDB connector reads and how it writes it.
#[derive(Debug, Clone)]
pub struct MariaDbConnector {
    /// The first part of every topic's name.
    pub topic_prefix: String,
    /// `database.table` names.
    pub tables: Vec<String>,
    /// The number under which it reads the binary log; each connector needs its own.
    pub server_id: u32,
    /// The wire form.
    pub format: Format,
    /// Heartbeats every so many milliseconds; none without.
    pub heartbeat_ms: Option<u32>,
    /// Whether to send transaction boundaries and number the rows of a transaction.
    pub transactions: bool,
    /// More settings; they win.
    pub extra: Vec<(String, String)>,
}

impl MariaDbConnector {
    /// JSON, no heartbeat, no transactions.
    pub fn new(topic_prefix: &str, tables: &[&str]) -> MariaDbConnector {
        MariaDbConnector {
            topic_prefix: topic_prefix.to_owned(),
            tables: tables.iter().map(|&table| table.to_owned()).collect(),
            server_id: 5_400,
            format: Format::Json,
            heartbeat_ms: None,
            transactions: false,
            extra: Vec::new(),
        }
    }

    /// The connector's settings for this server; the schema history goes to the same broker.
    pub fn config(&self, server: &MariaDb, bootstrap: &str) -> ConnectorConfig {
        let mut config = common(&self.topic_prefix, &self.tables, server.port());
        config.extend(owned(&[
            (
                "connector.class",
                "io.debezium.connector.mariadb.MariaDbConnector",
            ),
            ("database.user", "shop"),
            ("database.password", "shop"),
            ("database.server.id", &self.server_id.to_string()),
            ("database.include.list", "shop"),
            ("database.ssl.mode", "disable"),
            ("schema.history.internal.kafka.bootstrap.servers", bootstrap),
            (
                "schema.history.internal.kafka.topic",
                &format!("{}.schema-history", self.topic_prefix),
            ),
        ]));
        if let Some(interval) = self.heartbeat_ms {
            // An idle server is heard of every 0.8 of this, whatever the heartbeat's interval; and
            // a silence of this length is a lost connection, so not too short either.
            let keep_alive = (interval / 4 * 5).max(2_500).to_string();
            config.insert("connect.keep.alive.interval.ms".to_owned(), keep_alive);
        }
        config.extend(announcements(self.heartbeat_ms, self.transactions));
        finish(config, &self.format, &self.extra)
    }
}

/// The settings of the flattening transform: the row alone, with what was added to it.
pub fn flattened() -> Vec<(String, String)> {
    owned(&[
        ("transforms", "unwrap"),
        (
            "transforms.unwrap.type",
            "io.debezium.transforms.ExtractNewRecordState",
        ),
        ("transforms.unwrap.add.fields", "op,table,lsn,source.ts_ms"),
        (
            "transforms.unwrap.delete.tombstone.handling.mode",
            "rewrite",
        ),
    ])
}

fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|&(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn common(topic_prefix: &str, tables: &[String], port: u16) -> ConnectorConfig {
    owned(&[
        ("tasks.max", "1"),
        ("topic.prefix", topic_prefix),
        ("table.include.list", &tables.join(",")),
        ("database.hostname", "127.0.0.1"),
        ("database.port", &port.to_string()),
        // The default of half a second would be most of the freshness we measure.
        ("poll.interval.ms", "5"),
        // The default leaves truncates out.
        ("skipped.operations", "none"),
    ])
    .into_iter()
    .collect()
}

/// What the connector writes beside the rows: heartbeats and the boundaries of transactions.
fn announcements(heartbeat_ms: Option<u32>, transactions: bool) -> ConnectorConfig {
    let mut config = ConnectorConfig::new();
    if let Some(interval) = heartbeat_ms {
        config.insert("heartbeat.interval.ms".to_owned(), interval.to_string());
    }
    if transactions {
        config.insert("provide.transaction.metadata".to_owned(), "true".to_owned());
    }
    config
}

fn finish(
    mut config: ConnectorConfig,
    format: &Format,
    extra: &[(String, String)],
) -> ConnectorConfig {
    config.extend(format.settings());
    config.extend(extra.iter().cloned());
    config
}
