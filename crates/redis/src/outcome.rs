//! What a Redis error means for a purge.

use freshet_core::purge::{PurgeOutcome, Refusal};
use redis::{ErrorKind, RedisError, ServerErrorKind};

/// No error of Redis is about the key: what cannot be done now is asked for again, loudly, and nothing is
/// put aside. A user without rights is refused whatever it asks, and a backlog is mended by mending the rights.
pub(crate) fn outcome_of(error: &RedisError) -> PurgeOutcome {
    match error.kind() {
        ErrorKind::Server(
            ServerErrorKind::BusyLoading
            | ServerErrorKind::TryAgain
            | ServerErrorKind::ClusterDown
            | ServerErrorKind::MasterDown
            | ServerErrorKind::ReadOnly,
        ) => PurgeOutcome::Throttled { retry_after_ms: 0 },
        ErrorKind::AuthenticationFailed
        | ErrorKind::MasterNameNotFoundBySentinel
        | ErrorKind::Server(ServerErrorKind::NoPerm) => PurgeOutcome::Refused(Refusal::OfCaller),
        ErrorKind::Server(_) | ErrorKind::Extension => match error.code() {
            Some("NOAUTH" | "WRONGPASS" | "NOPERM") => PurgeOutcome::Refused(Refusal::OfCaller),
            _ => PurgeOutcome::Throttled { retry_after_ms: 0 },
        },
        _ => PurgeOutcome::Unreachable,
    }
}

/// The error for the log, without the names that the command held.
pub(crate) fn reason_of(error: &RedisError) -> String {
    match (error.kind(), error.code()) {
        // The connection's own words for WRONGPASS leave the code out that runbooks name.
        (ErrorKind::AuthenticationFailed, _) => {
            "redis answers WRONGPASS: wrong user or password".to_owned()
        }
        (_, Some(code)) => format!("redis answers {code}"),
        (_, None) => error.to_string(),
    }
}
