//! Redis behind Freshet's ports: purging exact keys and key prefixes, and looking at entries.

mod link;
mod outcome;
mod probe;
mod purger;
mod target;

pub use purger::RedisPurger;
pub use target::{RedisConfigError, RedisTarget, Secret};
