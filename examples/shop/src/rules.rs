//! What the shop's own registry says that an application must keep to.

use std::path::Path;

use anyhow::{Context, Result, anyhow};

use crate::entry::FamilyName;
use crate::readers::MaxTtls;
use crate::tally::Objectives;

/// Longest lives and objectives of the three families.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    pub(crate) ttls: MaxTtls,
    pub(crate) objectives: Objectives,
}

impl Rules {
    /// Reads them from the registry in `dir`, by the compiler that Freshet uses itself.
    ///
    /// # Errors
    /// When the registry is refused or a family is not in it.
    pub(crate) fn load(dir: &Path) -> Result<Self> {
        let loaded =
            freshet_registry::load(dir).map_err(|faults| anyhow!("{}", faults.render()))?;
        let registry = &loaded.registry;
        let family = |name: FamilyName| {
            let id = registry.family_named(name.name());
            let family = id.and_then(|id| registry.family(id));
            family.with_context(|| format!("the registry has no family {}", name.name()))
        };
        let product = family(FamilyName::Product)?;
        let category = family(FamilyName::Category)?;
        let listing = family(FamilyName::Listing)?;
        Ok(Self {
            ttls: MaxTtls {
                product: product.max_ttl,
                category: category.max_ttl,
                listing: listing.max_ttl,
            },
            objectives: Objectives {
                product: product.freshness.within,
                category: category.freshness.within,
                listing: listing.freshness.within,
            },
        })
    }
}
