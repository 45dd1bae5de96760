//! What a value came to.

use freshet_core::drift::Drift;

/// What a value came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// The text is what the database prints.
    pub(crate) certain: bool,
    /// The value contradicts the column's declaration.
    pub(crate) drift: Option<Drift>,
}

impl Verdict {
    pub(super) const CERTAIN: Self = Self {
        certain: true,
        drift: None,
    };
    pub(super) const UNKNOWN: Self = Self {
        certain: false,
        drift: None,
    };

    /// The value has no text, since it contradicts the declaration.
    pub(super) fn contradicted(drift: Drift) -> Self {
        Self {
            certain: false,
            drift: Some(drift),
        }
    }

    /// The same, and the value contradicts the declaration.
    pub(super) fn but(self, drift: Option<Drift>) -> Self {
        Self { drift, ..self }
    }
}

impl From<bool> for Verdict {
    fn from(certain: bool) -> Self {
        Self {
            certain,
            drift: None,
        }
    }
}
