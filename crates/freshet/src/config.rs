//! The config twice: as written, then as decided. Everything that is wrong is reported at once, with its place;
//! the rest of the program sees only what was decided.

mod beacons;
mod decide;
mod decided;
mod faults;
mod kafka;
mod providers;
mod ranges;
mod redis;
mod targets;
mod values;
mod written;
mod yaml;

use std::path::Path;

use freshet_registry::diagnostics::Diagnostics;
use freshet_registry::files::{self, CONFIG_BYTES_MAX};
use freshet_registry::yaml::{CONFIG_NODES_MAX, parse};

use crate::telemetry::LogForm;
pub(crate) use beacons::{BeaconConfig, add_beacons};
pub(crate) use decided::Config;
use faults::Faults;
pub(crate) use targets::{Target, TargetConfig, kinds_of};
use written::ConfigWritten;

/// A config that is not good.
pub(crate) struct Refused {
    /// Every fault, with its place.
    pub(crate) faults: Diagnostics,
    /// The form of log lines that it asks for, if so much of it could be read.
    pub(crate) log_form: Option<LogForm>,
}

impl From<Diagnostics> for Refused {
    fn from(faults: Diagnostics) -> Self {
        let log_form = None;
        Self { faults, log_form }
    }
}

/// Reads the file, parses and decides.
///
/// # Errors
/// Every fault of the file, with its place.
pub(crate) fn load(path: &Path) -> Result<Config, Refused> {
    match files::read_text(path, CONFIG_BYTES_MAX) {
        Ok(text) => read(path, &text),
        Err(error) => Err(faults::unreadable(path, &error).into()),
    }
}

/// Parses and decides. `path` is where the text stands.
///
/// # Errors
/// Every fault of the text, with its place.
pub(crate) fn read(path: &Path, text: &str) -> Result<Config, Refused> {
    let written: ConfigWritten =
        parse(text, CONFIG_NODES_MAX).map_err(|error| yaml::unparsable(path, &error))?;
    let base = path.parent().unwrap_or(Path::new("."));
    let log_form = written.log.form;
    let mut faults = Faults::new(path);
    let config = decide::decide(written, base, &mut faults);
    let refused = |faults| Refused { faults, log_form };
    faults.finish(config).map_err(refused)
}
