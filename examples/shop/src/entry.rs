//! What the shop caches: one entry per product, category and listing, under the registry's names.

use std::fmt;

/// One cached thing. Its `Display` is its Redis key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Entry {
    /// A product.
    Product(i64),
    /// A category's own row.
    Category(i64),
    /// The products of a category, with those it features.
    Listing(i64),
}

impl Entry {
    /// The entry that a Redis key names; none for keys that are not ours.
    pub fn of_redis_key(redis_key: &str) -> Option<Self> {
        let (noun, id) = redis_key.strip_prefix("catalog:v1:")?.split_once(':')?;
        let id = id.parse().ok()?;
        match noun {
            "product" => Some(Self::Product(id)),
            "category" => Some(Self::Category(id)),
            "listing" => Some(Self::Listing(id)),
            _ => None,
        }
    }

    /// Its family.
    pub fn family(self) -> Family {
        match self {
            Self::Product(_) => Family::Product,
            Self::Category(_) => Family::Category,
            Self::Listing(_) => Family::Listing,
        }
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Product(id) => write!(out, "catalog:v1:product:{id}"),
            Self::Category(id) => write!(out, "catalog:v1:category:{id}"),
            Self::Listing(id) => write!(out, "catalog:v1:listing:{id}"),
        }
    }
}

/// The families of the shop's registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// `catalog.product`
    Product,
    /// `catalog.category`
    Category,
    /// `catalog.listing`
    Listing,
}

impl Family {
    /// The name in the registry, which is the tag of the whole family too.
    pub fn name(self) -> &'static str {
        match self {
            Self::Product => "catalog.product",
            Self::Category => "catalog.category",
            Self::Listing => "catalog.listing",
        }
    }
}

/// A page of the shop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Page {
    /// `/p/{id}`
    Product(i64),
    /// `/c/{id}`
    Category(i64),
}

impl Page {
    /// The path under the shop's address.
    pub fn path(self) -> String {
        match self {
            Self::Product(id) => format!("/p/{id}"),
            Self::Category(id) => format!("/c/{id}"),
        }
    }

    /// The entries the page is made of, in the order in which it shows them.
    pub fn entries(self) -> Vec<Entry> {
        match self {
            Self::Product(id) => vec![Entry::Product(id)],
            Self::Category(id) => vec![Entry::Category(id), Entry::Listing(id)],
        }
    }
}

#[cfg(test)]
mod tests;
