//! Reading through Redis, as an application should: on a miss one reader takes a lease and fills, the others read
//! through without storing, and a purge in between refuses the fill.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Result;
use redis::aio::MultiplexedConnection;
use redis::{ExistenceCheck, Script, SetExpiry, SetOptions};

use crate::database::Database;
use crate::entry::{Entry, FamilyName};

/// What an entry begins with while it is being filled.
const LEASE: &str = "lease:";
/// A reader that has not filled by now is gone; another one may.
const LEASE_TTL: Duration = Duration::from_secs(5);

/// Stores only where the very lease still stands: a purge has taken it away together with the entry.
const FILL: &str = "
if redis.call('GET', KEYS[1]) == ARGV[1] then
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
  return 1
end
return 0";

/// Where an answer came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AnswerFrom {
    /// The cache.
    Cache,
    /// The database, and the cache has it now.
    Filled,
    /// The database; a purge came in between and refused the fill.
    Refused,
    /// The database; somebody else holds the lease.
    Through,
}

/// The longest lives of entries, by family.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MaxTtls {
    pub(crate) product: Duration,
    pub(crate) category: Duration,
    pub(crate) listing: Duration,
}

impl MaxTtls {
    fn of(&self, family: FamilyName) -> Duration {
        match family {
            FamilyName::Product => self.product,
            FamilyName::Category => self.category,
            FamilyName::Listing => self.listing,
        }
    }
}

/// The database behind Redis.
#[derive(Clone)]
pub(crate) struct CacheAside {
    redis: MultiplexedConnection,
    database: Arc<Database>,
    ttls: MaxTtls,
    leases: Arc<AtomicU64>,
}

impl CacheAside {
    /// Readers on this connection. `seed` tells their leases from those of other processes.
    pub(crate) fn new(
        redis: MultiplexedConnection,
        database: Arc<Database>,
        ttls: MaxTtls,
        seed: u64,
    ) -> Self {
        Self {
            redis,
            database,
            ttls,
            leases: Arc::new(AtomicU64::new(seed)),
        }
    }

    /// Reads an entry.
    ///
    /// # Errors
    /// When Redis or the database does not answer.
    pub(crate) async fn read(&self, entry: Entry) -> Result<(String, AnswerFrom)> {
        let mut redis = self.redis.clone();
        let redis_key = entry.to_string();
        let cached: Option<String> = redis::cmd("GET")
            .arg(&redis_key)
            .query_async(&mut redis)
            .await?;
        match cached {
            Some(body) if !body.starts_with(LEASE) => return Ok((body, AnswerFrom::Cache)),
            Some(_) => return Ok((self.database.read(entry).await?, AnswerFrom::Through)),
            None => {}
        }
        let Some(lease) = self.take_lease(&redis_key).await? else {
            return Ok((self.database.read(entry).await?, AnswerFrom::Through));
        };
        let body = self.database.read(entry).await?;
        let filled = self.fill(entry, &lease, &body).await?;
        Ok((
            body,
            if filled {
                AnswerFrom::Filled
            } else {
                AnswerFrom::Refused
            },
        ))
    }

    async fn take_lease(&self, redis_key: &str) -> Result<Option<String>> {
        let mut redis = self.redis.clone();
        let lease = format!(
            "{LEASE}{:016x}",
            self.leases.fetch_add(1, Ordering::Relaxed)
        );
        let ttl = u64::try_from(LEASE_TTL.as_millis())?;
        let options = SetOptions::default()
            .conditional_set(ExistenceCheck::NX)
            .with_expiration(SetExpiry::PX(ttl));
        let taken: bool = redis::cmd("SET")
            .arg(redis_key)
            .arg(&lease)
            .arg(options)
            .query_async::<Option<String>>(&mut redis)
            .await?
            .is_some();
        Ok(taken.then_some(lease))
    }

    async fn fill(&self, entry: Entry, lease: &str, body: &str) -> Result<bool> {
        let mut redis = self.redis.clone();
        let ttl = u64::try_from(self.ttls.of(entry.family()).as_millis())?;
        let script = Script::new(FILL);
        let mut call = script.key(entry.to_string());
        call.arg(lease).arg(body).arg(ttl);
        Ok(call.invoke_async(&mut redis).await?)
    }
}

#[cfg(test)]
mod tests;
