//! A Redis server.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::Result;
use tempfile::TempDir;

use crate::port::{PortLease, lease_port};
use crate::process::{Launch, ServerProcess, server_folder};

/// A Redis server that keeps nothing on disk unless told to.
#[derive(Debug)]
pub struct RedisServer {
    process: ServerProcess,
    port: PortLease,
    _folder: TempDir,
}

impl RedisServer {
    /// Starts one with default settings.
    ///
    /// # Errors
    /// When it is not ready in time.
    pub fn start() -> Result<RedisServer> {
        RedisServer::start_with(&[])
    }

    /// Starts one with more arguments, such as `["--appendonly", "yes"]`.
    ///
    /// # Errors
    /// When it is not ready in time.
    pub fn start_with(extra: &[&str]) -> Result<RedisServer> {
        let folder = server_folder("redis")?;
        let port = lease_port()?;
        let number = port.port().to_string();
        let fixed = [
            "--port",
            &number,
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
        ];
        let launch = Launch {
            name: "redis-server",
            program: "redis-server".into(),
            args: fixed
                .iter()
                .chain(extra)
                .map(|&arg| arg.to_owned())
                .collect(),
            user: None,
            folder: folder.path().to_owned(),
            quits_politely: false,
        };
        let address = port.address();
        let process = ServerProcess::start(launch, || Ok(answers(&address)))?;
        Ok(RedisServer {
            process,
            port,
            _folder: folder,
        })
    }

    /// `redis://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("redis://{}", self.address())
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port.port()
    }

    /// `127.0.0.1:PORT`.
    pub fn address(&self) -> String {
        self.port.address()
    }

    /// Kills it (`kill -9`); without persistence everything in it is gone.
    pub fn stop(&mut self) {
        self.process.kill();
    }

    /// Starts it again on the same port.
    ///
    /// # Errors
    /// When it is not ready in time.
    pub fn restart(&mut self) -> Result<()> {
        self.process.kill();
        let address = self.port.address();
        self.process.restart(|| Ok(answers(&address)))
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
}

/// Any one-line answer will do, a demand for a password too; not while it loads its data.
pub(crate) fn answers(address: &str) -> bool {
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        stream.write_all(b"PING\r\n")?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line)?;
        Ok(line)
    };
    ask().is_ok_and(|line| !line.is_empty() && !line.starts_with("-LOADING"))
}
