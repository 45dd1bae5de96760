//! The flags of `freshet source pull`, checked before anything is asked for.

use anyhow::{Context, bail};
use freshet_registry::written::source::SourceFile;
use mysql_async::{Opts, OptsBuilder};
use tokio_postgres::Config;
use tokio_postgres::config::SslMode;

use super::connector::ConnectPlace;
use super::tls::Tls;
use crate::cli::PullArgs;

/// How to get to the database.
pub(super) enum Reach {
    Postgres(Box<Config>),
    MySql(Opts),
}

/// What to read and how to get there.
pub(super) struct Wanted {
    pub(super) reach: Reach,
    pub(super) tls: Tls,
    /// Where to read the connector's settings.
    pub(super) connect: Option<ConnectPlace>,
    /// The URL without the user, for messages.
    pub(super) place: String,
    pub(super) server: String,
    tables: Vec<String>,
}

impl Wanted {
    pub(super) fn from_args(args: &PullArgs) -> anyhow::Result<Self> {
        let (scheme, rest) = args.url.split_once("://").context("--url is not a URL")?;
        refuse_password(rest)?;
        check_names(args)?;
        if let Some(path) = args.output.as_ref().filter(|it| it.exists() && !args.force) {
            bail!("{} already exists; --force replaces it", path.display());
        }
        let connect = ConnectPlace::from_args(args)?;
        let (address, mode) = without_mode(&args.url);
        let rest = address.split_once("://").map_or("", |(_, rest)| rest);
        let tls = Tls::new(mode.as_deref(), args.ca_file.as_deref())?;
        let password = args.password_env.as_deref().map(password).transpose()?;
        let reach = match scheme {
            "postgres" | "postgresql" => {
                let mut config: Config = address.parse().context("--url")?;
                config.ssl_mode(match tls {
                    Tls::Disabled => SslMode::Disable,
                    Tls::Required | Tls::Verified(_) => SslMode::Require,
                });
                if let Some(password) = &password {
                    config.password(password);
                }
                Reach::Postgres(Box::new(config))
            }
            "mysql" | "mariadb" => {
                let options = Opts::from_url(&format!("mysql://{rest}")).context("--url")?;
                let options = OptsBuilder::from_opts(options).pass(password);
                let options = options.prefer_socket(Some(false)).ssl_opts(tls.mysql());
                Reach::MySql(options.into())
            }
            _ => bail!("--url starts with {scheme}://, not with postgres:// or mysql://"),
        };
        let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
        let host = host.split('?').next().unwrap_or_default();
        Ok(Self {
            reach,
            tls,
            connect,
            place: format!("{scheme}://{host}"),
            server: args.server.clone(),
            tables: args.tables.clone(),
        })
    }

    pub(super) fn wants(&self, schema: &str, table: &str) -> bool {
        self.tables.is_empty() || self.tables.contains(&format!("{schema}.{table}"))
    }

    /// Tables that were asked for and are not in the file.
    pub(super) fn missing_from(&self, file: &SourceFile) -> Vec<&str> {
        let names: Vec<&str> = file
            .tables
            .iter()
            .filter_map(|it| it.table.value.strip_prefix(&self.server)?.strip_prefix('.'))
            .collect();
        let wanted = self.tables.iter().map(String::as_str);
        wanted.filter(|it| !names.contains(it)).collect()
    }
}

/// The URL without its `sslmode`, which each client would read in its own way, and that mode.
fn without_mode(url: &str) -> (String, Option<String>) {
    let Some((address, query)) = url.split_once('?') else {
        return (url.to_owned(), None);
    };
    let mut mode = None;
    let mut others = Vec::new();
    for pair in query.split('&') {
        match pair.split_once('=') {
            Some(("sslmode" | "ssl-mode", value)) => mode = Some(value.to_ascii_lowercase()),
            _ => others.push(pair),
        }
    }
    let rest = if others.is_empty() {
        address.to_owned()
    } else {
        format!("{address}?{}", others.join("&"))
    };
    // `verify_identity` is what MySQL calls it.
    let mode = mode.map(|mode| match mode.replace('_', "-").as_str() {
        "verify-identity" => "verify-full".to_owned(),
        "required" => "require".to_owned(),
        "disabled" => "disable".to_owned(),
        other => other.to_owned(),
    });
    (rest, mode)
}

/// A password on the command line is in the process list and in the shell's history.
fn refuse_password(rest: &str) -> anyhow::Result<()> {
    let user = rest.rsplit_once('@').map_or("", |(user, _)| user);
    let query = rest.split_once('?').map_or("", |(_, query)| query);
    let mut names = query
        .split('&')
        .filter_map(|pair| pair.split('=').next())
        .map(str::to_ascii_lowercase);
    if user.contains(':') || names.any(|name| name.contains("pass")) {
        bail!("--url contains a password; pass it in a variable with --password-env");
    }
    Ok(())
}

fn check_names(args: &PullArgs) -> anyhow::Result<()> {
    let is_prefix = |it: &str| {
        !it.is_empty()
            && it
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
    };
    if !is_prefix(&args.server) {
        bail!("--server is not a topic prefix: letters, digits, `.`, `_`, `-`");
    }
    for table in &args.tables {
        let parts = table.split_once('.');
        if !parts.is_some_and(|(schema, table)| !schema.is_empty() && !table.is_empty()) {
            bail!("--table {table} is not of the form schema.table");
        }
    }
    Ok(())
}

/// The standard library's own error would show what a variable that is no text holds.
fn password(name: &str) -> anyhow::Result<String> {
    match std::env::var(name) {
        Ok(password) => Ok(password),
        Err(std::env::VarError::NotPresent) => {
            bail!("--password-env: variable `{name}` is not set")
        }
        Err(std::env::VarError::NotUnicode(_)) => {
            bail!("--password-env: variable `{name}` is not UTF-8")
        }
    }
}
