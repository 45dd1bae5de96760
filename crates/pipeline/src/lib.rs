//! Moves values through the stages: records → changes → rounds → purges → settled offsets.
//!
//! Values flow right; only settled positions flow back. The intake runs on a thread of its own, because
//! its source is synchronous; rounds run as futures on the runtime; each outbox lane has a thread that
//! reads the lane's topic. Tasks and threads are started in [`run`] and nowhere else.

pub mod clock;
mod dead_letter;
mod events;
mod intake;
mod lanes;
pub mod metrics;
pub mod parts;
pub mod round;
pub mod rules;
pub mod run;
mod watch;

#[cfg(test)]
#[path = "../tests/pieces/mod.rs"]
mod pieces;

pub use events::settled;
pub use intake::transactions;
pub use lanes::backoff;
pub use watch::{beacon, heartbeat, status, withheld};
