//! The shop's rows in memory, and what caches hold of them, whichever database the rows are in.
//!
//! Every commit raises the revision of each entry it makes stale, so that an answer tells by itself which
//! commit it has seen.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::entry::{Entry, Page};

/// A row of `products`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Product {
    /// Its key.
    pub id: i64,
    /// The category whose listing shows it.
    pub category_id: i64,
    /// Whose it is.
    pub tenant: i32,
    /// What it is called.
    pub name: String,
    /// What it costs, in cents.
    pub price_cents: i64,
    /// A text about it.
    pub description: String,
    /// When it was written last, in microseconds since 1970.
    pub updated_us: u64,
}

/// A row of any table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Row {
    /// Of `products`.
    Product(Product),
    /// Of `categories`.
    Category {
        /// Its key.
        id: i64,
        /// What it is called.
        name: String,
    },
    /// Of `product_categories`.
    Membership {
        /// The product that is featured.
        product_id: i64,
        /// The category that features it.
        category_id: i64,
    },
}

/// One row before and after a commit; never both none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowChange {
    /// None before an insert.
    pub before: Option<Row>,
    /// None after a delete.
    pub after: Option<Row>,
}

/// What a transaction does, step by step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Inserts or replaces a product.
    Put(Product),
    /// Deletes a product with its memberships.
    Drop(i64),
    /// Gives a category another name.
    Rename(i64, String),
    /// Has a category feature a product.
    Join(i64, i64),
    /// Ends that.
    Leave(i64, i64),
}

/// What a transaction came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Commit {
    /// The rows, in order.
    pub changes: Vec<RowChange>,
    /// The entries it makes stale, each with the revision that is now the true one.
    pub outdated: Vec<(Entry, u64)>,
}

/// All tables.
#[derive(Debug, Default)]
pub struct Tables {
    products: BTreeMap<i64, Product>,
    categories: BTreeMap<i64, String>,
    /// Category → products it features.
    features: BTreeMap<i64, BTreeSet<i64>>,
    /// Category → products whose home it is.
    homes: BTreeMap<i64, BTreeSet<i64>>,
    revisions: HashMap<Entry, u64>,
}

/// One product as a listing shows it.
#[derive(Debug, Serialize)]
pub(crate) struct Listed {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) price: String,
}

