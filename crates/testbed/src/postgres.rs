//! A PostgreSQL server with logical decoding switched on.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, anyhow, bail};

use crate::authority::Authority;
use crate::port::lease_port;
use crate::preflight::find_program;
use crate::process::{
    Launch, START_DEADLINE, command, owned_file, owned_folder, run, server_folder, wait_until,
};
use crate::server::{Server, is_a_server};

/// The server refuses to run as root.
const USER: &str = "postgres";

/// A PostgreSQL server with an empty database `shop`; role `postgres`, no password.
#[derive(Debug)]
pub struct Postgres {
    server: Server,
}

is_a_server!(Postgres);

impl Postgres {
    /// Creates a cluster and starts it.
    ///
    /// # Errors
    /// When a program is missing or the server is not ready in time.
    pub fn start() -> Result<Postgres> {
        let folder = server_folder("postgres")?;
        let data = folder.path().join("data");
        owned_folder(&data, USER)?;
        let mut initdb = command(program("initdb")?, Some(USER));
        initdb.current_dir(folder.path()).arg("-D").arg(&data);
        initdb.args([
            "-U",
            USER,
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C",
            "--no-sync",
        ]);
        run(initdb)?;
        let port = lease_port()?;
        let launch = Launch {
            name: "postgres",
            program: program("postgres")?,
            args: server_args(&data.display().to_string(), port.port()),
            user: Some(USER),
            folder: folder.path().to_owned(),
            // A killed server leaves its shared memory segment behind; this one ends at once too.
            quits_politely: true,
        };
        let number = port.port();
        let ready = move || Ok(psql(number, "postgres", "select 1").is_ok());
        let server = Server::start(launch, port, folder, ready)?;
        psql(number, "postgres", "create database shop")?;
        Ok(Postgres { server })
    }

    /// `postgres://postgres@127.0.0.1:PORT/shop`.
    pub fn url(&self) -> String {
        format!("postgres://{USER}@{}/shop", self.address())
    }

    /// Runs statements in database `shop`, each in a transaction of its own unless they say
    /// otherwise, and returns the rows as `psql -At` prints them.
    ///
    /// # Errors
    /// With the server's message when a statement fails.
    pub fn sql(&self, statements: &str) -> Result<String> {
        psql(self.port(), "shop", statements)
    }

    /// Serves TLS too, with a certificate of this authority for `localhost`.
    ///
    /// # Errors
    /// When the certificate cannot be issued or the server does not take it.
    pub fn serve_tls(&self, authority: &Authority) -> Result<()> {
        let folder = PathBuf::from(self.sql("show data_directory")?);
        let issued = authority.issue(&["localhost"])?;
        owned_file(&folder.join("server.crt"), USER, &issued.certificate)?;
        owned_file(&folder.join("server.key"), USER, &issued.private_key)?;
        self.sql("alter system set ssl = on")?;
        self.sql("select pg_reload_conf()")?;
        wait_until("TLS", START_DEADLINE, || Ok(self.sql("show ssl")? == "on"))
    }
}

fn program(name: &str) -> Result<PathBuf> {
    find_program(name).ok_or_else(|| anyhow!("no {name}; apt-get install postgresql"))
}

fn server_args(data: &str, port: u16) -> Vec<String> {
    let mut args = vec!["-D".to_owned(), data.to_owned()];
    let settings = [
        format!("port={port}"),
        format!("unix_socket_directories={data}"),
        "listen_addresses=127.0.0.1".to_owned(),
        "wal_level=logical".to_owned(),
        "max_wal_senders=20".to_owned(),
        "max_replication_slots=20".to_owned(),
        "fsync=off".to_owned(),
        "full_page_writes=off".to_owned(),
        "shared_buffers=32MB".to_owned(),
        // In the folder of its data, which goes with the server, and not below /dev/shm, where it would stay.
        "dynamic_shared_memory_type=mmap".to_owned(),
    ];
    args.extend(
        settings
            .into_iter()
            .flat_map(|setting| ["-c".to_owned(), setting]),
    );
    args
}

/// Statements go through standard input: with `-c` they would all be one transaction.
fn psql(port: u16, database: &str, statements: &str) -> Result<String> {
    let mut child = Command::new("psql")
        .args([
            "-X",
            "-q",
            "-A",
            "-t",
            "-v",
            "ON_ERROR_STOP=1",
            "-h",
            "127.0.0.1",
            "-U",
            USER,
        ])
        .args(["-p", &port.to_string(), "-d", database, "-f", "-"])
        .env("PGCONNECT_TIMEOUT", "10")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("start psql; apt-get install postgresql-client")?;
    if let Some(mut input) = child.stdin.take() {
        // psql closes its input when it cannot connect; its message says more than the pipe's.
        let _closed = input.write_all(statements.as_bytes());
    }
    let output = child.wait_with_output()?;
    if !output.status.success() {
        bail!("{statements}\n{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8_lossy(&output.stdout)
        .trim_end()
        .to_owned())
}
