//! What is known of a running pipeline, for people and machines that ask: readiness, lag, heartbeats, held commits.

pub mod beacon;
pub mod heartbeat;
pub(crate) mod lag;
pub mod status;
pub mod withheld;
