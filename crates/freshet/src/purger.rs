//! The purgers of all targets under one type: the only place where adapters are named together.

use std::time::Duration;

use freshet_cdn::HttpPurger;
use freshet_core::ports::{Observation, Plant, Probe, Purger};
use freshet_core::purge::{PurgeBatch, PurgeReport};
use freshet_core::registry::EntryVersion;
use freshet_redis::RedisPurger;

/// One target's purger.
#[derive(Debug)]
pub(crate) enum AnyPurger {
    /// A Redis.
    Redis(Box<RedisPurger>),
    /// A CDN or an HTTP cache.
    Http(Box<HttpPurger>),
}

impl Purger for AnyPurger {
    async fn purge(&self, batch: &PurgeBatch) -> PurgeReport {
        match self {
            Self::Redis(purger) => purger.purge(batch).await,
            Self::Http(purger) => purger.purge(batch).await,
        }
    }

    async fn ping(&self) -> Result<(), String> {
        match self {
            Self::Redis(purger) => purger.ping().await,
            Self::Http(purger) => purger.ping().await,
        }
    }

    fn takeovers(&self) -> u64 {
        match self {
            Self::Redis(purger) => purger.takeovers(),
            Self::Http(purger) => purger.takeovers(),
        }
    }
}

impl Probe for AnyPurger {
    async fn observe(&self, name: &[u8], version: Option<&EntryVersion>) -> Observation {
        match self {
            Self::Redis(purger) => purger.observe(name, version).await,
            Self::Http(_) => Observation::Unreachable("entries at a CDN cannot be read".to_owned()),
        }
    }
}

impl Plant for AnyPurger {
    async fn plant(&self, name: &[u8], value: &[u8], ttl: Duration) -> Result<(), String> {
        match self {
            Self::Redis(purger) => purger.plant(name, value, ttl).await,
            Self::Http(_) => Err("nothing can be stored at a CDN".to_owned()),
        }
    }
}
