//! Redis behind Freshet's ports: purges exact keys and whole families, and reads entries.

mod by_slot;
mod cluster;
mod family_scan;
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

pub use link::check_authorities;
pub use purger::RedisPurger;
pub use target::{RedisConfigError, RedisTarget, Topology};
