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
    /// Consume changes and purge caches until told to stop (SIGTERM or Ctrl-C)
    #[command(after_long_help = RUN_HELP)]
    Run(RunArgs),
    /// Check a registry directory: every rule, and the families' examples as unit tests
    #[command(after_long_help = CHECK_HELP)]
    Check(CheckArgs),
    /// Work with source files, the registry's picture of your tables
    Source {
        /// What to do with them.
        #[command(subcommand)]
        command: SourceCommand,
    },
    /// Work with dead letters: what could not be used and was put aside
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
    /// Read and check config and registry, print what would run, and end
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Form of the log lines; overrides the config
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
    /// Print what the files mean, with every default written out, as YAML that reads as the same registry
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
    /// postgres://user@host:port/database or mysql://user@host:port/database, without a password; for TLS with
    /// ?sslmode=require (encrypted) or ?sslmode=verify-full (the certificate is checked too)
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
    /// A file of certificate authorities as PEM that may vouch for the database's certificate
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,
    /// Address of Kafka Connect's REST API, to read how the connector writes the log
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
    /// Replace the output file if it is there
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
Freshet starts although Kafka, a target or the schema registry is away, says so on /readyz and in
its log, and goes on trying. It refuses to start only on a wrong config or registry.

  GET /metrics   Prometheus metrics
  GET /livez     200 while the loops go round, whatever is away
  GET /readyz    200 when everything is there, else 503 and what is not, since when, and why; which
                 offsets are not committed, and what they wait for

SIGTERM or Ctrl-C: takes nothing more, finishes purges under way, commits, and leaves within
stop_within (25 s). A second signal leaves at once; what was not settled comes again.
SIGHUP: reads the registry again. A bad one is refused, told and counted; the one before stays in force.

Example:
  freshet run --config freshet.yaml";

const CHECK_HELP: &str = "\
Prints every fault of every file at once, each with file:line:column, the text and what to do.
docs/registry.md has every field, and a section for every code (FR0001 …).

Example, as a pull request check:
  freshet check registry/ --strict";

const PULL_HELP: &str = "\
Reads tables, columns with types, primary keys, replica identity and foreign keys with their
ON DELETE rule, so that `freshet check` knows offline what a row can say. Only reads. The same
catalog gives the same text; docs/registry.md says what it makes of what it finds.

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
