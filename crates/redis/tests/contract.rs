//! The purger contract against a real redis-server.

mod support {
    pub(crate) mod real_redis;
}

use anyhow::Result;
use freshet_redis::RedisTarget;
use freshet_testbed::{RedisServer, purger_contract};
use support::real_redis::RealRedis;

#[tokio::test]
async fn a_real_redis_is_purged_as_the_contract_says() -> Result<()> {
    let server = RedisServer::start()?;
    let target = RedisTarget::new(server.url());
    purger_contract(&mut RealRedis::with(server, target)?).await
}

/// Every bound at its smallest: many commands, groups and scans instead of one.
#[tokio::test]
async fn narrow_limits_change_nothing() -> Result<()> {
    let server = RedisServer::start()?;
    let mut target = RedisTarget::new(server.url());
    target.keys_per_command = 7;
    target.commands_in_flight = 2;
    target.scan_count = 10;
    purger_contract(&mut RealRedis::with(server, target)?).await
}
