//! Whether a family purges.

use serde::{Serialize, Serializer};
use time::Date;

use crate::at::At;
use crate::decided::day;
use crate::decided::deciding::{Deciding, inside_call};

const CODE: &str = "FR0026";

/// Whether a family purges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lifecycle {
    /// Not yet.
    Draft,
    /// Yes.
    Active,
    /// Yes, until a day, where one is given.
    Deprecated(Option<Date>),
    /// No more.
    Retired,
}

impl Lifecycle {
    /// Whether it does.
    pub(crate) fn purges(self) -> bool {
        matches!(self, Self::Active | Self::Deprecated(_))
    }
}

impl Serialize for Lifecycle {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Draft => serializer.serialize_str("draft"),
            Self::Active => serializer.serialize_str("active"),
            Self::Deprecated(None) => serializer.serialize_str("deprecated"),
            Self::Deprecated(Some(until)) => {
                serializer.collect_str(&format_args!("deprecated({until})"))
            }
            Self::Retired => serializer.serialize_str("retired"),
        }
    }
}

/// The lifecycle that a file says.
pub(super) fn decide(deciding: &mut Deciding<'_>) -> At<Lifecycle> {
    let written = &deciding.file.lifecycle;
    let lifecycle = match written.as_str() {
        "draft" => Lifecycle::Draft,
        "active" => Lifecycle::Active,
        "deprecated" => Lifecycle::Deprecated(None),
        "retired" => Lifecycle::Retired,
        other => match inside_call(other, "deprecated") {
            Some(inside) if !inside.trim().is_empty() => {
                let until = day::parse(inside);
                if until.is_none() {
                    let message = "`deprecated(…)` has no valid date";
                    let help =
                        "give the last day on which it purges, such as deprecated(2027-01-31)";
                    deciding.error(CODE, written, message, help);
                }
                Lifecycle::Deprecated(until)
            }
            _ => {
                unknown(deciding, written);
                Lifecycle::Draft
            }
        },
    };
    written.means(lifecycle)
}

fn unknown(deciding: &mut Deciding<'_>, written: &At<String>) {
    let planned = match written.as_str() {
        "shadow" => "shadow",
        other if other.starts_with("canary") => "canary",
        _ => {
            let choices = "draft, active, deprecated(until), retired";
            return deciding.choice(CODE, written, "is not a lifecycle", choices);
        }
    };
    let message = format!("`{planned}` is not supported yet");
    let help = "use draft (purges nothing) or active";
    deciding.error(CODE, written, &message, help);
}
