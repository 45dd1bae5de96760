//! How many files and sockets the process may open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Below this many, connections to caches and brokers may fail while a few hundred others are open.
const FEW: u64 = 4_096;

/// Raises the soft limit to the hard one: shells set it to 1 024 for programs that use `select`, which nothing here does.
pub(crate) fn raise_limit() {
    let now = getrlimit(Resource::Nofile);
    let wanted = Rlimit {
        current: now.maximum,
        maximum: now.maximum,
    };
    if now.current != now.maximum
        && let Err(error) = setrlimit(Resource::Nofile, wanted)
    {
        tracing::warn!(error = %error, "limit of open files could not be raised");
    }
    if let Some(limit) = getrlimit(Resource::Nofile).current
        && limit < FEW
    {
        tracing::warn!(
            limit,
            "the limit of open files is low; raise the hard limit (ulimit -Hn, LimitNOFILE) to 4096 or more"
        );
    }
}
