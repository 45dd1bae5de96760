//! Faults with their place, in the form that compilers have taught everybody to read.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt::Write;
use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};

use freshet_core::nearest::nearest;
use serde_saphyr::Spanned;

mod shown;
mod yaml;

use shown::{Snippet, clipped};
pub use shown::{escaped, listed};
pub use yaml::{one_of, wrong_name};

/// So many errors are kept, and so many warnings. The others are counted.
const KEPT_MAX: usize = 100;
/// So many names are compared with one that is not known.
const COMPARED_MAX: usize = 1000;

/// Where something stands. Lines and columns count from 1; zero means the file as a whole.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The file.
    pub file: PathBuf,
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl Place {
    /// A file as a whole.
    pub fn file(file: &Path) -> Self {
        Self::at(file.to_owned(), 0, 0)
    }

    /// A place in a file.
    pub fn at(file: PathBuf, line: usize, column: usize) -> Self {
        Self { file, line, column }
    }

    /// Where a value was written.
    pub fn of<T>(file: &Path, value: &Spanned<T>) -> Self {
        let place = value.referenced;
        Self::at(
            file.to_owned(),
            place.line() as usize,
            place.column() as usize,
        )
    }

    /// Where the parser stopped reading a file.
    pub fn of_error(file: &Path, error: &serde_saphyr::Error) -> Self {
        error.location().map_or(Self::file(file), |it| {
            Self::at(file.to_owned(), it.line() as usize, it.column() as usize)
        })
    }
}

/// A place with its file's text, from which the line is shown.
pub(crate) struct Spot<'a> {
    pub(crate) place: Place,
    pub(crate) text: &'a str,
}

impl Spot<'_> {
    /// A file or folder as a whole.
    pub(crate) fn whole(file: &Path) -> Self {
        Self {
            place: Place::file(file),
            text: "",
        }
    }
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The registry or config is refused.
    Error,
    /// It is accepted; somebody should look.
    Warning,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Stable code with a section in `docs/registry.md`.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong.
    pub message: String,
    /// Where.
    pub place: Place,
    /// What to do.
    pub help: Option<String>,
    /// Other places that belong to it.
    pub also: Vec<(Place, String)>,
    snippet: Option<Snippet>,
}

impl Diagnostic {
    /// An error.
    pub fn error(code: &'static str, place: Place, message: &str) -> Self {
        Self::new(Severity::Error, code, place, message)
    }

    /// A warning.
    pub fn warning(code: &'static str, place: Place, message: &str) -> Self {
        Self::new(Severity::Warning, code, place, message)
    }

    fn new(severity: Severity, code: &'static str, place: Place, message: &str) -> Self {
        let message = clipped(message);
        Self {
            code,
            severity,
            message,
            place,
            help: None,
            also: Vec::new(),
            snippet: None,
        }
    }

    /// Says what to do.
    #[must_use]
    pub fn with_help(mut self, help: &str) -> Self {
        self.help = Some(clipped(help));
        self
    }

    /// Names another place that belongs to it.
    #[must_use]
    pub fn with_also(mut self, place: Place, note: &str) -> Self {
        self.also.push((place, clipped(note)));
        self
    }

    fn render(&self, out: &mut String) {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{severity}[{}]: {}", self.code, self.message);
        let _ = writeln!(out, "  --> {}", shown(&self.place));
        if let Some(Snippet { text, caret }) = &self.snippet {
            let number = self.place.line.to_string();
            let margin = " ".repeat(number.len());
            let indent = " ".repeat(*caret);
            let _ = writeln!(
                out,
                " {margin} |\n {number} | {text}\n {margin} | {indent}^"
            );
        }
        for (place, note) in &self.also {
            let _ = writeln!(out, "  also: {}: {note}", shown(place));
        }
        if let Some(help) = &self.help {
            let _ = writeln!(out, "  help: {help}");
        }
    }
}

fn shown(place: &Place) -> String {
    let file = escaped(&place.file.to_string_lossy());
    match place.line {
        0 => file,
        line => format!("{file}:{line}:{}", place.column),
    }
}

fn counted(number: usize, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}

/// All findings of one check. However many there are, 100 errors and 100 warnings are kept; the others are counted.
#[derive(Debug, Clone, Default)]
pub struct Diagnostics {
    kept: Vec<Diagnostic>,
    errors: Found,
    warnings: Found,
    seen: Box<Seen>,
}

/// What was found, kept or not.
#[derive(Debug, Clone, Default)]
struct Seen {
    /// Files with an error.
    faulty: BTreeSet<PathBuf>,
    /// Hashes of all findings: a template is looked at once for each table, its faults are reported once.
    known: HashSet<u64>,
    seed: RandomState,
    acknowledged: Acknowledged,
}

/// Warnings that a file has acknowledged, by their codes, and whether they arose.
type Acknowledged = BTreeMap<PathBuf, BTreeMap<String, bool>>;

/// Findings of one severity.
#[derive(Debug, Clone, Copy, Default)]
struct Found {
    all: usize,
    kept: usize,
}

