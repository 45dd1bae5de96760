//! Redis behind Freshet's ports: purging exact keys and key prefixes, and looking at entries.

mod by_slot;
mod cluster;
mod identity;
mod link;
mod nodes;
mod outcome;
mod probe;
mod purger;
mod route;
mod sentinel;
mod slots;
mod target;
mod unlink;

pub use purger::RedisPurger;
pub use target::{RedisConfigError, RedisTarget, Topology};
