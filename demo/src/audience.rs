//! Who reads: entries through Redis and pages through the edge, each answer held against the ledger.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Result;
use freshet_shop::origin::X_REVISIONS;
use freshet_shop::{CacheAside, Entry, Page, revision_of};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use reqwest::Client;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::clock::now_us;
use crate::database::Database;
use crate::site::{Site, assortment};
use crate::tally::Tally;
use crate::writers::Assortment;

const REDIS_READERS: u32 = 48;
const PAGE_READERS: u32 = 16;
/// Share of reads that ask the edge for a page, in percent.
const PAGES_SHARE: u32 = 15;

/// Starts everybody; together they read `reads` times a second until told to stop.
pub(crate) fn spawn_readers(
    parts: &mut JoinSet<Result<()>>,
    site: &Site,
    reads: u32,
    stop: &Arc<AtomicBool>,
) {
    let pages = reads * PAGES_SHARE / 100;
    for (count, rate, asks_edge) in [
        (REDIS_READERS, reads - pages, false),
        (PAGE_READERS, pages, true),
    ] {
        if rate == 0 {
            continue;
        }
        let every = Duration::from_secs(1).mul_f64(f64::from(count) / f64::from(rate));
        for number in 0..count {
            let reader = Reader {
                database: Arc::clone(&site.database),
                readers: Arc::clone(&site.readers),
                client: site.client.clone(),
                shop_url: site.shop_url.clone(),
                tally: Arc::clone(&site.tally),
                assortment: assortment(),
            };
            let begin = Instant::now() + every.mul_f64(f64::from(number) / f64::from(count));
            let stop = Arc::clone(stop);
            parts.spawn(async move {
                let mut random = SmallRng::from_os_rng();
                let mut tick = interval_at(begin, every);
                tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
                while !stop.load(Ordering::Relaxed) {
                    tick.tick().await;
                    if asks_edge {
                        reader.read_page(&mut random).await;
                    } else {
                        reader.read_entry(&mut random).await;
                    }
                }
                Ok(())
            });
        }
    }
}

/// Somebody who looks at the shop.
struct Reader {
    database: Arc<Database>,
    readers: Arc<CacheAside<Database>>,
    client: Client,
    shop_url: String,
    tally: Arc<Tally>,
    assortment: Assortment,
}

impl Reader {
    async fn read_entry(&self, random: &mut SmallRng) {
        let entry = match random.random_range(0..10) {
            0 => Entry::Category(self.assortment.categories.pick(random)),
            1..4 => Entry::Listing(self.assortment.categories.pick(random)),
            _ => Entry::Product(self.assortment.products.pick(random)),
        };
        let asked_us = now_us();
        let answer = self.readers.read(entry).await.ok();
        let answer = answer.and_then(|(body, from)| Some((revision_of(&body)?, from)));
        let Some((revision, from)) = answer else {
            return self.tally.failed();
        };
        let age_us = self.database.ledger().age_us(entry, revision, asked_us);
        self.tally.read_redis(entry.family(), from, age_us);
    }

    async fn read_page(&self, random: &mut SmallRng) {
        let page = match random.random_range(0..5) {
            0 => Page::Category(self.assortment.categories.pick(random)),
            _ => Page::Product(self.assortment.products.pick(random)),
        };
        let asked_us = now_us();
        let Ok((revisions, is_hit)) = self.get(page).await else {
            return self.tally.failed();
        };
        if revisions.is_empty() {
            return self.tally.failed();
        }
        for (entry, revision) in revisions {
            let age_us = self.database.ledger().age_us(entry, revision, asked_us);
            self.tally.read_edge(entry.family(), is_hit, age_us);
        }
    }

    async fn get(&self, page: Page) -> Result<(Vec<(Entry, u64)>, bool)> {
        let answer = self
            .client
            .get(format!("{}{}", self.shop_url, page.path()))
            .send()
            .await?;
        let text = |name: &str| {
            let value = answer
                .headers()
                .get(name)
                .and_then(|value| value.to_str().ok());
            value.unwrap_or_default().to_owned()
        };
        let (revisions, how) = (text(X_REVISIONS.as_str()), text("x-cache"));
        // Read to its end, so that the connection is used again.
        answer.bytes().await?;
        Ok((parse_revisions(&revisions), how != "MISS"))
    }
}

/// The entries and revisions that an answer's header names.
fn parse_revisions(header: &str) -> Vec<(Entry, u64)> {
    let entry_at = |word: &str| {
        let (redis_key, revision) = word.split_once('@')?;
        Some((Entry::of_redis_key(redis_key)?, revision.parse().ok()?))
    };
    header.split_whitespace().filter_map(entry_at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_names_every_entry_and_its_revision() {
        let header = format!("{}@3 {}@14", Entry::Category(2), Entry::Listing(2));
        assert_eq!(
            parse_revisions(&header),
            [(Entry::Category(2), 3), (Entry::Listing(2), 14)]
        );
        assert_eq!(parse_revisions("nonsense other@x"), []);
    }
}
