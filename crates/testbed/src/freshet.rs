//! A `freshet run` process: its config, its life and what its endpoints and its log say.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::http::{Response, get};
use crate::port::{PortLease, lease_port};
use crate::process::{Launch, ServerProcess, wait_until};

/// One process, which is killed when this is dropped or when this process ends for any reason.
#[derive(Debug)]
pub struct Freshet {
    process: ServerProcess,
    admin: PortLease,
    config: PathBuf,
}

/// How a process left.
#[derive(Debug, Clone, Copy)]
pub struct Left {
    /// None when it was killed, or had to be.
    pub code: Option<i32>,
    /// From the signal to the end.
    pub took: Duration,
}

impl Freshet {
    /// Makes `folder` for one process, and writes `config` with a free admin address; starts nothing.
    ///
    /// # Errors
    /// When nothing can be written there.
    pub fn new(program: &Path, folder: &Path, config: &str) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let (file, admin) = (folder.join("freshet.yaml"), lease_port()?);
        let listen = format!("admin: {{ listen: \"{}\" }}\n", admin.address());
        fs::write(&file, format!("{config}{listen}"))?;
        let launch = Launch {
            name: "freshet",
            program: program.to_owned(),
            args: vec![
                "run".to_owned(),
                "--config".to_owned(),
                file.display().to_string(),
            ],
            user: None,
            folder: folder.to_owned(),
            quits_politely: false,
        };
        Ok(Self {
            process: ServerProcess::new(launch),
            admin,
            config: file,
        })
    }

    /// Its config, to be changed before the start.
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// Starts it, if it does not run; it need not be ready when this returns.
    ///
    /// # Errors
    /// When the program is not there.
    pub fn start(&mut self) -> Result<()> {
        self.process.restart(|| Ok(true))
    }

    /// Waits until it says that it is ready.
    ///
    /// # Errors
    /// When it ends or is not ready in time; with the end of its log.
    pub fn wait_ready(&mut self, within: Duration) -> Result<()> {
        let waited = wait_until("freshet to be ready", within, || {
            if !self.process.is_running() {
                bail!("freshet ended while starting");
            }
            Ok(self.unready().is_none())
        });
        waited.with_context(|| {
            let unready = self.unready().unwrap_or_default();
            let tail = self.log_tail();
            format!("freshet is not ready: {unready}\nend of its log:\n{tail}")
        })
    }

    /// Whether it runs.
    pub fn is_running(&mut self) -> bool {
        self.process.is_running()
    }

    /// Its process id, while it runs.
    pub fn id(&self) -> Option<u32> {
        self.process.id()
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// When it does not run.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let id = self.id().context("freshet does not run")?;
        let pid = Pid::from_raw(i32::try_from(id)?).context("a process id")?;
        Ok(kill_process(pid, signal)?)
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// SIGTERM, and SIGKILL when it has not left `within`.
    ///
    /// # Errors
    /// When it does not run.
    pub fn terminate(&mut self, within: Duration) -> Result<Left> {
        let begun = Instant::now();
        self.signal(Signal::TERM)?;
        let left = wait_until("freshet to leave", within, || {
            Ok(!self.process.is_running())
        });
        let took = begun.elapsed();
        let status = self.process.end().filter(|_| left.is_ok());
        Ok(Left {
            code: status.and_then(|status| status.code()),
            took,
        })
    }

    /// `host:port` of its endpoints.
    pub fn address(&self) -> String {
        self.admin.address()
    }

    /// `http://host:port` of its endpoints.
    pub fn url(&self) -> String {
        format!("http://{}", self.admin.address())
    }

    /// Asks one of its endpoints; none when it does not answer.
    pub fn get(&self, path: &str) -> Option<Response> {
        get(&format!("{}{path}", self.url())).ok()
    }

    /// Why it is not ready; none when it is.
    pub fn unready(&self) -> Option<String> {
        match self.get("/readyz") {
            Some(answer) if answer.status == 200 => None,
            Some(answer) => Some(answer.body.trim().replace('\n', "; ")),
            None => Some("no answer".to_owned()),
        }
    }

    /// The sum of the series of `name` whose labels hold all of `labels`; none when it does not answer.
    pub fn metric(&self, name: &str, labels: &[&str]) -> Option<f64> {
        Some(sum_of(&self.get("/metrics")?.body, name, labels))
    }

    /// Where its log is.
    pub fn log_file(&self) -> PathBuf {
        self.process.log_file()
    }

    /// Everything that it logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    /// The end of its log.
    pub fn log_tail(&self) -> String {
        self.process.log_tail()
    }
}

fn sum_of(exposition: &str, name: &str, labels: &[&str]) -> f64 {
    let of_name = |line: &&str| {
        let (series, _) = line.split_once(['{', ' ']).unwrap_or((line, ""));
        series == name && labels.iter().all(|label| line.contains(label))
    };
    let values = exposition.lines().filter(of_name);
    let numbers = values.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
    numbers.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_series_of_one_name_are_summed_by_their_labels() {
        let text = "# HELP purges_total so\npurges_total{target=\"edge\",how=\"a\"} 2\n\
            purges_total{target=\"edge\",how=\"b\"} 3\npurges_total{target=\"main\"} 7\n\
            purges_total_more{target=\"edge\"} 100\nup 1\n";
        let sum = |name, labels: &[&str]| sum_of(text, name, labels);
        assert_eq!(sum("purges_total", &["target=\"edge\""]), 5.0);
        assert_eq!(sum("purges_total", &[]), 12.0);
        assert_eq!(sum("purges_total", &["target=\"edge\"", "how=\"b\""]), 3.0);
        assert_eq!(sum("up", &[]), 1.0);
        assert_eq!(sum("none", &[]), 0.0);
    }
}
