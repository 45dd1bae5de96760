//! Instructions of decode and resolve, counted by callgrind: the same on a busy machine as on an idle one.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};

use crate::case::Form;

/// Records that `decode_cost` decodes in one pass.
const RECORDS: u64 = 500;
const PASSES: u64 = 20;

/// Instructions for each event.
#[derive(Debug, Clone, Copy)]
pub struct Instructions {
    /// Record to change.
    pub decode: f64,
    /// Change to names.
    pub resolve: f64,
}

/// Counts with the `decode_cost` of `programs`.
///
/// # Errors
/// When valgrind is not there or the program fails.
pub fn count(programs: &Path, form: Form) -> anyhow::Result<Instructions> {
    let program = programs.join("decode_cost");
    let decode = each(&program, form, false)?;
    let both = each(&program, form, true)?;
    Ok(Instructions {
        decode,
        resolve: both - decode,
    })
}

/// The difference of two runs has nothing of the start in it.
fn each(program: &Path, form: Form, resolving: bool) -> anyhow::Result<f64> {
    let few = total(program, form, 1, resolving)?;
    let many = total(program, form, 1 + PASSES, resolving)?;
    Ok((many - few) as f64 / (PASSES * RECORDS) as f64)
}

fn total(program: &Path, form: Form, passes: u64, resolving: bool) -> anyhow::Result<u64> {
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
    command.arg(program).args(["--form", form.name()]);
    command.args(["--passes", &passes.to_string()]);
    if resolving {
        command.arg("--resolve");
    }
    let output = command.output().context("start valgrind")?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        bail!("{} under valgrind: {said}", program.display());
    }
    let line = said.lines().find_map(|line| line.split_once("Collected :"));
    let number = line.context("callgrind's sum")?.1.trim();
    Ok(number.parse()?)
}
