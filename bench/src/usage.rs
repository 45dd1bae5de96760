//! What processes used, as the kernel counts it.

use std::fs;
use std::ops::{AddAssign, Sub};
use std::time::Duration;

use anyhow::Context;

/// CPU time and peak memory of one or more processes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Usage {
    /// User and system time.
    pub cpu: Duration,
    /// Peak resident memory in MiB.
    pub peak_mib: f64,
}

impl AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.cpu += other.cpu;
        self.peak_mib += other.peak_mib;
    }
}

impl Sub for Usage {
    type Output = Self;

    /// What was used since `earlier`; the peak stays the peak.
    fn sub(self, earlier: Self) -> Self {
        Self {
            cpu: self.cpu.saturating_sub(earlier.cpu),
            peak_mib: self.peak_mib,
        }
    }
}

/// What a process used so far.
///
/// # Errors
/// When the process is gone.
pub fn used_by(pid: u32) -> anyhow::Result<Usage> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // Fields after the program's name, which may hold blanks: utime and stime are the 12th and 13th, in
    // hundredths of a second (USER_HZ is 100 on every Linux).
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or("").split(' ').collect();
    let ticks: u64 = fields
        .get(11..13)
        .context("/proc stat")?
        .iter()
        .flat_map(|it| it.parse::<u64>())
        .sum();
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let peak_kib: f64 = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok())
        .unwrap_or(0.0);
    Ok(Usage {
        cpu: Duration::from_millis(ticks * 10),
        peak_mib: peak_kib / 1024.0,
    })
}

/// CPU time of the calling thread, to the nanosecond.
///
/// # Errors
/// When the kernel does not count it.
pub fn thread_cpu() -> anyhow::Result<Duration> {
    let text = fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanos = text.split(' ').next().context("schedstat")?.parse()?;
    Ok(Duration::from_nanos(nanos))
}

/// Microseconds for each of `count`.
pub fn micros_each(time: Duration, count: u64) -> f64 {
    time.as_secs_f64() * 1e6 / count.max(1) as f64
}

/// The machine in a few words: processor, cores, memory, kernel.
pub fn machine() -> serde_json::Value {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name));
        let value = line.and_then(|line| line.split_once(':'));
        value.map_or(String::new(), |(_, value)| value.trim().to_owned())
    };
    serde_json::json!({
        "processor": field(&read("/proc/cpuinfo"), "model name"),
        "cores": cores(),
        "memory": field(&read("/proc/meminfo"), "MemTotal"),
        "kernel": read("/proc/sys/kernel/osrelease").trim(),
        "load_before": read("/proc/loadavg").split(' ').next(),
    })
}

/// Cores that this process may use.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
