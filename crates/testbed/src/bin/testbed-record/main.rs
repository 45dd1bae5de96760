//! Records golden change events from the real databases and connectors.
//!
//! `testbed-record FOLDER [FORM…]` writes `FOLDER/FORM.jsonl`, for all forms when none is named.
//! `testbed-record FOLDER types [postgres|mariadb]` writes every column type below `FOLDER` instead.

mod output;
mod recording;
mod scenarios;
mod values;

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use freshet_testbed::{
    Connect, Format, KafkaBroker, MariaDb, MariaDbConnector, PgConnector, Postgres, SchemaRegistry,
    flattened, require_programs,
};

use crate::recording::Recording;
use crate::scenarios::Database;

const CONNECTOR: &str = "shop";
const HEARTBEAT_MS: u32 = 500;
const FORMS: [&str; 5] = [
    "postgres-json",
    "postgres-json-schema",
    "postgres-avro",
    "postgres-flattened",
    "mariadb-json",
];

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(
        arguments
            .next()
            .context("usage: testbed-record FOLDER [FORM…]")?,
    );
    let named: Vec<String> = arguments.collect();
    if named.first().is_some_and(|name| name == "types") {
        require_programs()?;
        return values::record(&folder, named.get(1).map(String::as_str));
    }
    for name in &named {
        ensure!(
            FORMS.contains(&name.as_str()),
            "no form {name}; there are {FORMS:?}"
        );
    }
    require_programs()?;
    std::fs::create_dir_all(&folder)?;
    for form in FORMS {
        if !named.is_empty() && !named.iter().any(|name| name == form) {
            continue;
        }
        let recording = match form {
            "mariadb-json" => record_mariadb()?,
            _ => record_postgres(form)?,
        };
        let file = folder.join(format!("{form}.jsonl"));
        recording.write(&file)?;
        eprintln!("{}: {} records", file.display(), recording.len());
    }
    Ok(())
}

/// The registry lives as long as the connector that writes to it.
fn record_postgres(form: &str) -> Result<Recording> {
    let registry = match form {
        "postgres-avro" => Some(SchemaRegistry::start()?),
        _ => None,
    };
    let kafka = KafkaBroker::start()?;
    let server = Postgres::start()?;
    server.sql(scenarios::POSTGRES_TABLES)?;
    let mut connector = PgConnector::new("shop", &["public.items", "public.notes", "public.fence"]);
    connector.format = match (&registry, form) {
        (Some(registry), _) => Format::Avro {
            registry: registry.apicurio_url(),
        },
        (None, "postgres-json-schema") => Format::JsonWithSchema,
        _ => Format::Json,
    };
    if form == "postgres-flattened" {
        connector.extra = flattened();
    }
    let plain = Connect::builder(&kafka).postgres_connector(CONNECTOR, &server, &connector);
    connector.heartbeat_ms = Some(HEARTBEAT_MS);
    connector.transactions = true;
    let metadata = connector.config(&server);
    let mut recording = Recording::new(&kafka, registry.is_some())?;
    let mut connect = plain.start()?;
    let sql = |statements: &str| server.sql(statements);
    recording.plain(Database::Postgres, &sql)?;
    connect.configure(CONNECTOR, &metadata)?;
    recording.with_metadata(Database::Postgres, &sql)?;
    if let Some(registry) = &registry {
        recording.fetch_schemas(&registry.ccompat_url())?;
    }
    Ok(recording)
}

fn record_mariadb() -> Result<Recording> {
    let kafka = KafkaBroker::start()?;
    let server = MariaDb::start()?;
    server.sql(scenarios::MARIADB_TABLES)?;
    let mut connector = MariaDbConnector::new("shop", &["shop.items", "shop.notes", "shop.fence"]);
    let plain = Connect::builder(&kafka).mariadb_connector(CONNECTOR, &server, &connector);
    connector.heartbeat_ms = Some(HEARTBEAT_MS);
    connector.transactions = true;
    let metadata = connector.config(&server, &kafka.bootstrap());
    let mut recording = Recording::new(&kafka, false)?;
    let mut connect = plain.start()?;
    let sql = |statements: &str| server.sql(statements);
    recording.plain(Database::MariaDb, &sql)?;
    connect.configure(CONNECTOR, &metadata)?;
    recording.with_metadata(Database::MariaDb, &sql)?;
    Ok(recording)
}
