//! Collects the faults of a config file, each with its place, and reads the small value forms.

use std::path::Path;
use std::time::Duration;

use freshet_core::secret::Secret;
use freshet_kafka::PropertyError;
use freshet_registry::diagnostics::{Diagnostic, Diagnostics, Place, one_of};
use freshet_registry::files::{self, AUTHORITIES_BYTES_MAX, FileError, SECRET_BYTES_MAX};
use serde_saphyr::Spanned;

use super::ranges::{Numbers, Times};
use super::values::{AddressWritten, DurationWritten, SECRET_FORM, SecretWritten};

/// Faults found so far.
pub(crate) struct Faults<'a> {
    path: &'a Path,
    found: Diagnostics,
}

/// The file itself cannot be read.
pub(crate) fn unreadable(path: &Path, error: &FileError) -> Diagnostics {
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

/// Whether a text has the form of a URL with a user in it.
pub(crate) fn holds_credentials(text: &str) -> bool {
    text.split_once("://")
        .is_some_and(|(_, rest)| rest.contains('@'))
}

/// What a URL may be.
pub(crate) struct UrlRule {
    pub(crate) schemes: &'static [&'static str],
    /// Where credentials belong, which never stand in a URL.
    pub(crate) credentials: &'static str,
}

impl<'a> Faults<'a> {
    pub(crate) fn new(path: &'a Path) -> Self {
        Self {
            path,
            found: Diagnostics::default(),
        }
    }

    /// Where `value` stands.
    pub(crate) fn place<T>(&self, value: &Spanned<T>) -> Place {
        Place::of(self.path, value)
    }

    /// Notes a fault at the place of `value`. The line is not shown: a secret may stand in it.
    pub(crate) fn add<T>(&mut self, value: &Spanned<T>, message: &str, help: &str) {
        let fault = Diagnostic::error("FC0003", self.place(value), message).with_help(help);
        self.found.push(fault, "");
    }

    /// How many faults were found so far.
    pub(crate) fn count(&self) -> usize {
        self.found.len()
    }

    /// Notes that `word` is none of `choices`.
    pub(crate) fn choice<T>(&mut self, value: &Spanned<T>, word: &str, choices: &[&str]) {
        let help = one_of(word, choices);
        self.add(value, &format!("unknown value `{word}`"), &help);
    }

    /// Notes what is wrong with a property of librdkafka.
    pub(crate) fn property<T>(&mut self, value: &Spanned<T>, error: &PropertyError) {
        let help = match self.found.is_full() {
            true => String::new(),
            false => error.help(),
        };
        self.add(value, &error.to_string(), &help);
    }

    /// The certificate authorities of a PEM file, relative to `base`.
    pub(crate) fn authorities(
        &mut self,
        written: &Spanned<String>,
        base: &Path,
    ) -> Option<Vec<u8>> {
        let help = "name a PEM file with the authorities to trust, relative to the config file";
        match files::read(&base.join(&written.value), AUTHORITIES_BYTES_MAX) {
            Err(error) => self.add(written, &format!("cannot be read: {error}"), help),
            Ok(pem) => match freshet_redis::check_authorities(&pem) {
                Err(error) => self.add(written, &error.to_string(), help),
                Ok(()) => return Some(pem),
            },
        }
        None
    }

    /// `config` when nothing was found.
    pub(crate) fn finish<T>(self, config: T) -> Result<T, Diagnostics> {
        if self.found.is_empty() {
            Ok(config)
        } else {
            Err(self.found)
        }
    }

    /// A duration such as `250ms`, `2s`, `5m`, `24h`, within its range.
    pub(crate) fn duration(
        &mut self,
        written: Option<&Spanned<DurationWritten>>,
        range: &Times,
    ) -> Duration {
        let Some(written) = written else {
            return range.usual;
        };
        let Some(duration) = freshet_registry::duration::parse(&written.value.0) else {
            let help = "a whole number and a unit: 250ms, 2s, 5m, 24h, 28d";
            self.add(written, "is not a duration", help);
            return range.usual;
        };
        if duration < range.least || duration > range.most {
            let message = if duration < range.least {
                "is too short"
            } else {
                "is too long"
            };
            let help = format!("from {:?} to {:?}", range.least, range.most);
            self.add(written, message, &help);
            return range.usual;
        }
        duration
    }

    /// A number within its range.
    pub(crate) fn number(&mut self, written: Option<&Spanned<u32>>, range: &Numbers) -> u32 {
        let Some(written) = written else {
            return range.usual;
        };
        if written.value < range.least || written.value > range.most {
            let size = if written.value < range.least {
                "small"
            } else {
                "large"
            };
            let message = format!("`{}` is too {size}", written.value);
            let help = format!("from {} to {}", range.least, range.most);
            self.add(written, &message, &help);
            return range.usual;
        }
        written.value
    }

    /// A URL as `rule` says. The value is never repeated: it may hold a password.
    pub(crate) fn url(&mut self, written: &Spanned<AddressWritten>, rule: &UrlRule) {
        self.url_text(written, &written.value.0, rule);
    }

    /// The same for `url`, which is a part of what is written.
    pub(crate) fn url_text<T>(&mut self, written: &Spanned<T>, url: &str, rule: &UrlRule) {
        let known = url.split_once("://").is_some_and(|(scheme, rest)| {
            rule.schemes.contains(&scheme) && !rest.is_empty() && !rest.starts_with('/')
        });
        if url.contains('@') {
            self.add(written, "contains credentials", rule.credentials);
        } else if !known {
            let forms = rule.schemes.iter().map(|it| format!("{it}://host:port"));
            let forms: Vec<String> = forms.collect();
            self.add(written, "is not a valid URL", &forms.join(" or "));
        } else if url.contains(['?', '#']) || url.contains(char::is_whitespace) {
            let message = "contains a query, a fragment or a blank";
            self.add(
                written,
                message,
                "give only the address; there are separate fields for secrets",
            );
        }
    }

    /// A secret from the environment or a file. Its value never appears in a fault.
    pub(crate) fn secret(&mut self, written: &Spanned<SecretWritten>, base: &Path) -> Secret {
        let read = match (&written.value.env, &written.value.file) {
            (Some(name), None) => std::env::var(name).map_err(|_| {
                let name = shown(name);
                format!("the environment variable{name} is not set, or is not UTF-8")
            }),
            // The path is not repeated: somebody may have written the secret itself.
            (None, Some(file)) => files::read_text(&base.join(file), SECRET_BYTES_MAX)
                .map(|text| text.trim_end_matches(['\r', '\n']).to_owned())
                .map_err(|error| format!("the secret file cannot be read: {error}")),
            _ => Err("give exactly one of env and file".to_owned()),
        };
        let read = read.and_then(|text| match text.is_empty() {
            true => Err("the secret is empty".to_owned()),
            false => Ok(text),
        });
        let read = read.unwrap_or_else(|message| {
            self.add(written, &message, SECRET_FORM);
            String::new()
        });
        Secret::from(read)
    }
}

/// The name of an environment variable, if it looks like one: somebody may have written the secret itself.
fn shown(name: &str) -> String {
    let usual = |it: u8| it.is_ascii_uppercase() || it == b'_';
    match name.bytes().any(usual) && name.bytes().all(|it| usual(it) || it.is_ascii_digit()) {
        true => format!(" `{name}`"),
        false => String::new(),
    }
}
