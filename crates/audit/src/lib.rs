//! The stale-read auditor: samples of purged entries are looked at again, after one second and after ten, as a
//! reader would find them. What is provably older than the change that purged it is a stale read.
//!
//! Rows that a snapshot read are looked up too, where their family says `on_snapshot: verify`.
//!
//! What it can see and what it cannot is in `docs/concepts.md`; in short: by TTL it sees a purge that did not
//! take effect, by a version field it also sees an old row that was stored after the purge.

pub mod judge;
pub mod metrics;
pub mod verify;
pub mod watch;
