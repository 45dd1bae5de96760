//! `freshet source pull`: a live catalog → a source file. Only reads, and only the catalog.

mod catalog;
mod connector;
mod mysql;
mod postgres;
mod stated;
mod tls;
mod wanted;

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use freshet_registry::at::At;
use freshet_registry::names;

use crate::cli::PullArgs;
use crate::exit::Exit;
use catalog::Pulled;
use wanted::{Reach, Wanted};

/// A catalog of many thousand tables is read within seconds.
const READ_WITHIN: Duration = Duration::from_secs(60);

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
    let pulled = match read(&wanted) {
        Ok(pulled) => pulled,
        Err(error) => {
            eprintln!("error: {error:#}");
            return Exit::Failed;
        }
    };
    for note in &pulled.notes {
        eprintln!("note: {note}");
    }
    let mut file = pulled.file;
    if let Some(path) = &args.output {
        stated::keep(&mut file, path);
    }
    let text = file.to_yaml();
    let Some(path) = &args.output else {
        print!("{text}");
        return Exit::Clean;
    };
    if let Err(error) = write(path, &text, args.force) {
        eprintln!("error: {} cannot be written: {error}", path.display());
        return Exit::Failed;
    }
    eprintln!("wrote {}", path.display());
    Exit::Clean
}

/// Writes beside the old file first: one that is there is replaced as a whole or not at all.
fn write(path: &Path, text: &str, replace: bool) -> io::Result<()> {
    if let Some(folder) = path.parent().filter(|it| !it.as_os_str().is_empty()) {
        fs::create_dir_all(folder)?;
    }
    if !replace {
        // Somebody may have made it since the flags were checked.
        let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
        return file.write_all(text.as_bytes());
    }
    if fs::metadata(path).is_ok_and(|it| !it.is_file()) {
        // A pipe or a terminal has no place beside it.
        return fs::write(path, text);
    }
    // A link stays one.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let beside = path.with_extension("yaml.partial");
    fs::write(&beside, text)?;
    fs::rename(&beside, path)
}

fn read(wanted: &Wanted) -> anyhow::Result<Pulled> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let reading = async {
        match &wanted.reach {
            Reach::Postgres(config) => postgres::read(wanted, config).await,
            Reach::MySql(options) => mysql::read(wanted, options).await,
        }
    };
    let read = runtime.block_on(async {
        tokio::time::timeout(READ_WITHIN, reading)
            .await
            .with_context(|| format!("no answer within {} s", READ_WITHIN.as_secs()))?
    });
    let mut pulled = read.with_context(|| wanted.place.clone())?;
    if let Some(connect) = &wanted.connect {
        let read = runtime.block_on(connect.read())?;
        if read.engine != pulled.file.engine {
            bail!("the connector reads a different kind of database than --url");
        }
        pulled.file.connector = read.written;
        pulled.notes.extend(read.notes);
    }
    let missing = wanted.missing_from(&pulled.file);
    if !missing.is_empty() {
        bail!(
            "{}: the catalog has no table {} that this user may see",
            wanted.place,
            missing.join(", ")
        );
    }
    if pulled.file.tables.is_empty() {
        bail!(
            "{}: the catalog has no table that this user may see",
            wanted.place
        );
    }
    for table in &mut pulled.file.tables {
        let name = table.table.as_str();
        // Debezium's name for it, where Kafka forbids its own.
        let topic = names::topic_of(name);
        table.topic = (topic != name).then(|| At::nowhere(topic.into_owned()));
    }
    Ok(pulled)
}
