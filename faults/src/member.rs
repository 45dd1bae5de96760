//! One real `freshet run` process of the group.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use freshet_testbed::{PortLease, lease_port};
use rustix::process::{Pid, Signal, kill_process};

/// After this many seconds a supervisor would lose its patience, too.
const LEAVE_DEADLINE: Duration = Duration::from_secs(40);

/// Killed when dropped, and when this process ends for any reason.
#[derive(Debug)]
pub(crate) struct Member {
    program: PathBuf,
    config: PathBuf,
    log: PathBuf,
    admin: PortLease,
    child: Option<Child>,
    /// Peak memory in KiB of all its lives since the last reset.
    peak_kib: u64,
    /// Bytes of the log at the last reset.
    log_from: usize,
}

impl Member {
    /// Member `at` with its own config; not started.
    pub(crate) fn new(
        program: &Path,
        folder: &Path,
        at: usize,
        config: impl Fn(&str) -> String,
    ) -> Result<Self> {
        let admin = lease_port()?;
        let file = folder.join(format!("member-{at}.yaml"));
        fs::write(&file, config(&admin.address()))?;
        Ok(Self {
            program: program.to_owned(),
            config: file,
            log: folder.join(format!("member-{at}.log")),
            admin,
            child: None,
            peak_kib: 0,
            log_from: 0,
        })
    }

    /// Starts it; it need not be ready when this returns.
    pub(crate) fn start(&mut self) -> Result<()> {
        let log = File::options().create(true).append(true).open(&self.log)?;
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--"])
            .arg(&self.program)
            .args(["run", "--config"])
            .arg(&self.config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .with_context(|| format!("start {}", self.program.display()))?;
        self.child = Some(child);
        Ok(())
    }

    /// Waits until it says that it is ready.
    pub(crate) fn wait_ready(&self, within: Duration) -> Result<()> {
        let deadline = Instant::now() + within;
        while self
            .get("/readyz")
            .is_none_or(|answer| answer.status != 200)
        {
            if Instant::now() > deadline {
                let said = self.get("/readyz").map(|answer| answer.body);
                bail!("not ready within {within:?}: {said:?}\n{}", self.log_tail());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.note_peak();
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself.
            let _gone = child.kill();
            let _status = child.wait();
        }
    }

    /// SIGTERM; how long it took to leave.
    pub(crate) fn terminate(&mut self) -> Result<Duration> {
        self.note_peak();
        let mut child = self.child.take().context("running")?;
        let begun = Instant::now();
        let pid = Pid::from_raw(i32::try_from(child.id())?).context("a pid")?;
        kill_process(pid, Signal::TERM)?;
        while child.try_wait()?.is_none() {
            if begun.elapsed() > LEAVE_DEADLINE {
                let _gone = child.kill();
                let _status = child.wait();
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(begun.elapsed())
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child
            .as_mut()
            .is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// Begins to count memory and log lines anew.
    pub(crate) fn reset(&mut self) {
        self.peak_kib = 0;
        self.log_from = self.log_text().len();
        if let Some(child) = &self.child {
            // 5 resets the peak. Where that is not allowed, the peak is that of the whole life.
            let _kept = fs::write(format!("/proc/{}/clear_refs", child.id()), "5");
        }
    }

    /// Peak memory in MiB since the last reset.
    pub(crate) fn peak_mib(&mut self) -> f64 {
        self.note_peak();
        self.peak_kib as f64 / 1024.0
    }

    fn note_peak(&mut self) {
        let Some(child) = &self.child else { return };
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let peak = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok());
        self.peak_kib = self.peak_kib.max(peak.unwrap_or(0));
    }

    /// Sum of the series of `name` whose labels hold all of `labels`.
    pub(crate) fn metric(&self, name: &str, labels: &[&str]) -> f64 {
        let Some(answer) = self.get("/metrics") else {
            return 0.0;
        };
        let ours = answer.body.lines().filter(|line| {
            let (series, _) = line.split_once(['{', ' ']).unwrap_or((line, ""));
            series == name && labels.iter().all(|label| line.contains(label))
        });
        ours.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    }

    fn get(&self, path: &str) -> Option<freshet_testbed::Response> {
        freshet_testbed::get(&format!("http://{}{path}", self.admin.address())).ok()
    }

    /// Partitions assigned since the last reset, as its log tells.
    pub(crate) fn assigned(&self) -> usize {
        let log = self.log_text();
        let since = log.get(self.log_from..).unwrap_or("");
        since.matches("partition assigned").count()
    }

    fn log_text(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The last lines of its log.
    pub(crate) fn log_tail(&self) -> String {
        let log = self.log_text();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.kill();
    }
}
