//! The stale-read auditor: re-reads samples of purged entries after one second and after ten, as a
//! reader would. An entry that is provably older than the change that purged it is a stale read.
//!
//! Snapshot rows are checked too, if their family has `on_snapshot: verify`.
//!
//! `docs/concepts.md` describes what it detects: with a TTL, a purge without effect; with a version field, also
//! an old row that was stored after the purge.

pub mod judge;
pub mod metrics;
pub mod verify;
pub mod watch;
