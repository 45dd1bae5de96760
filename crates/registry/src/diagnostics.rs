//! Faults with their place, in the form that compilers have taught everybody to read.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use serde_saphyr::Spanned;

/// Where something stands. Lines and columns count from 1; zero means the file as a whole.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
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
    line_text: Option<String>,
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
        let message = message.to_owned();
        Self {
            code,
            severity,
            message,
            place,
            help: None,
            also: Vec::new(),
            line_text: None,
        }
    }

    /// Says what to do.
    #[must_use]
    pub fn with_help(mut self, help: &str) -> Self {
        self.help = Some(help.to_owned());
        self
    }

    /// Names another place that belongs to it.
    #[must_use]
    pub fn with_also(mut self, place: Place, note: &str) -> Self {
        self.also.push((place, note.to_owned()));
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
        if let Some(text) = &self.line_text {
            let number = self.place.line.to_string();
            let margin = " ".repeat(number.len());
            let indent = " ".repeat(self.place.column.saturating_sub(1));
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
    match place.line {
        0 => place.file.display().to_string(),
        line => format!("{}:{line}:{}", place.file.display(), place.column),
    }
}

fn counted(number: usize, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}

/// All findings of one check.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Diagnostics(Vec<Diagnostic>);

impl Diagnostics {
    /// Adds a finding; `text` is the file's, from which the line is shown.
    pub fn push(&mut self, mut found: Diagnostic, text: &str) {
        if found.place.line > 0 {
            let line = text.lines().nth(found.place.line - 1);
            // A line may be as long as a file; what is shown is not.
            found.line_text = line.map(|line| line.chars().take(160).collect());
        }
        // A template is compiled once for each table, its faults are told once.
        if !self.0.contains(&found) {
            self.0.push(found);
        }
    }

    /// What a YAML error says, at its place.
    pub fn from_yaml_error(
        code: &'static str,
        path: &Path,
        text: &str,
        error: &serde_saphyr::Error,
    ) -> Self {
        let place = error.location().map_or(Place::file(path), |it| {
            Place::at(path.to_owned(), it.line() as usize, it.column() as usize)
        });
        let told = error.to_string();
        // The first line says what is wrong; the rest draws what is drawn here too.
        let message = told.lines().next().unwrap_or("not valid YAML");
        let message = message.strip_prefix("error: ").unwrap_or(message);
        // The place is told beside it.
        let message = match message
            .strip_prefix("line ")
            .and_then(|rest| rest.split_once(": "))
        {
            Some((_, rest)) => rest,
            None => message,
        };
        let mut found = Self::default();
        found.push(Diagnostic::error(code, place, message), text);
        found
    }

    /// Takes over all of `other`.
    pub fn extend(&mut self, other: Diagnostics) {
        self.0.extend(other.0);
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether an error is among them.
    pub fn has_errors(&self) -> bool {
        self.0.iter().any(|found| found.severity == Severity::Error)
    }

    /// The findings.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.0.iter()
    }

    /// All findings as text, by place, errors first, with a closing line that counts them.
    pub fn render(&self) -> String {
        let mut sorted: Vec<&Diagnostic> = self.0.iter().collect();
        sorted.sort_by(|one, other| {
            (one.severity, &one.place, one.code).cmp(&(other.severity, &other.place, other.code))
        });
        let mut out = String::new();
        for found in &sorted {
            found.render(&mut out);
            out.push('\n');
        }
        let errors = sorted
            .iter()
            .filter(|found| found.severity == Severity::Error)
            .count();
        let warnings = sorted.len() - errors;
        let (errors, warnings) = (counted(errors, "error"), counted(warnings, "warning"));
        let _ = writeln!(out, "{errors}, {warnings}");
        out
    }
}
