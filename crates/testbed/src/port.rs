//! Ports that stay ours for as long as a server may want to come back on them.

use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::sync::atomic::{AtomicU16, Ordering};

use anyhow::{Result, bail};

/// Below the kernel's range for outgoing connections, so that no client socket takes the port
/// while its server is stopped.
const FIRST: u16 = 20_000;
const COUNT: u16 = 10_000;

static NEXT: AtomicU16 = AtomicU16::new(0);

/// A port held against other test processes until dropped: by a socket that has a name and no file, so that nothing is
/// left behind however the process ends.
#[derive(Debug)]
pub struct PortLease {
    port: u16,
    _lock: UnixListener,
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

/// Leases a port that nothing listens on and no other test process has leased.
///
/// # Errors
/// When every port is taken.
pub fn lease_port() -> Result<PortLease> {
    // Processes start at different places, which keeps them out of each other's way.
    let start = u16::try_from(std::process::id().wrapping_mul(37) % u32::from(COUNT))?;
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed) % COUNT;
        let port = FIRST + (start + step) % COUNT;
        let name = SocketAddr::from_abstract_name(format!("freshet-port-{port}"))?;
        let Ok(lock) = UnixListener::bind_addr(&name) else {
            continue;
        };
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(PortLease { port, _lock: lock });
        }
    }
    bail!("no free port in {FIRST}..{}", FIRST + COUNT)
}
