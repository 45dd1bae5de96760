//! A Varnish cache with surrogate keys.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Result, anyhow};

use crate::port::lease_port;
use crate::preflight::find_program;
use crate::process::{Launch, is_root, server_folder};
use crate::server::{Server, is_a_server};

/// The configuration used by [`Varnish::start`]; `{{BACKEND_HOST}}` and `{{BACKEND_PORT}}` are
/// replaced by the origin's address.
pub const DEFAULT_VCL: &str = include_str!("default.vcl");

/// A Varnish cache in front of one origin.
#[derive(Debug)]
pub struct Varnish {
    server: Server,
}

is_a_server!(Varnish);

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
            quits_politely: false,
        };
        let address = port.address();
        let ready = move || Ok(answers(&address));
        Ok(Varnish {
            server: Server::start(launch, port, folder, ready)?,
        })
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }
}

/// Sends what is no request: the cache refuses it before any rule is asked, so that nothing is
/// fetched from the origin, cached and counted.
fn answers(address: &str) -> bool {
    let ask = || -> std::io::Result<usize> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        stream.write_all(b"BAD\r\n\r\n")?;
        stream.read(&mut [0; 64])
    };
    ask().is_ok_and(|read| read > 0)
}