impl Diagnostics {
    /// Adds a finding; `text` is the file's, from which the line is shown.
    pub fn push(&mut self, mut found: Diagnostic, text: &str) {
        if !self.count(&found) {
            return;
        }
        let place = &found.place;
        found.snippet = Snippet::of(text, place.line, place.column);
        self.kept.push(found);
    }

    /// Adds an error.
    pub(crate) fn error(&mut self, code: &'static str, at: Spot<'_>, message: &str, help: &str) {
        let fault = Diagnostic::error(code, at.place, message).with_help(help);
        self.push(fault, at.text);
    }

    /// Adds a warning, unless its file has acknowledged it.
    pub(crate) fn warning(&mut self, code: &'static str, at: Spot<'_>, message: &str, help: &str) {
        if !self.is_acknowledged(&at.place.file, code) {
            let fault = Diagnostic::warning(code, at.place, message).with_help(help);
            self.push(fault, at.text);
        }
    }

    /// From now on a warning with this code is not added for this file.
    pub(crate) fn acknowledge(&mut self, file: &Path, code: &str) {
        let acknowledged = &mut self.seen.acknowledged;
        let of_file = acknowledged.entry(file.to_owned()).or_default();
        of_file.insert(code.to_owned(), false);
    }

    /// Whether a warning that arises is acknowledged, which is remembered.
    pub(crate) fn is_acknowledged(&mut self, file: &Path, code: &str) -> bool {
        let of_file = self.seen.acknowledged.get_mut(file);
        let arose = of_file.and_then(|of_file| of_file.get_mut(code));
        arose.map(|arose| *arose = true).is_some()
    }

    /// Whether a warning arose that this file acknowledges.
    pub(crate) fn arose(&self, file: &Path, code: &str) -> bool {
        let of_file = self.seen.acknowledged.get(file);
        of_file.and_then(|of_file| of_file.get(code)) == Some(&true)
    }

    /// Counts a finding. Whether it is to be kept: it is new, and not too many are.
    fn count(&mut self, found: &Diagnostic) -> bool {
        let identity = (found.code, &found.place, &found.message);
        let seen = &mut *self.seen;
        if !seen.known.insert(seen.seed.hash_one(identity)) {
            return false;
        }
        let counted = match found.severity {
            Severity::Error => {
                if !seen.faulty.contains(&found.place.file) {
                    seen.faulty.insert(found.place.file.clone());
                }
                &mut self.errors
            }
            Severity::Warning => &mut self.warnings,
        };
        counted.all += 1;
        let is_kept = counted.kept < KEPT_MAX;
        counted.kept += usize::from(is_kept);
        is_kept
    }

    /// Adds what a YAML error says, at its place.
    pub(crate) fn yaml_error(&mut self, path: &Path, text: &str, error: &serde_saphyr::Error) {
        let place = Place::of_error(path, error);
        let error = error.without_snippet();
        let fault = match yaml::wrong_name(error, "docs/registry.md") {
            Some((message, help)) => Diagnostic::error("FR0002", place, &message).with_help(&help),
            None => Diagnostic::error("FR0002", place, &yaml::message_of(error)),
        };
        self.push(fault, text);
    }

    /// How many were found.
    pub fn len(&self) -> usize {
        self.errors.all + self.warnings.all
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether an error is among them.
    pub fn has_errors(&self) -> bool {
        self.errors.all > 0
    }

    /// Whether further errors are only counted, so that none needs a help that takes time to make.
    pub fn is_full(&self) -> bool {
        self.errors.kept >= KEPT_MAX
    }

    /// Whether an error was found in this file.
    pub(crate) fn has_errors_in(&self, path: &Path) -> bool {
        self.seen.faulty.contains(path)
    }

    /// The name that was probably meant by `word`, as a help begins with it. Comparing takes time, so that only an
    /// error that is kept has one.
    pub(crate) fn meant<'a>(&self, word: &str, names: impl Iterator<Item = &'a str>) -> String {
        let near = match self.is_full() {
            false => nearest(word, names.take(COMPARED_MAX)),
            true => None,
        };
        near.map_or_else(String::new, |near| format!("did you mean `{near}`? "))
    }

    /// The findings that are kept.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.kept.iter()
    }

    /// Kept findings as text, by place, errors first, with a closing line that counts all.
    pub fn render(&self) -> String {
        let mut sorted: Vec<&Diagnostic> = self.kept.iter().collect();
        sorted.sort_by(|one, other| {
            (one.severity, &one.place, one.code).cmp(&(other.severity, &other.place, other.code))
        });
        let mut out = String::new();
        for found in &sorted {
            found.render(&mut out);
            out.push('\n');
        }
        for (found, what) in [(self.errors, "error"), (self.warnings, "warning")] {
            if found.all > found.kept {
                let _ = writeln!(
                    out,
                    "… and {} more\n",
                    counted(found.all - found.kept, what)
                );
            }
        }
        let errors = counted(self.errors.all, "error");
        let warnings = counted(self.warnings.all, "warning");
        let _ = writeln!(out, "{errors}, {warnings}");
        out
    }
}

#[cfg(test)]
mod tests;
