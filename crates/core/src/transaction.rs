//! Transactions as reported by the connector: their begin and end, and their number of changes.

use std::hash::{DefaultHasher, Hash, Hasher};

/// A transaction of one database. Kept as a hash, which is enough to distinguish a few thousand at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransactionId(u64);

impl TransactionId {
    /// By what Debezium calls it. For Postgres that is `<xid>:<lsn>`, and the second part is another one in every
    /// record; for MySQL and MariaDB it is the GTID, or the place of its begin, the same in all of them.
    pub fn of(text: &str) -> Self {
        let stable = match text.split_once(':') {
            Some((xid, lsn)) if is_number(xid) && is_number(lsn) => xid,
            _ => text,
        };
        let mut hasher = DefaultHasher::new();
        stable.hash(&mut hasher);
        Self(hasher.finish())
    }
}

/// The transaction of a change, and its number in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// Its transaction.
    pub transaction: TransactionId,
    /// Its number among the transaction's changes of the same table, from 1.
    pub order: u64,
}

/// The begin or the end of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Boundary {
    /// The transaction.
    pub transaction: TransactionId,
    /// Its id as reported by the connector, for messages.
    pub text: String,
    /// At its end, how many changes it has, by table as the database calls it; none at its begin.
    pub counts: Option<Vec<(String, u64)>>,
}

impl Boundary {
    /// Where the boundary stands in the log: the number that the transaction's name ends with. Ends of one database
    /// follow each other in its order, so one that is not higher than the last was sent before.
    pub fn sequence(&self) -> u64 {
        let digits = self.text.bytes().rev().take_while(u8::is_ascii_digit);
        let from = self.text.len() - digits.count();
        self.text
            .get(from..)
            .and_then(|number| number.parse().ok())
            .unwrap_or_default()
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}
