//! A MariaDB server with a row-based binary log.

use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};

use crate::authority::Authority;
use crate::port::lease_port;
use crate::preflight::find_program;
use crate::process::{Launch, command, owned_file, owned_folder, run, server_folder};
use crate::server::{Server, is_a_server};

const USER: &str = "mysql";

/// A MariaDB server with an empty database `shop`; account `shop`, password `shop`.
#[derive(Debug)]
pub struct MariaDb {
    server: Server,
    socket: PathBuf,
}

is_a_server!(MariaDb);

impl MariaDb {
    /// Creates a data folder and starts the server.
    ///
    /// # Errors
    /// When a program is missing or the server is not ready in time.
    pub fn start() -> Result<MariaDb> {
        Self::start_with(None)
    }

    /// The same, serving TLS too, with a certificate of this authority for `localhost`.
    ///
    /// # Errors
    /// When a program is missing or the server is not ready in time.
    pub fn start_with_tls(authority: &Authority) -> Result<MariaDb> {
        Self::start_with(Some(authority))
    }

    fn start_with(authority: Option<&Authority>) -> Result<MariaDb> {
        let folder = server_folder("mariadb")?;
        let data = folder.path().join("data");
        owned_folder(&data, USER)?;
        let mut install = command(program("mariadb-install-db")?, Some(USER));
        // Our folder for temporary files need not be open to that user.
        install.current_dir(folder.path()).env("TMPDIR", &data);
        install
            .arg("--no-defaults")
            .arg(format!("--datadir={}", data.display()));
        install.args(["--auth-root-authentication-method=normal", "--skip-test-db"]);
        run(install)?;
        let port = lease_port()?;
        let socket = data.join("s");
        let mut args = server_args(&data, &socket, port.port());
        if let Some(authority) = authority {
            let issued = authority.issue(&["localhost"])?;
            for (option, text) in [
                ("ssl-cert", &issued.certificate),
                ("ssl-key", &issued.private_key),
            ] {
                let file = data.join(option);
                owned_file(&file, USER, text)?;
                args.push(format!("--{option}={}", file.display()));
            }
        }
        let launch = Launch {
            name: "mariadbd",
            program: program("mariadbd")?,
            args,
            user: Some(USER),
            folder: folder.path().to_owned(),
            quits_politely: false,
        };
        let asked = socket.clone();
        let ready = move || Ok(client(&asked, "", "select 1").is_ok());
        let server = Server::start(launch, port, folder, ready)?;
        // Both hosts: an anonymous localhost account would shadow '%'.
        client(
            &socket,
            "",
            "create database shop;
             create user shop@'%' identified by 'shop';
             create user shop@localhost identified by 'shop';
             grant all on *.* to shop@'%';
             grant all on *.* to shop@localhost;",
        )?;
        Ok(MariaDb { server, socket })
    }

    /// `mysql://shop:shop@127.0.0.1:PORT/shop`.
    pub fn url(&self) -> String {
        format!("mysql://shop:shop@{}/shop", self.address())
    }

    /// Runs statements in database `shop` and returns the rows, columns separated by tabs.
    ///
    /// # Errors
    /// With the server's message when a statement fails.
    pub fn sql(&self, statements: &str) -> Result<String> {
        client(&self.socket, "shop", statements)
    }
}

fn program(name: &str) -> Result<PathBuf> {
    find_program(name).ok_or_else(|| anyhow!("no {name}; apt-get install mariadb-server"))
}

fn server_args(data: &Path, socket: &Path, port: u16) -> Vec<String> {
    vec![
        "--no-defaults".to_owned(),
        format!("--datadir={}", data.display()),
        format!("--tmpdir={}", data.display()),
        format!("--socket={}", socket.display()),
        format!("--port={port}"),
        "--bind-address=127.0.0.1".to_owned(),
        "--skip-name-resolve".to_owned(),
        "--server-id=1".to_owned(),
        "--log-bin=mysql-bin".to_owned(),
        "--binlog-format=ROW".to_owned(),
        "--binlog-row-image=FULL".to_owned(),
        "--character-set-server=utf8mb4".to_owned(),
        "--innodb-buffer-pool-size=64M".to_owned(),
        "--innodb-flush-log-at-trx-commit=0".to_owned(),
    ]
}

fn client(socket: &Path, database: &str, statements: &str) -> Result<String> {
    let mut mariadb = command("mariadb", None);
    mariadb
        .arg("--no-defaults")
        .arg(format!("--socket={}", socket.display()));
    mariadb.args(["--user=root", "--batch", "--skip-column-names"]);
    mariadb.arg("--default-character-set=utf8mb4");
    if !database.is_empty() {
        mariadb.arg(format!("--database={database}"));
    }
    mariadb.arg("--execute").arg(statements);
    Ok(run(mariadb)?.trim_end().to_owned())
}
