//! Identifies the server that answers, to detect one that has not received earlier purges.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use redis::RedisError;

/// One life of a primary: `run_id` differs after each start, `master_replid` after each promotion. It also differs
/// when a primary gets its first replica; that is one replay too many, and harmless.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    run_id: String,
    replication: String,
}

/// Result of `INFO`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Introduction {
    /// Not allowed, or not supported.
    Withheld,
    /// A primary.
    Primary(Identity),
    /// A replica.
    Replica,
}

impl Introduction {
    /// Parses the responses of `INFO server` and `INFO replication`.
    pub(crate) fn read(
        server: &Result<String, RedisError>,
        replication: &Result<String, RedisError>,
    ) -> Self {
        let (Ok(server), Ok(replication)) = (server, replication) else {
            return Self::Withheld;
        };
        let (server, replication) = (fields(server), fields(replication));
        if replication.get("role").is_some_and(|role| *role == "slave") {
            return Self::Replica;
        }
        match (server.get("run_id"), replication.get("master_replid")) {
            (Some(run_id), Some(id)) => Self::Primary(Identity {
                run_id: (*run_id).to_owned(),
                replication: (*id).to_owned(),
            }),
            _ => Self::Withheld,
        }
    }
}

fn fields(info: &str) -> HashMap<&str, &str> {
    info.lines()
        .filter_map(|line| line.trim_end().split_once(':'))
        .collect()
}

/// The role of one primary, which different servers may have over time. Counts possible replacements.
#[derive(Debug)]
pub(crate) struct Seat {
    taken_by: Mutex<TakenBy>,
    takeovers: Arc<AtomicU64>,
}

#[derive(Debug, PartialEq, Eq)]
enum TakenBy {
    Nobody,
    Stranger,
    Known(Identity),
}

impl Seat {
    pub(crate) fn new(takeovers: Arc<AtomicU64>) -> Self {
        Self {
            taken_by: Mutex::new(TakenBy::Nobody),
            takeovers,
        }
    }

    /// Compares the identity of a server. `fresh`: the connection is new, so a server without identity may be
    /// a different one.
    pub(crate) fn take(&self, introduction: &Introduction, fresh: bool) {
        let now = match introduction {
            Introduction::Primary(identity) => TakenBy::Known(identity.clone()),
            Introduction::Withheld if fresh => TakenBy::Stranger,
            Introduction::Withheld | Introduction::Replica => return,
        };
        let mut before = self.taken_by.lock().unwrap_or_else(PoisonError::into_inner);
        let same = *before == TakenBy::Nobody || (*before == now && now != TakenBy::Stranger);
        *before = now;
        if !same {
            let takeovers = self.takeovers.fetch_add(1, Ordering::AcqRel) + 1;
            tracing::warn!(takeovers, "redis failed over or restarted");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn primary(run_id: &str, replication: &str) -> Introduction {
        Introduction::read(
            &Ok(format!("# Server\r\nrun_id:{run_id}\r\n")),
            &Ok(format!("role:master\r\nmaster_replid:{replication}\r\n")),
        )
    }

    fn counted(introductions: &[(Introduction, bool)]) -> u64 {
        let takeovers = Arc::default();
        let seat = Seat::new(Arc::clone(&takeovers));
        for (introduction, fresh) in introductions {
            seat.take(introduction, *fresh);
        }
        takeovers.load(Ordering::Acquire)
    }

    #[test]
    fn a_restart_a_promotion_and_a_return_count_and_a_reconnect_does_not() {
        let (first, second) = (primary("a", "1"), primary("b", "1"));
        assert_eq!(counted(&[(first.clone(), true), (first.clone(), true)]), 0);
        assert_eq!(counted(&[(first.clone(), true), (second.clone(), true)]), 1);
        let promoted = primary("a", "2");
        assert_eq!(counted(&[(first.clone(), true), (promoted, false)]), 1);
        assert_eq!(
            counted(&[(first.clone(), true), (second, true), (first, true)]),
            2
        );
    }

    #[test]
    fn who_does_not_say_who_he_is_may_be_another_one() {
        let refused = |text| Err(RedisError::from((redis::ErrorKind::Extension, text)));
        let withheld = Introduction::read(&refused("NOPERM"), &Ok("role:master\r\n".to_owned()));
        assert_eq!(withheld, Introduction::Withheld);
        assert_eq!(counted(&[(withheld.clone(), true)]), 0);
        let asked_again = [(withheld.clone(), true), (withheld.clone(), false)];
        assert_eq!(counted(&asked_again), 0);
        assert_eq!(counted(&[(withheld.clone(), true), (withheld, true)]), 1);
    }

    #[test]
    fn a_replica_takes_no_seat() {
        let replica = Introduction::read(
            &Ok("run_id:b\r\n".to_owned()),
            &Ok("role:slave\r\nmaster_replid:1\r\n".to_owned()),
        );
        assert_eq!(replica, Introduction::Replica);
        assert_eq!(counted(&[(primary("a", "1"), true), (replica, true)]), 0);
    }
}
