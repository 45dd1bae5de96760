//! What customers and staff do to the shop: transactions of every kind, more often on what is popular.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Result;
use freshet_shop::{Product, Step, Tables};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tokio::time::Instant;

use crate::clock::now_us;
use crate::database::Database;
use crate::tally::Tally;

/// A writer that fell behind catches up by no more than this.
const BEHIND_MAX: Duration = Duration::from_secs(1);

/// Numbers from 1, the first ones more often than the rest: the `n`th about `1/n^0.8` as often as the first.
#[derive(Debug, Clone)]
pub(crate) struct Popularity {
    cumulated: Vec<f64>,
}

impl Popularity {
    /// Of `count` things.
    pub(crate) fn of(count: i64) -> Self {
        let mut sum = 0.0;
        let weights = (1..=count.max(1)).map(|rank| 1.0 / (rank as f64).powf(0.8));
        let cumulated = weights
            .map(|weight| {
                sum += weight;
                sum
            })
            .collect();
        Self { cumulated }
    }

    /// One of them.
    pub(crate) fn pick(&self, random: &mut impl Rng) -> i64 {
        let sum = self.cumulated.last().copied().unwrap_or(1.0);
        let at = random.random_range(0.0..sum);
        self.cumulated.partition_point(|&weight| weight <= at) as i64 + 1
    }
}

/// What there is to write to.
#[derive(Debug, Clone)]
pub(crate) struct Assortment {
    /// Products by id.
    pub(crate) products: Popularity,
    /// Categories by id.
    pub(crate) categories: Popularity,
}

impl Assortment {
    /// The next transaction. It changes at least one row.
    pub(crate) fn plan(&self, tables: &Tables, random: &mut impl Rng) -> Vec<Step> {
        loop {
            let steps = self.draw(tables, random);
            if !steps.is_empty() {
                return steps;
            }
        }
    }

    fn draw(&self, tables: &Tables, random: &mut impl Rng) -> Vec<Step> {
        let category_id = self.categories.pick(random);
        let dice = random.random_range(0..100);
        if dice < 4 {
            return self.new_prices(tables, category_id, random);
        }
        let id = self.products.pick(random);
        let Some(product) = tables.product(id) else {
            return vec![back_in_stock(id, category_id, random)];
        };
        let step = match dice {
            4..58 => with(product, |it| {
                it.price_cents = random.random_range(100..100_000)
            }),
            58..76 => with(product, |it| it.name = renamed(&it.name, random)),
            76..84 if product.category_id != category_id => {
                with(product, |it| it.category_id = category_id)
            }
            84..88 => Step::Drop(id),
            88..97 => match tables.featuring(id).first() {
                Some(&category_id) => Step::Leave(id, category_id),
                None => Step::Join(id, category_id),
            },
            97.. => {
                let season = random.random_range(0..1_000_000);
                Step::Rename(category_id, format!("Aisle {category_id}, season {season}"))
            }
            _ => return Vec::new(),
        };
        vec![step]
    }

    /// A sale: some products of a category in one transaction.
    fn new_prices(&self, tables: &Tables, category_id: i64, random: &mut impl Rng) -> Vec<Step> {
        let count = random.random_range(3..9);
        let at_home = tables.at_home_in(category_id);
        let products = at_home
            .into_iter()
            .take(count)
            .filter_map(|id| tables.product(id));
        products
            .map(|product| {
                with(product, |it| {
                    it.price_cents = random.random_range(100..100_000)
                })
            })
            .collect()
    }
}

/// Caches may still hold that there is none: creating outdates that answer too.
fn back_in_stock(id: i64, category_id: i64, random: &mut impl Rng) -> Step {
    Step::Put(Product {
        id,
        category_id,
        tenant: 1,
        name: format!("Product {id}"),
        price_cents: random.random_range(100..100_000),
        description: format!("Back in stock: product {id}"),
        updated_us: now_us(),
    })
}

fn with(product: &Product, change: impl FnOnce(&mut Product)) -> Step {
    let mut product = product.clone();
    change(&mut product);
    product.updated_us = now_us();
    Step::Put(product)
}

fn renamed(name: &str, random: &mut impl Rng) -> String {
    let plain = name.split(',').next().unwrap_or(name);
    format!("{plain}, edition {}", random.random_range(0..1_000_000))
}

/// Writes to the shop.
pub(crate) struct Writer {
    pub(crate) database: Arc<Database>,
    pub(crate) assortment: Assortment,
    /// Rows a second.
    pub(crate) rate: u32,
    /// Counts the rows that were changed.
    pub(crate) tally: Arc<Tally>,
}

impl Writer {
    /// Writes until told to stop.
    ///
    /// # Errors
    /// When a commit fails.
    pub(crate) async fn write_until(self, stop: Arc<AtomicBool>) -> Result<()> {
        let mut random = SmallRng::from_os_rng();
        let mut due = Instant::now();
        while !stop.load(Ordering::Relaxed) {
            tokio::time::sleep_until(due).await;
            let steps = self.assortment.plan(&self.database.tables(), &mut random);
            let rows = self.database.commit(&steps).await?;
            self.tally.changed(rows as u64);
            due = due.max(Instant::now().checked_sub(BEHIND_MAX).unwrap_or(due));
            due += Duration::from_secs(1).mul_f64(rows as f64 / f64::from(self.rate.max(1)));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
