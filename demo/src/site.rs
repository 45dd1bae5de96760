//! What the traffic runs against, and how much of it there is.

use std::sync::Arc;
use std::time::Duration;

use freshet_shop::CacheAside;
use freshet_testbed::Freshet;
use redis::aio::MultiplexedConnection;
use reqwest::Client;
use tempfile::TempDir;
use tokio::task::block_in_place;

use crate::database::Database;
use crate::tally::Tally;
use crate::writers::{Assortment, Popularity};

/// Categories of the shop.
pub(crate) const CATEGORIES: i64 = 100;
/// Products each begins with.
pub(crate) const PRODUCTS_EACH: i64 = 20;

/// Freshet's own count of purges.
pub(crate) const PURGES: &str = "freshet_purges_total";

/// How much of it, and for how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// Ends by itself after so long.
    pub(crate) lasts: Option<Duration>,
    /// Writes for so long before anything is counted.
    pub(crate) warms: Duration,
    /// Rows changed a second.
    pub(crate) changes: u32,
    /// Reads a second, of entries and pages together.
    pub(crate) reads: u32,
}

/// Everything the traffic runs against.
pub(crate) struct Site {
    pub(crate) database: Arc<Database>,
    pub(crate) readers: Arc<CacheAside<Database>>,
    pub(crate) redis: MultiplexedConnection,
    pub(crate) redis_url: String,
    /// `http://host:port` of the edge.
    pub(crate) shop_url: String,
    pub(crate) client: Client,
    pub(crate) tally: Arc<Tally>,
    pub(crate) freshet: Freshet,
    /// Its config and its log.
    pub(crate) folder: TempDir,
    /// Whether a row of the database moves by itself.
    pub(crate) has_beacon: bool,
}

impl Site {
    /// The sum of a metric of Freshet over all series whose labels hold `labels`.
    pub(crate) fn metric(&self, name: &str, labels: &[&str]) -> Option<f64> {
        block_in_place(|| self.freshet.metric(name, labels))
    }
}

/// What is written and read, and how popular each is.
pub(crate) fn assortment() -> Assortment {
    Assortment {
        products: Popularity::of(CATEGORIES * PRODUCTS_EACH),
        categories: Popularity::of(CATEGORIES),
    }
}
