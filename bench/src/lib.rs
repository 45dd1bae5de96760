//! The bench: a backlog drained and a paced load purged by Freshet and by others, on one Kafka and one Redis.
//!
//! `docs/performance.md` says how it measures and how to read its table.

pub mod base;
pub mod bed;
pub mod beside;
pub mod callgrind;
pub mod case;
pub mod commits;
pub mod decode;
pub mod drain;
pub mod figures;
pub mod forms;
pub mod limit;
pub mod load;
pub mod moments;
pub mod paced;
pub mod participant;
pub mod peers;
pub mod registry;
pub mod report;
pub mod rounds;
pub mod safety;
pub mod table;
pub mod usage;
