//! The shop's rows in memory: what the demo calls its database, and what the stack's Postgres must agree with.
//!
//! Every commit raises the revision of each entry it makes stale, so that an answer tells by itself which
//! commit it has seen.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Serialize;

use crate::entry::{Entry, Page};

/// A row of `products`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Product {
    pub(crate) id: i64,
    pub(crate) category_id: i64,
    pub(crate) tenant: i32,
    pub(crate) name: String,
    pub(crate) price_cents: i64,
    pub(crate) description: String,
    pub(crate) updated_us: u64,
}

/// A row of any table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Row {
    Product(Product),
    Category { id: i64, name: String },
    Membership { product_id: i64, category_id: i64 },
}

/// One row before and after a commit; never both none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RowChange {
    pub(crate) before: Option<Row>,
    pub(crate) after: Option<Row>,
}

/// What a transaction does, step by step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
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
pub(crate) struct Commit {
    /// The rows, in order.
    pub(crate) changes: Vec<RowChange>,
    /// The entries it makes stale, each with the revision that is now the true one.
    pub(crate) outdated: Vec<(Entry, u64)>,
}

/// All tables.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    products: BTreeMap<i64, Product>,
    categories: BTreeMap<i64, String>,
    /// Category → products it features.
    features: BTreeMap<i64, BTreeSet<i64>>,
    /// Category → products whose home it is.
    homes: BTreeMap<i64, BTreeSet<i64>>,
    revisions: HashMap<Entry, u64>,
}

#[derive(Serialize)]
struct ProductBody<'a> {
    revision: u64,
    id: i64,
    category_id: i64,
    name: &'a str,
    price: String,
    description: &'a str,
}

#[derive(Serialize)]
struct CategoryBody<'a> {
    revision: u64,
    id: i64,
    name: &'a str,
}

/// One product as a listing shows it.
#[derive(Debug, Serialize)]
pub(crate) struct Listed {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) price: String,
}

#[derive(Serialize)]
struct ListingBody<'a> {
    revision: u64,
    category_id: i64,
    products: &'a [Listed],
    featured: &'a [i64],
}

#[derive(Serialize)]
struct GoneBody {
    revision: u64,
    id: i64,
    gone: bool,
}

/// Cents as the shop shows them.
pub(crate) fn price_text(cents: i64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

fn json(body: &impl Serialize) -> String {
    // Structs of numbers and strings always have a JSON form.
    serde_json::to_string(body).unwrap_or_default()
}

/// A product as caches hold it; that there is none is an answer too.
pub(crate) fn product_body(id: i64, product: Option<&Product>, revision: u64) -> String {
    let Some(product) = product else {
        return json(&GoneBody {
            revision,
            id,
            gone: true,
        });
    };
    json(&ProductBody {
        revision,
        id,
        category_id: product.category_id,
        name: &product.name,
        price: price_text(product.price_cents),
        description: &product.description,
    })
}

/// A category as caches hold it.
pub(crate) fn category_body(id: i64, name: Option<&str>, revision: u64) -> String {
    match name {
        Some(name) => json(&CategoryBody { revision, id, name }),
        None => json(&GoneBody {
            revision,
            id,
            gone: true,
        }),
    }
}

/// A listing as caches hold it; both parts ordered by product.
pub(crate) fn listing_body(
    category_id: i64,
    products: &[Listed],
    featured: &[i64],
    revision: u64,
) -> String {
    json(&ListingBody {
        revision,
        category_id,
        products,
        featured,
    })
}

/// The revision that a body carries; none when it is not one of ours.
pub(crate) fn revision_of(body: &str) -> Option<u64> {
    let rest = body.strip_prefix("{\"revision\":")?;
    let end = rest.find(|letter: char| !letter.is_ascii_digit())?;
    rest[..end].parse().ok()
}

impl Tables {
    /// A shop with `categories` categories, each with `products_each` products.
    pub(crate) fn stocked(categories: i64, products_each: i64, now_us: u64) -> Self {
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

    /// Every row, parents first.
    pub(crate) fn rows(&self) -> Vec<Row> {
        let categories = self.categories.iter().map(|(&id, name)| Row::Category {
            id,
            name: name.clone(),
        });
        let products = self.products.values().cloned().map(Row::Product);
        categories.chain(products).collect()
    }

    /// Commits.
    pub(crate) fn apply(&mut self, steps: &[Step]) -> Commit {
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
    pub(crate) fn product(&self, id: i64) -> Option<&Product> {
        self.products.get(&id)
    }

    /// The products whose home a category is.
    pub(crate) fn at_home_in(&self, category_id: i64) -> Vec<i64> {
        self.homes
            .get(&category_id)
            .into_iter()
            .flatten()
            .copied()
            .collect()
    }

    /// The categories that feature a product.
    pub(crate) fn featuring(&self, product_id: i64) -> Vec<i64> {
        let featuring = |(&category_id, products): (&i64, &BTreeSet<i64>)| {
            products.contains(&product_id).then_some(category_id)
        };
        self.features.iter().filter_map(featuring).collect()
    }

    /// What an entry holds when it is fresh.
    pub(crate) fn body(&self, entry: Entry) -> String {
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
    pub(crate) fn page(&self, page: Page) -> String {
        page_body(page.entries().into_iter().map(|entry| self.body(entry)))
    }

    /// Every page there is, and those of products that are gone.
    pub(crate) fn pages(&self) -> Vec<Page> {
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
