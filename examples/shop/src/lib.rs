//! A shop behind two caches: what an application does on its side so that Freshet keeps them fresh.
//!
//! - [`Entry`], [`Page`]: what is cached, and under which names.
//! - [`Rules`]: how long an entry may live, read from the registry that Freshet reads, too.
//! - [`CacheAside`]: reads through Redis, with a lease that keeps old rows out.
//! - [`origin`]: pages for the edge, with the tags that the registry purges by.
//! - [`PostgresRows`], [`Tables`]: the rows, in Postgres and in memory.

mod entry;
pub mod origin;
mod postgres;
mod readers;
mod rules;
mod store;

pub use entry::{Entry, Family, Page};
pub use postgres::PostgresRows;
pub use readers::{AnswerFrom, CacheAside, LEASE, Rows};
pub use rules::{Rule, Rules};
pub use store::{Commit, Product, Row, RowChange, Step, Tables, revision_of};
