//! `freshet source pull`: a live catalog → a source file. Only reads, and only the catalog.

mod mysql;
mod postgres;

use anyhow::{Context, bail};
use freshet_registry::source_file::SourceFile;

use crate::cli::PullArgs;
use crate::exit::Exit;

/// Runs the command.
#[allow(clippy::print_stdout)] // the command's answer
pub(crate) fn pull(args: &PullArgs) -> Exit {
    let wanted = match Wanted::from_args(args) {
        Ok(wanted) => wanted,
        Err(error) => {
            eprintln!("error: {error:#}");
            return Exit::BadInput;
        }
    };
    let text = match read(&wanted) {
        Ok(file) => file.to_yaml(),
        Err(error) => {
            eprintln!("error: {error:#}");
            return Exit::Failed;
        }
    };
    match &args.output {
        None => print!("{text}"),
        Some(path) => {
            if let Err(error) = std::fs::write(path, text) {
                eprintln!("error: {} cannot be written: {error}", path.display());
                return Exit::Failed;
            }
            eprintln!("wrote {}", path.display());
        }
    }
    Exit::Clean
}

/// What to read and how to get there.
struct Wanted {
    url: String,
    password: Option<String>,
    server: String,
    tables: Vec<String>,
}

impl Wanted {
    fn from_args(args: &PullArgs) -> anyhow::Result<Self> {
        let (_, rest) = args.url.split_once("://").context("--url is not a URL")?;
        let user = rest.rsplit_once('@').map_or("", |(user, _)| user);
        if user.contains(':') {
            bail!("--url holds a password; name a variable with --password-env instead");
        }
        for table in &args.tables {
            if table.split('.').count() != 2 {
                bail!("--table {table} is not of the form schema.table");
            }
        }
        let password = args
            .password_env
            .as_ref()
            .map(|name| std::env::var(name).with_context(|| format!("variable `{name}`")))
            .transpose()?;
        Ok(Self {
            url: args.url.clone(),
            password,
            server: args.server.clone(),
            tables: args.tables.clone(),
        })
    }

    fn wants(&self, schema: &str, table: &str) -> bool {
        self.tables.is_empty()
            || self
                .tables
                .iter()
                .any(|wanted| wanted.split_once('.') == Some((schema, table)))
    }
}

fn read(wanted: &Wanted) -> anyhow::Result<SourceFile> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let file = match wanted.url.split_once("://").map(|(scheme, _)| scheme) {
        Some("postgres" | "postgresql") => runtime.block_on(postgres::read(wanted))?,
        Some("mysql" | "mariadb") => runtime.block_on(mysql::read(wanted))?,
        _ => bail!("--url must begin with postgres:// or mysql://"),
    };
    if file.tables.is_empty() {
        bail!("no such table in the catalog; check --table and what the user may see");
    }
    Ok(file)
}
