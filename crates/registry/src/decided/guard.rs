//! How readers keep an old row from being stored after its purge.

use std::fmt::{self, Display, Formatter};

use serde::{Serialize, Serializer};

use crate::at::At;
use crate::decided::deciding::{Deciding, inside_call};

/// How readers keep an old row from being stored after its purge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Guard {
    /// They do not.
    None,
    /// By a lease in the entry.
    Lease,
    /// By the version in this column.
    Version(String),
}

impl Display for Guard {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => out.write_str("none"),
            Self::Lease => out.write_str("lease"),
            Self::Version(column) => write!(out, "version({column})"),
        }
    }
}

impl Serialize for Guard {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The guard that a file says.
pub(super) fn decide(deciding: &mut Deciding<'_>) -> At<Guard> {
    let Some(written) = &deciding.file.guard else {
        return At::nowhere(Guard::None);
    };
    let version = inside_call(written, "version").filter(|column| !column.trim().is_empty());
    written.means(match (written.as_str(), version) {
        ("lease", _) => Guard::Lease,
        (_, Some(column)) => Guard::Version(column.to_owned()),
        ("none", _) => Guard::None,
        _ => {
            let choices = "none, lease, version(column)";
            deciding.choice("FR0003", written, "is not a guard", choices);
            Guard::None
        }
    })
}
