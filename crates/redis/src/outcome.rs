//! Maps Redis errors to outcomes.

use freshet_core::purge::{PurgeOutcome, Refusal};
use redis::{ErrorKind, RedisError, ServerErrorKind};

/// No Redis error is about the key, so a failed purge is retried and reported, and never becomes a dead letter.
/// Missing rights are a refusal of the caller: the backlog drains when they are granted.
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
        // The connection's message for WRONGPASS lacks the code that runbooks mention.
        (ErrorKind::AuthenticationFailed, _) => {
            "redis answers WRONGPASS: wrong user or password".to_owned()
        }
        (_, Some(code)) => format!("redis answers {code}"),
        (_, None) => error.to_string(),
    }
}
