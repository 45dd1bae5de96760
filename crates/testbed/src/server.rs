//! What every server of one process and one port has in common.

use std::fmt;

use anyhow::Result;
use tempfile::TempDir;

use crate::port::PortLease;
use crate::process::{Launch, ServerProcess};

/// A server that is killed when this is dropped, and whose files go with it.
pub struct Server {
    process: ServerProcess,
    port: PortLease,
    ready: Box<dyn FnMut() -> Result<bool> + Send + Sync>,
    _folder: TempDir,
}

impl fmt::Debug for Server {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.process.fmt(out)
    }
}

impl Server {
    /// Starts it and waits until `ready` says true.
    pub(crate) fn start(
        launch: Launch,
        port: PortLease,
        folder: TempDir,
        ready: impl FnMut() -> Result<bool> + Send + Sync + 'static,
    ) -> Result<Server> {
        let mut server = Server {
            process: ServerProcess::new(launch),
            port,
            ready: Box::new(ready),
            _folder: folder,
        };
        server.restart()?;
        Ok(server)
    }

    /// `127.0.0.1:PORT`.
    pub fn address(&self) -> String {
        self.port.address()
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port.port()
    }

    /// Its process id, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.process.id()
    }

    /// Whether its process is there.
    pub fn is_running(&mut self) -> bool {
        self.process.is_running()
    }

    /// Kills it (`kill -9`). What it has on disk stays; what it had in memory is gone.
    pub fn stop(&mut self) {
        self.process.kill();
    }

    /// Starts it again on the same port and data.
    ///
    /// # Errors
    /// When it is not ready in time.
    pub fn restart(&mut self) -> Result<()> {
        self.process.kill();
        self.process.restart(&mut self.ready)
    }

    /// Freezes it: connections stay open and nothing answers.
    ///
    /// # Errors
    /// When it is not running.
    pub fn pause(&self) -> Result<()> {
        self.process.pause()
    }

    /// Lets a frozen server go on.
    ///
    /// # Errors
    /// When it is not running.
    pub fn resume(&self) -> Result<()> {
        self.process.resume()
    }

    /// Its disk is full from now on: it can write to no file any more, and ends when it notices. A restart finds a
    /// disk with room.
    ///
    /// # Errors
    /// When it is not running.
    pub fn fill_disk(&self) -> Result<()> {
        self.process.fill_disk()
    }

    /// The end of its log.
    pub fn log_tail(&self) -> String {
        self.process.log_tail()
    }
}

/// Gives a type what its field `server` can do.
macro_rules! is_a_server {
    ($name:ty) => {
        impl std::ops::Deref for $name {
            type Target = crate::server::Server;

            fn deref(&self) -> &Self::Target {
                &self.server
            }
        }

        impl std::ops::DerefMut for $name {
            fn deref_mut(&mut self) -> &mut Self::Target {
                &mut self.server
            }
        }
    };
}
pub(crate) use is_a_server;
