//! The real `freshet` binary as a child process: its config, its life and what its endpoints tell.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use freshet_testbed::PortLease;
use reqwest::Client;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::Instant;

const READY_WITHIN: Duration = Duration::from_secs(60);
/// Freshet promises to be gone after 25 s (P10).
const STOPPED_WITHIN: Duration = Duration::from_secs(25);
const ASK_EVERY: Duration = Duration::from_millis(50);
const TAIL_LINES: usize = 25;

/// What differs between one `freshet.yaml` of the shop and another.
#[derive(Debug)]
pub(crate) struct FreshetConfig<'a> {
    pub(crate) registry: &'a Path,
    pub(crate) brokers: &'a str,
    /// Lines of `kafka.properties`.
    pub(crate) kafka_properties: &'a [(&'a str, &'a str)],
    pub(crate) redis_url: &'a str,
    pub(crate) edge_url: &'a str,
    /// The table whose row moves by itself.
    pub(crate) beacon: Option<&'a str>,
    /// Whether Freshet may create its own topics; the broker in this process cannot.
    pub(crate) create_topics: bool,
}

/// A running Freshet. It is killed when this is dropped, or when this process ends however it ends.
#[derive(Debug)]
pub(crate) struct Freshet {
    child: Child,
    client: Client,
    admin: PortLease,
    folder: TempDir,
}

impl Freshet {
    /// Starts it and waits until it is ready.
    ///
    /// # Errors
    /// When the program is not there, ends, or is not ready in time; with the end of its log.
    pub(crate) async fn start(config: &FreshetConfig<'_>, client: Client) -> Result<Self> {
        let program = beside_this_program()?;
        let folder = freshet_testbed::server_folder("shop")?;
        let admin = freshet_testbed::lease_port()?;
        let file = folder.path().join("freshet.yaml");
        fs::write(&file, yaml(config, &admin.address()))?;
        let log = File::create(folder.path().join("freshet.log"))?;
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--"])
            .arg(&program)
            .args(["run", "--config"])
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            // Ctrl-C is for the shop, which ends Freshet when everything is accounted for.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("start {} with setpriv (util-linux)", program.display()))?;
        let mut freshet = Self {
            child,
            client,
            admin,
            folder,
        };
        if let Err(error) = freshet.wait_until_ready().await {
            return Err(error.context(format!("freshet's log ends so:\n{}", freshet.log_tail())));
        }
        Ok(freshet)
    }

    async fn wait_until_ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + READY_WITHIN;
        loop {
            if let Some(status) = self.child.try_wait()? {
                bail!("freshet ended while starting: {status}");
            }
            let answer = self.get("/readyz").await;
            match answer {
                Ok((200, _)) => return Ok(()),
                Ok((_, text)) if Instant::now() > deadline => bail!("freshet is {}", text.trim()),
                Err(error) if Instant::now() > deadline => return Err(error.context("/readyz")),
                _ => tokio::time::sleep(ASK_EVERY).await,
            }
        }
    }

    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// `http://host:port` of its endpoints.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.admin.address())
    }

    /// `host:port` of its endpoints.
    pub(crate) fn address(&self) -> String {
        self.admin.address()
    }

    /// Where its log is.
    pub(crate) fn log(&self) -> PathBuf {
        self.folder.path().join("freshet.log")
    }

    /// The end of its log.
    pub(crate) fn log_tail(&self) -> String {
        let text = fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
    }

    /// Why it is not ready; none when it is.
    pub(crate) async fn unready(&self) -> Option<String> {
        match self.get("/readyz").await {
            Ok((200, _)) => None,
            Ok((_, text)) => Some(text.trim().replace('\n', "; ")),
            Err(error) => Some(format!("{error:#}")),
        }
    }

    /// The sum of a metric over all series whose labels hold `label`.
    pub(crate) async fn metric(&self, name: &str, label: &str) -> Option<f64> {
        let (_, text) = self.get("/metrics").await.ok()?;
        Some(sum_of(&text, name, label))
    }

    async fn get(&self, path: &str) -> Result<(u16, String)> {
        let answer = self
            .client
            .get(format!("{}{path}", self.url()))
            .send()
            .await?;
        Ok((answer.status().as_u16(), answer.text().await?))
    }

    /// Asks it to stop and waits.
    ///
    /// # Errors
    /// When it does not leave cleanly and in time.
    pub(crate) async fn stop(&mut self) -> Result<()> {
        let id = self
            .child
            .id()
            .and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        if let Some(id) = id {
            kill_process(id, Signal::TERM)?;
        }
        match tokio::time::timeout(STOPPED_WITHIN, self.child.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => bail!("freshet left with {status}"),
            Ok(Err(error)) => Err(error.into()),
            Err(_) => {
                bail!(
                    "freshet did not leave within {} s of SIGTERM",
                    STOPPED_WITHIN.as_secs()
                )
            }
        }
    }

    /// Leaves config and log where they are, for a look at them.
    ///
    /// # Errors
    /// When nothing can be written beside them; then they are removed.
    pub(crate) fn keep_log(&mut self) -> Result<()> {
        freshet_testbed::keep_folder(&mut self.folder)
    }
}

/// Both programs are built into the same folder.
fn beside_this_program() -> Result<PathBuf> {
    let here = std::env::current_exe()?;
    let program = here.with_file_name("freshet");
    if !program.is_file() {
        bail!("no freshet beside the shop: build both, as `make demo` and `make stack` do");
    }
    Ok(program)
}

fn yaml(config: &FreshetConfig<'_>, admin: &str) -> String {
    let properties: String = config
        .kafka_properties
        .iter()
        .map(|(name, value)| format!("    {name}: \"{value}\"\n"))
        .collect();
    let properties = if properties.is_empty() {
        properties
    } else {
        format!("  properties:\n{properties}")
    };
    let beacons = config.beacon.map_or_else(String::new, |table| {
        format!("beacons: {{ shop: {{ table: {table}, within: 10s }} }}\n")
    });
    format!(
        "\
registry: \"{registry}\"
kafka:
  brokers: \"{brokers}\"
  group: shop
{properties}targets:
  main:
    redis: {{ url: \"{redis}\" }}
  edge:
    varnish: {{ nodes: [\"{edge}\"] }}
    window: 10ms
    max_wait: 50ms
{beacons}outbox: {{ partitions: 3, create_topics: {create_topics} }}
admin: {{ listen: \"{admin}\" }}
",
        registry = config.registry.display(),
        brokers = config.brokers,
        redis = config.redis_url,
        edge = config.edge_url,
        create_topics = config.create_topics,
    )
}

fn sum_of(exposition: &str, name: &str, label: &str) -> f64 {
    exposition
        .lines()
        .filter_map(|line| line.strip_prefix(name)?.strip_prefix('{')?.split_once("} "))
        .filter(|(labels, _)| labels.contains(label))
        .filter_map(|(_, value)| value.trim().parse::<f64>().ok())
        .sum()
}

#[cfg(test)]
mod tests;
