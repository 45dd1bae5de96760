//! One real `freshet run` process of the group, and what it cost.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use freshet_testbed::Freshet;

/// After this many seconds a supervisor would lose its patience, too.
const LEAVE_DEADLINE: Duration = Duration::from_secs(40);

/// Killed when dropped, and when this process ends for any reason.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) process: Freshet,
    /// Peak memory in KiB of all its lives since the last reset.
    peak_kib: u64,
    /// Bytes of the log at the last reset.
    log_from: usize,
}

impl Member {
    /// Member `at` with its own folder; not started.
    pub(crate) fn new(program: &Path, folder: &Path, at: usize, config: &str) -> Result<Self> {
        let folder = folder.join(format!("member-{at}"));
        Ok(Self {
            process: Freshet::new(program, &folder, config)?,
            peak_kib: 0,
            log_from: 0,
        })
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.note_peak();
        self.process.kill();
    }

    /// SIGTERM; how long it took to leave.
    pub(crate) fn terminate(&mut self) -> Result<Duration> {
        self.note_peak();
        Ok(self.process.terminate(LEAVE_DEADLINE)?.took)
    }

    /// Begins to count memory and log lines anew.
    pub(crate) fn reset(&mut self) {
        self.peak_kib = 0;
        self.log_from = self.process.log().len();
        if let Some(id) = self.process.id() {
            // 5 resets the peak. Where that is not allowed, the peak is that of the whole life.
            let _kept = fs::write(format!("/proc/{id}/clear_refs"), "5");
        }
    }

    /// Peak memory in MiB since the last reset.
    pub(crate) fn peak_mib(&mut self) -> f64 {
        self.note_peak();
        self.peak_kib as f64 / 1024.0
    }

    fn note_peak(&mut self) {
        let Some(id) = self.process.id() else { return };
        let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
        let peak = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok());
        self.peak_kib = self.peak_kib.max(peak.unwrap_or(0));
    }

    /// Partitions assigned since the last reset, as its log says.
    pub(crate) fn assigned(&self) -> usize {
        let log = self.process.log();
        let since = log.get(self.log_from..).unwrap_or("");
        since.matches("partition assigned").count()
    }
}
