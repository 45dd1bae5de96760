//! What the registry says that an application must keep to.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};

use crate::entry::Family;

/// What one family may do.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// Every entry expires after this, whatever happens.
    pub max_ttl: Duration,
    /// How stale an answer may be.
    pub within: Duration,
}

/// The rules of all families.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// `catalog.product`
    pub product: Rule,
    /// `catalog.category`
    pub category: Rule,
    /// `catalog.listing`
    pub listing: Rule,
}

impl Rules {
    /// Reads the registry in `folder` with the compiler that Freshet uses itself.
    ///
    /// # Errors
    /// When the registry is refused or a family is not in it.
    pub fn load(folder: &Path) -> Result<Self> {
        let loaded =
            freshet_registry::load(folder).map_err(|faults| anyhow!("{}", faults.render()))?;
        let rule = |name: Family| {
            let id = loaded.registry.family_named(name.name());
            let family = id.and_then(|id| loaded.registry.family(id));
            let family =
                family.with_context(|| format!("the registry has no family {}", name.name()))?;
            anyhow::Ok(Rule {
                max_ttl: family.max_ttl,
                within: family.freshness.within,
            })
        };
        Ok(Self {
            product: rule(Family::Product)?,
            category: rule(Family::Category)?,
            listing: rule(Family::Listing)?,
        })
    }

    /// The rule of a family.
    pub fn of(&self, family: Family) -> Rule {
        match family {
            Family::Product => self.product,
            Family::Category => self.category,
            Family::Listing => self.listing,
        }
    }
}
