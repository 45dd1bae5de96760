//! Deliberately broken builds: the mechanism of one promise is disabled, to check that its tests fail.
//!
//! Only with the feature `broken`, which nothing that is shipped has. `scripts/broken.sh` builds the tests with it once and
//! then runs one test of each promise twice: whole it must pass, and with `FRESHET_BROKEN=P1` and so on it must fail.

#[cfg(all(feature = "broken", not(debug_assertions)))]
compile_error!("the feature `broken` switches promises off: it is for tests alone");

/// A promise whose mechanism can be switched off. `docs/promises.md` has what each promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Promise {
    /// Broken: a position counts as settled when it is opened.
    P1,
    /// Broken: the oldest unpurged change has no age.
    P2,
    /// Broken: a redelivered position is opened again.
    P3,
    /// Broken: undecodable records are dropped.
    P4,
    /// Broken: a gap is ignored.
    P5,
    /// Broken: purges wait for a target that is down, however long.
    P6,
    /// Broken: a backlog has no rate limit.
    P7,
    /// Broken: a takeover replays nothing.
    P8,
    /// Broken: a registry with errors is loaded.
    P9,
    /// Broken: a drain has no deadline.
    P10,
    /// Broken: a connection without an answer is kept.
    P11,
    /// Broken: a dead letter keeps its whole record, whatever its families allow.
    P12,
    /// Broken: a family's scope is every name with the prefix of its template.
    P13,
    /// Broken: compiled writer schemas are never forgotten.
    P14,
    /// Broken: the placeholder of a value that is not in the log is used as the value.
    P15,
}

impl Promise {
    /// Whether this build and this process have the promise's mechanism switched off.
    #[cfg(feature = "broken")]
    pub fn is_broken(self) -> bool {
        static BROKEN: std::sync::LazyLock<String> =
            std::sync::LazyLock::new(|| std::env::var("FRESHET_BROKEN").unwrap_or_default());
        *BROKEN == format!("{self:?}")
    }

    /// Whether this build and this process have the promise's mechanism switched off: never.
    #[cfg(not(feature = "broken"))]
    #[inline(always)]
    pub const fn is_broken(self) -> bool {
        false
    }
}