/// Cents as the shop shows them.
pub(crate) fn price_text(cents: i64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

/// A product as caches hold it; that there is none is an answer too.
pub(crate) fn product_body(id: i64, product: Option<&Product>, revision: u64) -> String {
    let Some(product) = product else {
        return gone_body(id, revision);
    };
    let body = json!({
        "revision": revision,
        "id": id,
        "category_id": product.category_id,
        "name": product.name,
        "price": price_text(product.price_cents),
        "description": product.description,
    });
    body.to_string()
}

/// A category as caches hold it.
pub(crate) fn category_body(id: i64, name: Option<&str>, revision: u64) -> String {
    match name {
        Some(name) => json!({ "revision": revision, "id": id, "name": name }).to_string(),
        None => gone_body(id, revision),
    }
}

/// A listing as caches hold it; both parts ordered by product.
pub(crate) fn listing_body(
    category_id: i64,
    products: &[Listed],
    featured: &[i64],
    revision: u64,
) -> String {
    let body = json!({
        "revision": revision,
        "category_id": category_id,
        "products": products,
        "featured": featured,
    });
    body.to_string()
}

fn gone_body(id: i64, revision: u64) -> String {
    json!({ "revision": revision, "id": id, "gone": true }).to_string()
}

/// The revision that a body carries; none when it is not one of ours.
pub fn revision_of(body: &str) -> Option<u64> {
    let body: Revised = serde_json::from_str(body).ok()?;
    Some(body.revision)
}

#[derive(Deserialize)]
struct Revised {
    revision: u64,
}

impl Tables {
    /// A shop with `categories` categories, each with `products_each` products.
    pub fn stocked(categories: i64, products_each: i64, now_us: u64) -> Self {
        let mut tables = Self::default();
        for id in 1..=categories {
            tables.categories.insert(id, format!("Aisle {id}"));
        }
        for id in 1..=categories * products_each {
            tables.put(Product {
                id,
                category_id: (id - 1) % categories + 1,
                tenant: 1,
                name: format!("Product {id}"),
                price_cents: 500 + id % 4_000,
                description: format!("The one and only product {id}"),
                updated_us: now_us,
            });
        }
        tables
    }

    /// All of it as one transaction on empty tables, parents first.
    pub(crate) fn as_commit(&self) -> Commit {
        let categories = self.categories.iter().map(|(&id, name)| Row::Category {
            id,
            name: name.clone(),
        });
        let products = self.products.values().cloned().map(Row::Product);
        let changes = categories.chain(products).map(|row| RowChange {
            before: None,
            after: Some(row),
        });
        Commit {
            changes: changes.collect(),
            outdated: Vec::new(),
        }
    }

    /// Commits.
    pub fn apply(&mut self, steps: &[Step]) -> Commit {
        let mut commit = Commit::default();
        let mut touched = BTreeSet::new();
        for step in steps {
            self.step(step, &mut commit.changes, &mut touched);
        }
        commit.outdated = touched
            .into_iter()
            .map(|entry| {
                let revision = self.revisions.entry(entry).or_default();
                *revision += 1;
                (entry, *revision)
            })
            .collect();
        commit
    }

    fn step(&mut self, step: &Step, changes: &mut Vec<RowChange>, touched: &mut BTreeSet<Entry>) {
        match step {
            Step::Put(product) => {
                let before = self.put(product.clone());
                touched.insert(Entry::Product(product.id));
                touched.insert(Entry::Listing(product.category_id));
                touched.extend(before.iter().map(|old| Entry::Listing(old.category_id)));
                changes.push(RowChange {
                    before: before.map(Row::Product),
                    after: Some(Row::Product(product.clone())),
                });
            }
            Step::Drop(id) => {
                for category_id in self.featuring(*id) {
                    self.step(&Step::Leave(*id, category_id), changes, touched);
                }
                if let Some(old) = self.products.remove(id) {
                    self.homes.entry(old.category_id).or_default().remove(id);
                    touched.extend([Entry::Product(*id), Entry::Listing(old.category_id)]);
                    changes.push(RowChange {
                        before: Some(Row::Product(old)),
                        after: None,
                    });
                }
            }
            Step::Rename(id, name) => {
                if let Some(old) = self.categories.insert(*id, name.clone()) {
                    touched.insert(Entry::Category(*id));
                    changes.push(RowChange {
                        before: Some(Row::Category { id: *id, name: old }),
                        after: Some(Row::Category {
                            id: *id,
                            name: name.clone(),
                        }),
                    });
                }
            }
            Step::Join(product_id, category_id) => {
                if self
                    .features
                    .entry(*category_id)
                    .or_default()
                    .insert(*product_id)
                {
                    touched.insert(Entry::Listing(*category_id));
                    let after = membership(*product_id, *category_id);
                    changes.push(RowChange {
                        before: None,
                        after: Some(after),
                    });
                }
            }
            Step::Leave(product_id, category_id) => {
                if self
                    .features
                    .entry(*category_id)
                    .or_default()
                    .remove(product_id)
                {
                    touched.insert(Entry::Listing(*category_id));
                    let before = membership(*product_id, *category_id);
                    changes.push(RowChange {
                        before: Some(before),
                        after: None,
                    });
                }
            }
        }
    }

    fn put(&mut self, product: Product) -> Option<Product> {
        let (id, category_id) = (product.id, product.category_id);
        let before = self.products.insert(id, product);
        if let Some(old) = &before {
            self.homes.entry(old.category_id).or_default().remove(&id);
        }
        self.homes.entry(category_id).or_default().insert(id);
        before
    }

    /// A product.
    pub fn product(&self, id: i64) -> Option<&Product> {
        self.products.get(&id)
    }

    /// The products whose home a category is.
    pub fn at_home_in(&self, category_id: i64) -> Vec<i64> {
        self.homes
            .get(&category_id)
            .into_iter()
            .flatten()
            .copied()
            .collect()
    }

    /// The categories that feature a product.
    pub fn featuring(&self, product_id: i64) -> Vec<i64> {
        let featuring = |(&category_id, products): (&i64, &BTreeSet<i64>)| {
            products.contains(&product_id).then_some(category_id)
        };
        self.features.iter().filter_map(featuring).collect()
    }

    /// What an entry holds when it is fresh.
    pub fn body(&self, entry: Entry) -> String {
        let revision = self.revisions.get(&entry).copied().unwrap_or(0);
        match entry {
            Entry::Product(id) => product_body(id, self.products.get(&id), revision),
            Entry::Category(id) => {
                category_body(id, self.categories.get(&id).map(String::as_str), revision)
            }
            Entry::Listing(id) => {
                let at_home = self.homes.get(&id).into_iter().flatten();
                let listed: Vec<Listed> = at_home
                    .filter_map(|id| self.products.get(id))
                    .map(listed)
                    .collect();
                let featured: Vec<i64> = self
                    .features
                    .get(&id)
                    .into_iter()
                    .flatten()
                    .copied()
                    .collect();
                listing_body(id, &listed, &featured, revision)
            }
        }
    }

    /// What a page holds when it is fresh.
    pub fn page(&self, page: Page) -> String {
        page_body(page.entries().into_iter().map(|entry| self.body(entry)))
    }

    /// Every page there is, and those of products that are gone.
    pub fn pages(&self) -> Vec<Page> {
        let gone = self.revisions.keys().filter_map(|entry| match entry {
            Entry::Product(id) if !self.products.contains_key(id) => Some(Page::Product(*id)),
            _ => None,
        });
        let products = self.products.keys().map(|&id| Page::Product(id));
        let categories = self.categories.keys().map(|&id| Page::Category(id));
        products.chain(categories).chain(gone).collect()
    }
}

/// A page of these entries: a line each.
pub(crate) fn page_body(bodies: impl Iterator<Item = String>) -> String {
    bodies.map(|body| body + "\n").collect()
}

fn listed(product: &Product) -> Listed {
    Listed {
        id: product.id,
        name: product.name.clone(),
        price: price_text(product.price_cents),
    }
}

fn membership(product_id: i64, category_id: i64) -> Row {
    Row::Membership {
        product_id,
        category_id,
    }
}

#[cfg(test)]
mod tests;
