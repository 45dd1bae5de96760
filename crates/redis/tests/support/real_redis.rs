//! A real redis-server under the purger contract.

use std::time::Duration;

use anyhow::Result;
use freshet_core::registry::Scope;
use freshet_redis::{RedisPurger, RedisTarget};
use freshet_testbed::{ContractEntry, PurgedCache, RedisServer};
use redis::Commands;

/// Keys as they come, not as the codec makes them: the adapter must not lean on it.
pub(crate) struct RealRedis {
    pub(crate) server: RedisServer,
    pub(crate) purger: RedisPurger,
}

impl RealRedis {
    /// `target` may be at another port of the server or under another user; the test's own hand is the default user
    /// on the plain port.
    pub(crate) fn with(server: RedisServer, mut target: RedisTarget) -> Result<Self> {
        // The machine may be compiling: what is late is not what these tests are about.
        target.answer_timeout = Duration::from_secs(5);
        target.connect_timeout = Duration::from_secs(5);
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
        format!("{family}:*").into_bytes()
    }

    fn beneath(&self, entry: &ContractEntry) -> Option<ContractEntry> {
        Some(ContractEntry {
            family: format!("{}:{}", entry.family, entry.value),
            value: "reviews".to_owned(),
        })
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
