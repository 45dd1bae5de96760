//! A Redis server.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::authority::Authority;
use crate::port::{PortLease, lease_port};
use crate::process::{Launch, server_folder};
use crate::server::{Server, is_a_server};

/// A Redis server that keeps nothing on disk unless told to.
#[derive(Debug)]
pub struct RedisServer {
    server: Server,
    tls_port: Option<PortLease>,
}

is_a_server!(RedisServer);

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
        RedisServer::launch(server_folder("redis")?, None, extra)
    }

    /// Starts one that has a port for TLS beside the plain one. `authority` vouches for it under `names`.
    ///
    /// # Errors
    /// When it is not ready in time, or without its certificate.
    pub fn start_tls(authority: &Authority, names: &[&str], extra: &[&str]) -> Result<RedisServer> {
        let folder = server_folder("redis")?;
        let port = lease_port()?;
        let issued = authority.issue(names)?;
        let mut args = vec!["--tls-port".to_owned(), port.port().to_string()];
        // Clients are known by their password, not by a certificate.
        args.extend(["--tls-auth-clients", "no"].map(str::to_owned));
        for (option, file, pem) in [
            ("--tls-cert-file", "server.crt", issued.certificate),
            ("--tls-key-file", "server.key", issued.private_key),
            ("--tls-ca-cert-file", "ca.crt", authority.pem()),
        ] {
            let path = folder.path().join(file);
            fs::write(&path, pem)?;
            args.extend([option.to_owned(), path.display().to_string()]);
        }
        let mut args: Vec<&str> = args.iter().map(String::as_str).collect();
        args.extend(extra);
        RedisServer::launch(folder, Some(port), &args)
    }

    fn launch(folder: TempDir, tls_port: Option<PortLease>, extra: &[&str]) -> Result<RedisServer> {
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
        let ready = move || Ok(answers(&address));
        Ok(RedisServer {
            server: Server::start(launch, port, folder, ready)?,
            tls_port,
        })
    }

    /// `redis://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("redis://{}", self.address())
    }

    /// The port for TLS.
    ///
    /// # Errors
    /// When it was started without.
    pub fn tls_port(&self) -> Result<u16> {
        let port = self.tls_port.as_ref().context("started without TLS")?;
        Ok(port.port())
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
