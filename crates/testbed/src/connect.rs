//! Kafka Connect in standalone mode, with Debezium connectors.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Result, bail};
use serde_json::{Value, json};

use crate::artefacts::Artefact;
use crate::connector::{ConnectorConfig, MariaDbConnector, PgConnector};
use crate::http::{get, request};
use crate::kafka::{
    JVM_ARGS, KafkaBroker, class_path, jvm_folder, write_log_config, write_properties,
};
use crate::mariadb::MariaDb;
use crate::port::{PortLease, lease_port};
use crate::postgres::Postgres;
use crate::process::{Launch, START_DEADLINE, server_folder, wait_until};
use crate::server::{Server, is_a_server};

/// Connectors to start with.
#[derive(Debug)]
pub struct ConnectBuilder {
    bootstrap: String,
    connectors: Vec<(String, ConnectorConfig)>,
}

impl ConnectBuilder {
    /// Adds a connector with settings of the caller's own.
    #[must_use]
    pub fn connector(mut self, name: &str, config: ConnectorConfig) -> ConnectBuilder {
        self.connectors.push((name.to_owned(), config));
        self
    }

    /// Adds a Debezium Postgres connector.
    #[must_use]
    pub fn postgres_connector(
        self,
        name: &str,
        server: &Postgres,
        connector: &PgConnector,
    ) -> ConnectBuilder {
        self.connector(name, connector.config(server))
    }

    /// Adds a Debezium MariaDB connector.
    #[must_use]
    pub fn mariadb_connector(
        self,
        name: &str,
        server: &MariaDb,
        connector: &MariaDbConnector,
    ) -> ConnectBuilder {
        let config = connector.config(server, &self.bootstrap);
        self.connector(name, config)
    }

    /// Starts Connect and waits until every connector and its task run.
    ///
    /// # Errors
    /// When the artefacts cannot be fetched, a connector fails, or it is not ready in time.
    pub fn start(self) -> Result<Connect> {
        let lib = Artefact::Kafka.fetch()?;
        let folder = server_folder("connect")?;
        let port = lease_port()?;
        let worker = write_worker(folder.path(), &self.bootstrap, &port)?;
        let mut args: Vec<String> = JVM_ARGS.map(str::to_owned).to_vec();
        args.extend(jvm_folder(folder.path()));
        args.extend(["-Xmx768m".to_owned(), write_log_config(folder.path())?]);
        args.extend(class_path(&lib));
        args.push("org.apache.kafka.connect.cli.ConnectStandalone".to_owned());
        args.push(worker);
        for (name, config) in &self.connectors {
            let file = folder.path().join(format!("connector-{name}.properties"));
            let named = config
                .iter()
                .map(|(key, value)| (key.as_str(), value.as_str()));
            let lines = named.chain([("name", name.as_str())]);
            args.push(write_properties(file, lines)?.display().to_string());
        }
        let launch = Launch {
            name: "connect",
            program: "java".into(),
            args,
            user: None,
            folder: folder.path().to_owned(),
            quits_politely: false,
        };
        let names: Vec<String> = self.connectors.into_iter().map(|(name, _)| name).collect();
        let url = format!("http://{}", port.address());
        let names = Arc::new(Mutex::new(names));
        let awaited = Arc::clone(&names);
        let ready = move || all_running(&url, &locked(&awaited));
        Ok(Connect {
            server: Server::start(launch, port, folder, ready)?,
            names,
        })
    }
}

/// A standalone worker.
#[derive(Debug)]
pub struct Connect {
    server: Server,
    /// Those that are to run.
    names: Arc<Mutex<Vec<String>>>,
}

is_a_server!(Connect);

impl Connect {
    /// Begins a worker on this broker.
    pub fn builder(kafka: &KafkaBroker) -> ConnectBuilder {
        ConnectBuilder {
            bootstrap: kafka.bootstrap(),
            connectors: Vec::new(),
        }
    }

