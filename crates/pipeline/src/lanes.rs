//! Whatever serves a target: its policy, deadline, breaker, retries, pace and backlog.

pub(crate) mod attempt;
pub mod backoff;
pub(crate) mod breaker;
pub(crate) mod budget;
pub(crate) mod lane;
pub(crate) mod recent;
pub(crate) mod replay;
pub(crate) mod report;
pub(crate) mod requests;
pub(crate) mod store;
pub(crate) mod target;
pub(crate) mod turns;
pub(crate) mod work;
