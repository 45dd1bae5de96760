//! The pure middle of Freshet. Everything here is synchronous and deterministic: what needs the time
//! is given it, what needs the network is behind a port, and nothing spawns, sleeps or reads a clock.
//!
//! Reading order follows a change through the pipeline.

pub mod broken;
pub mod cause;
pub mod change;
pub mod coalesce;
pub mod codec;
pub mod connector;
pub mod drift;
pub mod gap;
pub mod image;
pub mod intent;
pub mod ledger;
pub mod members;
pub mod nearest;
pub mod outbox;
pub mod outcome;
pub mod ports;
pub mod position;
pub mod purge;
pub mod record;
pub mod registry;
pub mod resolve;
pub mod sample;
pub mod secret;
pub mod setting;
pub mod shape;
pub mod table;
pub mod template;
pub mod transaction;
