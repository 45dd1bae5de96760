//! `freshet check`: the registry's rules and the families' examples, offline.

use freshet_registry::Loaded;
use freshet_registry::diagnostics::escaped;

use crate::cli::CheckArgs;
use crate::exit::Exit;
use crate::own_topics::OwnTopics;
use crate::rules::today;

/// Runs the command. Findings go to standard error, the summary to standard output.
#[allow(clippy::print_stdout)] // the command's answer
pub(crate) fn check(args: &CheckArgs) -> Exit {
    match freshet_registry::load_on(&args.dir, today()) {
        Ok(loaded) => {
            // No config is known here, so Freshet's own topics have their usual names.
            if let Err(faults) = OwnTopics::usual().check(&loaded.registry) {
                eprintln!("{faults}");
                return Exit::BadInput;
            }
            if !loaded.warnings.is_empty() {
                eprintln!("{}", loaded.warnings.render().trim_end());
            }
            if args.print {
                return print(&loaded, args.strict);
            }
            println!(
                "{}: {} families over {} tables in {} files, {} examples passed, {} warnings, revision {}",
                args.dir.display(),
                loaded.registry.families.len(),
                loaded.registry.tables.len(),
                loaded.files,
                loaded.examples.run,
                loaded.warnings.len(),
                loaded.registry.revision.content_hash
            );
            judged(&loaded, args.strict)
        }
        Err(faults) => {
            eprintln!("{}", faults.render().trim_end());
            Exit::BadInput
        }
    }
}

/// What the files mean, each as a YAML document behind its path.
#[allow(clippy::print_stdout)] // the command's answer
fn print(loaded: &Loaded, strict: bool) -> Exit {
    match loaded.decided.files() {
        Ok(files) => {
            for (path, text) in files {
                print!("---\n# {}\n{text}", escaped(&path.to_string_lossy()));
            }
            judged(loaded, strict)
        }
        Err(error) => {
            eprintln!("error: the registry cannot be printed: {error}");
            Exit::Failed
        }
    }
}

fn judged(loaded: &Loaded, strict: bool) -> Exit {
    match strict && !loaded.warnings.is_empty() {
        true => Exit::BadInput,
        false => Exit::Clean,
    }
}
