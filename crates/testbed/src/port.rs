//! Ports that stay ours for as long as a server may want to come back on them.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU16, Ordering};

use anyhow::{Context, Result, bail};

/// Below the kernel's range for outgoing connections, so that no client socket takes the port
/// while its server is stopped.
const FIRST: u16 = 20_000;
const COUNT: u16 = 10_000;

static NEXT: AtomicU16 = AtomicU16::new(0);

/// A port held against other test processes by a file lock until dropped.
#[derive(Debug)]
pub struct PortLease {
    port: u16,
    _lock: File,
}

impl PortLease {
    /// The port number.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `127.0.0.1:PORT`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

fn lock_folder() -> Result<PathBuf> {
    let uid = rustix::process::geteuid().as_raw();
    let folder = std::env::temp_dir().join(format!("freshet-ports-{uid}"));
    fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
    Ok(folder)
}

/// Leases a port that nothing listens on and no other test process has leased.
///
/// # Errors
/// When the lock folder cannot be written or every port is taken.
pub fn lease_port() -> Result<PortLease> {
    let folder = lock_folder()?;
    // Processes start at different places, which keeps them out of each other's way.
    let start = u16::try_from(std::process::id().wrapping_mul(37) % u32::from(COUNT))?;
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed) % COUNT;
        let port = FIRST + (start + step) % COUNT;
        let lock = File::create(folder.join(port.to_string()))?;
        if lock.try_lock().is_err() {
            continue;
        }
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(PortLease { port, _lock: lock });
        }
    }
    bail!("no free port in {FIRST}..{}", FIRST + COUNT)
}
