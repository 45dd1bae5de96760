//! A Prometheus server that scrapes every second.

use std::fs;
use std::path::PathBuf;

use anyhow::Result;
use serde_json::{Value, json};

use crate::http::get;
use crate::port::lease_port;
use crate::process::{Launch, server_folder};
use crate::server::{Server, is_a_server};

/// What Prometheus scrapes and which rules it evaluates.
#[derive(Debug, Clone, Default)]
pub struct PrometheusOptions {
    /// Job name and `host:port`, scraped at `/metrics`.
    pub targets: Vec<(String, String)>,
    /// Rule files.
    pub rule_files: Vec<PathBuf>,
}

/// A Prometheus server.
#[derive(Debug)]
pub struct Prometheus {
    server: Server,
}

is_a_server!(Prometheus);

impl Prometheus {
    /// Starts one.
    ///
    /// # Errors
    /// When a rule file is wrong or the server is not ready in time.
    pub fn start(options: &PrometheusOptions) -> Result<Prometheus> {
        let folder = server_folder("prometheus")?;
        let port = lease_port()?;
        let config = folder.path().join("prometheus.yml");
        fs::write(&config, scrape_config(options).to_string())?;
        let launch = Launch {
            name: "prometheus",
            program: "prometheus".into(),
            args: vec![
                format!("--config.file={}", config.display()),
                format!(
                    "--storage.tsdb.path={}",
                    folder.path().join("data").display()
                ),
                format!("--web.listen-address={}", port.address()),
            ],
            user: None,
            folder: folder.path().to_owned(),
            quits_politely: false,
        };
        let ready = format!("http://{}/-/ready", port.address());
        let ready = move || Ok(get(&ready).is_ok_and(|answer| answer.status == 200));
        Ok(Prometheus {
            server: Server::start(launch, port, folder, ready)?,
        })
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// The `data.result` of an instant query.
    ///
    /// # Errors
    /// When the query is wrong or the server does not answer.
    pub fn query(&self, expression: &str) -> Result<Value> {
        let url = format!(
            "{}/api/v1/query?query={}",
            self.url(),
            percent_encode(expression)
        );
        let answer = get(&url)?.json()?;
        anyhow::ensure!(answer["status"] == "success", "{expression}: {answer}");
        Ok(answer["data"]["result"].clone())
    }
}

/// JSON is YAML, so nothing here needs quoting.
fn scrape_config(options: &PrometheusOptions) -> Value {
    let jobs: Vec<Value> = options
        .targets
        .iter()
        .map(|(job, target)| json!({"job_name": job, "static_configs": [{"targets": [target]}]}))
        .collect();
    json!({
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": options.rule_files,
        "scrape_configs": jobs,
    })
}

fn percent_encode(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
