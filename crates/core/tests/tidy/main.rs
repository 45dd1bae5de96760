//! What the compiler does not hold: the import law, sizes, names, and what must never stand in a file.
//!
//! Every rule names all offenders with file and line. A rule that is in the way is changed here, with its
//! reason, and never worked around.

mod circles;
mod door;
mod imports;
mod production;
mod promises;
mod shapes;
mod sources;
mod texts;
mod workspace;

/// One offence: where, and what is wrong there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Offence {
    file: String,
    line: usize,
    what: String,
}

impl Offence {
    fn new(file: &str, line: usize, what: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            line,
            what: what.into(),
        }
    }
}

/// Fails with every offence, one a line, as editors and terminals link them.
fn assert_tidy(rule: &str, mut offences: Vec<Offence>) {
    offences.sort();
    let lines = offences
        .iter()
        .map(|offence| format!("{}:{}: {}", offence.file, offence.line, offence.what));
    let listed: Vec<String> = lines.collect();
    assert!(
        listed.is_empty(),
        "{rule}: {} offences\n{}",
        listed.len(),
        listed.join("\n")
    );
}
