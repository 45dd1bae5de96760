//! Written words → values. A word that means nothing is reported, and what is meant without it goes on.

use std::time::Duration;

use freshet_core::setting::Setting;

use crate::at::{At, InFile};
use crate::diagnostics::Diagnostics;
use crate::duration;
use crate::written::family::FamilyFile;

/// A family file while it is decided.
pub(super) struct Deciding<'a> {
    pub(super) file: &'a InFile<FamilyFile>,
    pub(super) found: &'a mut Diagnostics,
}

impl Deciding<'_> {
    pub(super) fn error<T>(&mut self, code: &'static str, at: &At<T>, message: &str, help: &str) {
        self.found.error(code, self.file.spot(at), message, help);
    }

    /// A word that is none of the choices, which are listed with `, ` between them.
    pub(super) fn choice(
        &mut self,
        code: &'static str,
        at: &At<String>,
        message: &str,
        choices: &str,
    ) {
        // What stands in brackets is the writer's.
        let word = at.split('(').next().unwrap_or_default();
        let names = choices
            .split(", ")
            .filter_map(|choice| choice.split('(').next());
        let help = format!("{}one of: {choices}", self.found.meant(word, names));
        self.error(code, at, message, &help);
    }

    /// The setting that a word names, which is `usual` where none is written. Another word `is not` one.
    pub(super) fn setting<W: Setting>(
        &mut self,
        written: Option<&At<String>>,
        usual: W,
        is_not: &str,
    ) -> At<W> {
        let Some(written) = written else {
            return At::nowhere(usual);
        };
        let setting = W::named(written);
        if setting.is_none() {
            self.choice("FR0003", written, is_not, &W::WORDS.join(", "));
        }
        written.means(setting.unwrap_or(usual))
    }

    pub(super) fn duration(&mut self, written: &At<String>) -> Duration {
        let duration = duration::parse(written).filter(|duration| !duration.is_zero());
        duration.unwrap_or_else(|| {
            let message = format!("`{}` is not a duration", written.value);
            let help = "a whole number and a unit: 250ms, 2s, 5m, 24h, 28d";
            self.error("FR0003", written, &message, help);
            Duration::from_secs(1)
        })
    }
}

/// What stands between the brackets of `name(…)`.
pub(super) fn inside_call<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let inside = text.strip_prefix(name)?.strip_prefix('(')?;
    inside.strip_suffix(')')
}
