//! Collects the faults of a config file, each with its place, and reads the small value forms.

use std::io;
use std::path::Path;
use std::time::Duration;

use freshet_registry::diagnostics::{Diagnostic, Diagnostics, Place};
use serde_saphyr::Spanned;

use crate::config::written::SecretWritten;

/// Faults found so far.
pub(crate) struct Faults<'a> {
    path: &'a Path,
    text: &'a str,
    found: Diagnostics,
}

/// The file itself cannot be read.
pub(crate) fn unreadable(path: &Path, error: &io::Error) -> Diagnostics {
    let mut found = Diagnostics::default();
    let fault = Diagnostic::error(
        "FC0001",
        Place::file(path),
        &format!("cannot be read: {error}"),
    )
    .with_help("name the config file with --config FILE");
    found.push(fault, "");
    found
}

/// The file is not the YAML that a config is.
pub(crate) fn unparsable(path: &Path, text: &str, error: &serde_saphyr::Error) -> Diagnostics {
    Diagnostics::from_yaml_error("FC0002", path, text, error)
}

impl<'a> Faults<'a> {
    pub(crate) fn new(path: &'a Path, text: &'a str) -> Self {
        Self {
            path,
            text,
            found: Diagnostics::default(),
        }
    }

    /// Where `value` stands.
    pub(crate) fn place<T>(&self, value: &Spanned<T>) -> Place {
        Place::of(self.path, value)
    }

    /// Notes a fault at the place of `value`.
    pub(crate) fn add<T>(&mut self, value: &Spanned<T>, message: &str, help: &str) {
        let fault = Diagnostic::error("FC0003", self.place(value), message).with_help(help);
        self.found.push(fault, self.text);
    }

    /// `config` when nothing was found.
    pub(crate) fn finish<T>(self, config: T) -> Result<T, Diagnostics> {
        if self.found.is_empty() {
            Ok(config)
        } else {
            Err(self.found)
        }
    }

    /// A duration such as `250ms`, `2s`, `5m`, `24h`.
    pub(crate) fn duration(
        &mut self,
        written: Option<&Spanned<String>>,
        usual: Duration,
    ) -> Duration {
        let Some(written) = written else { return usual };
        freshet_registry::duration::parse(&written.value).unwrap_or_else(|| {
            self.add(
                written,
                &format!("`{}` is not a duration", written.value),
                "a whole number and a unit: 250ms, 2s, 5m, 24h, 28d",
            );
            usual
        })
    }

    /// A number with a lower bound.
    pub(crate) fn at_least(
        &mut self,
        least: u32,
        written: Option<&Spanned<u32>>,
        usual: u32,
    ) -> u32 {
        let Some(written) = written else { return usual };
        if written.value < least {
            self.add(
                written,
                &format!("`{}` is too small", written.value),
                &format!("at least {least}"),
            );
            return usual;
        }
        written.value
    }

    /// A URL with one of `schemes`.
    pub(crate) fn url(&mut self, written: &Spanned<String>, schemes: &[&str]) {
        let url = &written.value;
        let known = url.split_once("://").is_some_and(|(scheme, rest)| {
            schemes.contains(&scheme) && !rest.is_empty() && !rest.starts_with('/')
        });
        if !known {
            let forms: Vec<String> = schemes
                .iter()
                .map(|it| format!("{it}://host:port"))
                .collect();
            // The value is not repeated: it may hold a password.
            self.add(written, "is not such a URL", &forms.join(" or "));
        }
    }

    /// A secret from the environment or a file. Its value never appears in a fault.
    pub(crate) fn secret(&mut self, written: &Spanned<SecretWritten>, base: &Path) -> String {
        let read = match (&written.value.env, &written.value.file) {
            (Some(name), None) => std::env::var(name)
                .map_err(|_| format!("environment variable `{name}` is not set, or is not UTF-8")),
            (None, Some(file)) => std::fs::read_to_string(base.join(file))
                .map(|text| text.trim_end_matches(['\r', '\n']).to_owned())
                .map_err(|error| format!("secret file `{file}` cannot be read: {error}")),
            _ => Err("a secret comes from exactly one place".to_owned()),
        };
        read.unwrap_or_else(|message| {
            self.add(
                written,
                &message,
                "give `{ env: NAME }` or `{ file: PATH }`",
            );
            String::new()
        })
    }
}
