//! The command line.

pub(crate) mod dlq;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::exit::EXIT_CODES;
use crate::telemetry::LogForm;
use dlq::DlqCommand;

/// Every committed change becomes the smallest set of cache purges that makes readers fresh again.
#[derive(Debug, Parser)]
#[command(name = "freshet", version, max_term_width = 100, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Consume changes and purge caches until stopped (SIGTERM or Ctrl-C)
    #[command(after_long_help = RUN_HELP)]
    Run(RunArgs),
    /// Check a registry directory: every rule, and the families' examples as unit tests
    #[command(after_long_help = CHECK_HELP)]
    Check(CheckArgs),
    /// Work with source files, which describe your tables
    Source {
        /// What to do with them.
        #[command(subcommand)]
        command: SourceCommand,
    },
    /// Work with dead letters: records and purges that failed permanently
    #[command(after_help = EXIT_CODES)]
    Dlq {
        /// What to do with them.
        #[command(subcommand)]
        command: DlqCommand,
    },
    /// Print the JSON Schema of a registry file or of the config, for editors
    #[command(after_help = "Example:\n  freshet schema family > schemas/family.schema.json")]
    Schema {
        /// The file.
        file: SchemaOf,
    },
    /// Print a completion script for your shell
    #[command(after_help = "Example:\n  freshet completions bash > /etc/bash_completion.d/freshet")]
    Completions {
        /// The shell.
        shell: Shell,
    },
}

/// `freshet run`.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// The config file; docs/configuration.md describes every field
    #[arg(long, value_name = "FILE", default_value = "freshet.yaml")]
    pub(crate) config: PathBuf,
    /// Check config and registry, print what would run, and exit
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Format of the log lines; overrides the config
    #[arg(long, value_enum, value_name = "FORM")]
    pub(crate) log_form: Option<LogForm>,
}

/// `freshet check`.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// The registry directory, with `sources/` and `families/`
    #[arg(value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// Treat warnings as errors
    #[arg(long)]
    pub(crate) strict: bool,
    /// Print the files with every default, as YAML that compiles to the same registry
    #[arg(long)]
    pub(crate) print: bool,
}

/// `freshet source …`.
#[derive(Debug, Subcommand)]
pub(crate) enum SourceCommand {
    /// Write a source file from a live Postgres, MySQL or MariaDB catalog
    #[command(after_long_help = PULL_HELP)]
    Pull(PullArgs),
}

/// `freshet source pull`.
#[derive(Debug, Args)]
pub(crate) struct PullArgs {
    /// postgres://user@host:port/database or mysql://user@host:port/database, without a password; for TLS add
    /// ?sslmode=require (encrypted) or ?sslmode=verify-full (encrypted, certificate verified)
    #[arg(
        long,
        value_name = "URL",
        env = "FRESHET_SOURCE_URL",
        hide_env_values = true
    )]
    pub(crate) url: String,
    /// Name of an environment variable that holds the password
    #[arg(long, value_name = "VARIABLE")]
    pub(crate) password_env: Option<String>,
    /// Debezium's topic prefix for this database (`topic.prefix`)
    #[arg(long, value_name = "PREFIX")]
    pub(crate) server: String,
    /// PEM file with the certificate authorities for the database's certificate
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,
    /// URL of Kafka Connect's REST API, to read the connector's settings
    #[arg(long, value_name = "URL")]
    pub(crate) connect: Option<String>,
    /// Name of the connector. Default: the only one with this topic prefix
    #[arg(long, value_name = "NAME", requires = "connect")]
    pub(crate) connector: Option<String>,
    /// Only these tables, as schema.table; repeat for more. Default: all
    #[arg(long = "table", value_name = "SCHEMA.TABLE")]
    pub(crate) tables: Vec<String>,
    /// Write to this file instead of standard output
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Replace the output file if it exists
    #[arg(long, requires = "output")]
    pub(crate) force: bool,
}

/// Files that have a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SchemaOf {
    /// `families/**/*.yaml`.
    Family,
    /// `sources/*.yaml`.
    Source,
    /// `freshet.yaml`.
    Config,
}

impl SchemaOf {
    /// Its JSON Schema.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Family => include_str!("../../../schemas/family.schema.json"),
            Self::Source => include_str!("../../../schemas/source.schema.json"),
            Self::Config => include_str!("../../../schemas/config.schema.json"),
        }
    }
}

const RUN_HELP: &str = "\
Freshet starts even if Kafka, a target or the schema registry is unavailable. It reports this on
/readyz and in the log, and retries. Only a wrong config or registry prevents the start.

  GET /metrics   Prometheus metrics
  GET /livez     200 while no loop is stalled, even if dependencies are unavailable
  GET /readyz    200 if every part is ready, else 503 with the parts that are not, since when, and
                 why; also the offsets that are not committed, and what they wait for

SIGTERM or Ctrl-C: stops reading, finishes purges in flight, commits, and exits within stop_within
(25 s). A second signal exits at once; unsettled changes are redelivered.
SIGHUP: reloads the registry. A bad registry is rejected, logged and counted; the current one stays
in force.

Example:
  freshet run --config freshet.yaml";

const CHECK_HELP: &str = "\
Reports every error of every file in one run, with file:line:column, the line and what to do.
docs/registry.md has every field, and a section for every code (FR0001 …).

Example, as a pull request check:
  freshet check registry/ --strict";

const PULL_HELP: &str = "\
Reads tables, columns with types, primary keys, replica identity and foreign keys with their
ON DELETE rule, so that `freshet check` works offline. Reads only the catalog. The same catalog
gives the same text. docs/registry.md describes how the catalog is translated.

Examples:
  freshet source pull --url postgres://app@db:5432/shop --password-env PGPASSWORD \\
      --server shop --output registry/sources/shop.yaml --force
  freshet source pull --url mysql://app@db:3306/shop --server shop --table shop.items";

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn help_teaches_exit_codes_and_examples() {
        let mut run = Cli::command();
        let help = run.render_long_help().to_string();
        assert!(help.contains("Exit codes"), "{help}");
        for name in ["run", "check", "source", "dlq"] {
            assert!(help.contains(name), "{help}");
        }
    }
}
