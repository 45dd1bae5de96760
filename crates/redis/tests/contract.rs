//! The purger contract against a real redis-server.

use anyhow::Result;
use freshet_core::registry::Scope;
use freshet_redis::{RedisPurger, RedisTarget};
use freshet_testbed::{ContractEntry, PurgedCache, RedisServer, purger_contract};
use redis::Commands;

/// Keys as they come, not as the codec makes them: the adapter must not lean on it.
struct RealRedis {
    server: RedisServer,
    purger: RedisPurger,
}

impl RealRedis {
    fn start(limit: impl FnOnce(&mut RedisTarget)) -> Result<Self> {
        let server = RedisServer::start()?;
        let mut target = RedisTarget::new(server.url());
        limit(&mut target);
        let purger = RedisPurger::connect(target)?;
        Ok(Self { server, purger })
    }

    fn ask(&self) -> Result<redis::Connection> {
        Ok(redis::Client::open(self.server.url())?.get_connection()?)
    }
}

impl PurgedCache for RealRedis {
    type Purger = RedisPurger;

    fn purger(&self) -> &RedisPurger {
        &self.purger
    }

    fn exact(&self) -> Scope {
        Scope::Keys
    }

    fn name(&self, entry: &ContractEntry) -> Vec<u8> {
        format!("{}:{}", entry.family, entry.value).into_bytes()
    }

    fn family_name(&self, family: &str) -> Vec<u8> {
        format!("{family}:").into_bytes()
    }

    fn store(&mut self, entries: &[ContractEntry]) -> Result<()> {
        let pairs: Vec<_> = entries
            .iter()
            .map(|entry| (self.name(entry), "v"))
            .collect();
        Ok(self.ask()?.mset(&pairs)?)
    }

    fn held(&mut self, entries: &[ContractEntry]) -> Result<Vec<ContractEntry>> {
        let mut question = redis::pipe();
        for entry in entries {
            question.exists(self.name(entry));
        }
        let held: Vec<bool> = question.query(&mut self.ask()?)?;
        let held = entries.iter().zip(held).filter(|(_, held)| *held);
        Ok(held.map(|(entry, _)| entry.clone()).collect())
    }

    fn stop(&mut self) -> Result<()> {
        self.server.stop();
        Ok(())
    }

    fn restart(&mut self) -> Result<()> {
        self.server.restart()
    }
}

#[tokio::test]
async fn a_real_redis_is_purged_as_the_contract_says() -> Result<()> {
    purger_contract(&mut RealRedis::start(|_| {})?).await
}

/// Every bound at its smallest: many commands, groups and scans instead of one.
#[tokio::test]
async fn narrow_limits_change_nothing() -> Result<()> {
    let narrow = |target: &mut RedisTarget| {
        target.keys_per_command = 7;
        target.commands_in_flight = 2;
        target.scan_count = 10;
    };
    purger_contract(&mut RealRedis::start(narrow)?).await
}
