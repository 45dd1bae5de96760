//! What is made of settled rounds.

pub(crate) mod freshness;
