//! A Varnish cache with surrogate keys.

use std::fs;

use anyhow::{Result, anyhow};
use tempfile::TempDir;

use crate::http::get;
use crate::port::{PortLease, lease_port};
use crate::preflight::find_program;
use crate::process::{Launch, ServerProcess, is_root, server_folder};

/// The configuration used by [`Varnish::start`]; `{{BACKEND_HOST}}` and `{{BACKEND_PORT}}` are
/// replaced by the origin's address.
pub const DEFAULT_VCL: &str = include_str!("default.vcl");

/// A Varnish cache in front of one origin.
#[derive(Debug)]
pub struct Varnish {
    process: ServerProcess,
    port: PortLease,
    _folder: TempDir,
}

impl Varnish {
    /// Starts one in front of `origin` (`host:port`) with [`DEFAULT_VCL`].
    ///
    /// # Errors
    /// When the program is missing or the cache is not ready in time.
    pub fn start(origin: &str) -> Result<Varnish> {
        Varnish::start_with(origin, DEFAULT_VCL)
    }

    /// Starts one with another configuration.
    ///
    /// # Errors
    /// When the configuration does not compile or the cache is not ready in time.
    pub fn start_with(origin: &str, vcl: &str) -> Result<Varnish> {
        let (host, backend_port) = origin
            .rsplit_once(':')
            .ok_or_else(|| anyhow!("no port in {origin}"))?;
        let program = find_program("varnishd")
            .ok_or_else(|| anyhow!("no varnishd; apt-get install varnish"))?;
        let folder = server_folder("varnish")?;
        let port = lease_port()?;
        let file = folder.path().join("default.vcl");
        let vcl = vcl
            .replace("{{BACKEND_HOST}}", host)
            .replace("{{BACKEND_PORT}}", backend_port);
        fs::write(&file, vcl)?;
        let mut args: Vec<String> = Vec::new();
        if is_root() {
            // A jail changes the user of the process, and with that the kernel forgets to end it
            // together with its parent.
            args.extend(["-j", "none"].map(str::to_owned));
        }
        args.extend(["-F", "-s", "malloc,64m", "-a"].map(str::to_owned));
        args.extend([port.address(), "-f".to_owned(), file.display().to_string()]);
        args.extend([
            "-n".to_owned(),
            folder.path().join("run").display().to_string(),
        ]);
        let launch = Launch {
            name: "varnishd",
            program,
            args,
            user: None,
            folder: folder.path().to_owned(),
            polite: None,
        };
        let url = format!("http://{}/", port.address());
        // Any answer: an origin that is down gives 503, and the cache is up all the same.
        let process = ServerProcess::start(launch, || Ok(get(&url).is_ok()))?;
        Ok(Varnish {
            process,
            port,
            _folder: folder,
        })
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.port.address())
    }

    /// Kills it; the cache is empty when it comes back.
    pub fn stop(&mut self) {
        self.process.kill();
    }

    /// Starts it again on the same port.
    ///
    /// # Errors
    /// When it is not ready in time.
    pub fn restart(&mut self) -> Result<()> {
        self.process.kill();
        let url = self.url();
        self.process.restart(|| Ok(get(&url).is_ok()))
    }

    /// Freezes it.
    ///
    /// # Errors
    /// When it is not running.
    pub fn pause(&self) -> Result<()> {
        self.process.pause()
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// When it is not running.
    pub fn resume(&self) -> Result<()> {
        self.process.resume()
    }
}