    /// The address of its REST interface.
    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// What `/connectors/NAME/status` says.
    ///
    /// # Errors
    /// When Connect does not answer.
    pub fn status(&self, name: &str) -> Result<Value> {
        get(&format!("{}/connectors/{name}/status", self.url()))?.json()
    }

    /// Adds a connector, or gives one other settings, and waits until it runs with them.
    ///
    /// # Errors
    /// When Connect refuses the settings or the connector fails.
    pub fn configure(&mut self, name: &str, config: &ConnectorConfig) -> Result<()> {
        self.remove(name)?;
        let body = json!({ "name": name, "config": config }).to_string();
        let headers = [("Content-Type", "application/json")];
        let answer = request(
            "POST",
            &format!("{}/connectors", self.url()),
            &headers,
            &body,
        )?;
        if answer.status >= 300 {
            bail!(
                "connector {name} refused: {} {}",
                answer.status,
                answer.body
            );
        }
        locked(&self.names).push(name.to_owned());
        let (url, names) = (self.url(), [name.to_owned()]);
        wait_until(&format!("connector {name}"), START_DEADLINE, || {
            all_running(&url, &names)
        })
    }

    /// Removes a connector, if it is there, and waits until it is gone. Its offsets and its
    /// replication slot stay: the same name goes on where it was.
    ///
    /// # Errors
    /// When Connect does not answer.
    pub fn remove(&mut self, name: &str) -> Result<()> {
        let url = format!("{}/connectors/{name}", self.url());
        request("DELETE", &url, &[], "")?;
        locked(&self.names).retain(|known| known != name);
        wait_until(&format!("{name} to go"), START_DEADLINE, || {
            Ok(get(&url)?.status == 404)
        })
    }
}

fn locked(names: &Mutex<Vec<String>>) -> MutexGuard<'_, Vec<String>> {
    names.lock().unwrap_or_else(PoisonError::into_inner)
}

fn write_worker(folder: &Path, bootstrap: &str, port: &PortLease) -> Result<String> {
    let plugins = [
        Artefact::DebeziumPostgres,
        Artefact::DebeziumMySql,
        Artefact::DebeziumMariaDb,
        Artefact::AvroConverter,
    ];
    let mut plugin_path = String::new();
    for plugin in plugins {
        let comma = if plugin_path.is_empty() { "" } else { "," };
        write!(plugin_path, "{comma}{}", plugin.fetch()?.display())?;
    }
    let file = folder.join("worker.properties");
    fs::write(
        &file,
        format!(
            "bootstrap.servers={bootstrap}
listeners=HTTP://{address}
offset.storage.file.filename={offsets}
offset.flush.interval.ms=1000
plugin.path={plugin_path}
plugin.discovery=service_load
key.converter=org.apache.kafka.connect.json.JsonConverter
value.converter=org.apache.kafka.connect.json.JsonConverter
key.converter.schemas.enable=false
value.converter.schemas.enable=false
producer.linger.ms=0
connector.client.config.override.policy=All
",
            address = port.address(),
            offsets = folder.join("offsets").display(),
        ),
    )?;
    Ok(file.display().to_string())
}

/// Fails at once when a task has failed: waiting would not mend it.
fn all_running(url: &str, names: &[String]) -> Result<bool> {
    // Until the port is open there is nothing to ask.
    let Ok(listed) = get(&format!("{url}/connectors")) else {
        return Ok(false);
    };
    if listed.status != 200 {
        return Ok(false);
    }
    for name in names {
        let Ok(answer) = get(&format!("{url}/connectors/{name}/status")) else {
            return Ok(false);
        };
        if answer.status != 200 {
            return Ok(false);
        }
        let status = answer.json()?;
        let task = &status["tasks"][0];
        for part in [&status["connector"], task] {
            if part["state"] == "FAILED" {
                bail!(
                    "connector {name} failed: {}",
                    part["trace"].as_str().unwrap_or_default()
                );
            }
        }
        if status["connector"]["state"] != "RUNNING" || task["state"] != "RUNNING" {
            return Ok(false);
        }
    }
    Ok(true)
}
