//! Reading through Redis, as an application should: on a miss one reader takes a lease and fills, the others read
//! through without storing, and a purge in between refuses the fill.

use std::fmt;
use std::sync::Arc;

use anyhow::Result;
use redis::aio::MultiplexedConnection;
use redis::{AsyncCommands, ExistenceCheck, Script, SetExpiry, SetOptions};

use crate::entry::Entry;
use crate::rules::Rules;

/// What an entry begins with while it is being filled.
pub const LEASE: &str = "lease:";
/// A reader that has not filled by now is gone; another one may.
const LEASE_TTL_MS: u64 = 5_000;

/// Stores only where the very lease still stands: a purge has taken it away together with the entry.
const FILL: &str = "
if redis.call('GET', KEYS[1]) == ARGV[1] then
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
  return 1
end
return 0";

/// Who has the rows.
pub trait Rows: Send + Sync + 'static {
    /// An entry as the database has it now, all of it from one snapshot.
    ///
    /// An error says that the database did not answer; that there is no such row is an answer.
    fn read(&self, entry: Entry) -> impl Future<Output = Result<String>> + Send;
}

/// Where an answer came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerFrom {
    /// The cache.
    Cache,
    /// The database, and the cache has it now.
    Filled,
    /// The database; a purge came in between and refused the fill.
    Refused,
    /// The database; another reader holds the lease.
    Through,
}

/// Rows behind Redis.
pub struct CacheAside<R> {
    redis: MultiplexedConnection,
    rows: Arc<R>,
    rules: Rules,
    fill: Script,
}

impl<R> fmt::Debug for CacheAside<R> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = out.debug_struct("CacheAside");
        debug.field("rules", &self.rules).finish_non_exhaustive()
    }
}

impl<R: Rows> CacheAside<R> {
    /// Reads `rows` through this connection.
    pub fn new(redis: MultiplexedConnection, rows: Arc<R>, rules: Rules) -> Self {
        Self {
            redis,
            rows,
            rules,
            fill: Script::new(FILL),
        }
    }

    /// Reads an entry.
    ///
    /// # Errors
    /// When Redis or the database does not answer.
    pub async fn read(&self, entry: Entry) -> Result<(String, AnswerFrom)> {
        let redis_key = entry.to_string();
        let cached: Option<String> = self.redis.clone().get(&redis_key).await?;
        let lease = match cached {
            Some(body) if !body.starts_with(LEASE) => return Ok((body, AnswerFrom::Cache)),
            Some(_) => None,
            None => self.take_lease(&redis_key).await?,
        };
        let body = self.rows.read(entry).await?;
        let from = match lease {
            None => AnswerFrom::Through,
            Some(lease) if self.fill(entry, &lease, &body).await? => AnswerFrom::Filled,
            Some(_) => AnswerFrom::Refused,
        };
        Ok((body, from))
    }

    /// Marks an entry as being filled; none when it is no longer empty.
    async fn take_lease(&self, redis_key: &str) -> Result<Option<String>> {
        // No two readers draw the same number, wherever they run.
        let lease = format!("{LEASE}{:032x}", rand::random::<u128>());
        let options = SetOptions::default()
            .conditional_set(ExistenceCheck::NX)
            .with_expiration(SetExpiry::PX(LEASE_TTL_MS));
        let mut redis = self.redis.clone();
        let taken: Option<String> = redis.set_options(redis_key, &lease, options).await?;
        Ok(taken.map(|_ok| lease))
    }

    async fn fill(&self, entry: Entry, lease: &str, body: &str) -> Result<bool> {
        let max_ttl = self.rules.of(entry.family()).max_ttl;
        let mut call = self.fill.key(entry.to_string());
        call.arg(lease).arg(body);
        call.arg(u64::try_from(max_ttl.as_millis())?);
        Ok(call.invoke_async(&mut self.redis.clone()).await?)
    }
}

#[cfg(test)]
mod tests;
