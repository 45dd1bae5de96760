//! Moves values through the stages: records → changes → rounds → purges → settled offsets.
//!
//! Values flow right; only settled positions flow back. The intake runs on a thread of its own, because
//! its source is synchronous; rounds run as futures on the runtime; each outbox lane has a thread that
//! reads the lane's topic. Tasks and threads are started in [`run`] and nowhere else.

mod adopt;
pub mod beacon;
pub mod clock;
mod dead_letter;
mod drift;
mod gaps;
pub mod heartbeat;
mod hold;
mod intake;
mod lag;
mod lanes;
pub mod metrics;
mod parked;
pub mod parts;
pub mod round;
pub mod rules;
pub mod run;
mod sample;
mod schemas;
pub mod status;
mod take;
mod taking;
mod tally;
pub mod transactions;
mod unproven;
pub mod withheld;

#[cfg(test)]
#[path = "../tests/pieces/mod.rs"]
mod pieces;

pub use lanes::backoff;
