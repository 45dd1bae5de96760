//! What the program `freshet` does: command line, config, telemetry, and the only place where adapters are named
//! together. The program itself only calls [`main`]; the fuzzer reads configs through [`check_config`].

mod admin;
mod allocator;
mod check;
mod cli;
mod config;
mod dlq;
mod exit;
mod files;
mod looks;
mod own_topics;
mod parts;
mod purger;
mod reload;
mod rules;
mod run;
mod signals;
mod source_pull;
mod telemetry;
mod topics;

use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use freshet_registry::diagnostics::Diagnostics;

use crate::cli::{Cli, Command, SchemaOf, SourceCommand};
use crate::exit::Exit;

/// Does what the command line of this process says, and gives its exit code.
pub fn main() -> ExitCode {
    let exit = match Cli::parse().command {
        Command::Run(args) => {
            allocator::keep_large_blocks();
            run::run(&args)
        }
        Command::Check(args) => check::check(&args),
        Command::Source {
            command: SourceCommand::Pull(args),
        } => source_pull::pull(&args),
        Command::Dlq { command } => dlq::run(&command),
        Command::Schema { file } => schema(file),
        Command::Completions { shell } => {
            let mut command = Cli::command();
            clap_complete::generate(shell, &mut command, "freshet", &mut std::io::stdout());
            Exit::Clean
        }
    };
    exit.into()
}

/// Checks the text of a config file as `freshet run` does. The secrets and the registry that it names are looked for
/// beside `path`; the file itself need not be there.
///
/// # Errors
/// Every fault of the text, with its place.
pub fn check_config(path: &Path, text: &str) -> Result<(), Diagnostics> {
    match config::read(path, text) {
        Ok(_) => Ok(()),
        Err(refused) => Err(refused.faults),
    }
}

#[allow(clippy::print_stdout)] // the command's answer
fn schema(file: SchemaOf) -> Exit {
    print!("{}", file.text());
    Exit::Clean
}
