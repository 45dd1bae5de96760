//! The result of a purge, and how the pipeline handles it.

/// The result of one purge. Forgotten is the default: no answer means that it was not purged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum PurgeOutcome {
    /// The cache answered that the entry is gone or stale.
    Purged,
    /// The cache answered that it had no entry with that name. Equivalent to purged.
    NothingCached,
    /// Rejected because of load; retry after the delay.
    Throttled {
        /// The delay requested by the provider in milliseconds, zero if none.
        retry_after_ms: u32,
    },
    /// Rejected for a reason other than load.
    Refused(Refusal),
    /// No answer: it may have been done. Purging again is safe.
    Unreachable,
    /// Not sent: the only server that can purge it is considered down, while others of the target answer.
    NodeDown,
    /// There was no answer for this purge.
    #[default]
    Forgotten,
}

/// The cause of a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// The purge itself: an unchanged retry will fail again.
    OfPurge,
    /// The caller: credentials, rights, address or settings of the target are wrong. Every purge is refused until
    /// they are corrected.
    OfCaller,
}

/// Pause before a retry after a refusal of the caller, in milliseconds.
const MENDING_MS: u32 = 5_000;

/// One line for each outcome: its place in the order, its name, and what it is.
macro_rules! labels {
    ($($label:ident $name:literal $outcome:pat,)+) => {
        enum Label {
            $($label,)+
        }

        impl PurgeOutcome {
            /// Names of all outcomes, for labels and logs.
            pub const NAMES: [&'static str; [$($name),+].len()] = [$($name),+];

            /// Its index in [`NAMES`](Self::NAMES).
            pub fn index(self) -> usize {
                let label = match self {
                    $($outcome => Label::$label,)+
                };
                label as usize
            }
        }
    };
}

labels! {
    Purged "purged" Self::Purged,
    NothingCached "nothing_cached" Self::NothingCached,
    Throttled "throttled" Self::Throttled { .. },
    Refused "refused" Self::Refused(_),
    Unreachable "unreachable" Self::Unreachable,
    Forgotten "forgotten" Self::Forgotten,
    NodeDown "node_down" Self::NodeDown,
}

impl PurgeOutcome {
    /// The outcome's name, for labels and logs.
    pub fn name(self) -> &'static str {
        Self::NAMES[self.index()]
    }

    /// Minimum wait before a retry, in milliseconds.
    pub fn pause_ms(self) -> u32 {
        match self {
            Self::Throttled { retry_after_ms } => retry_after_ms,
            Self::Refused(Refusal::OfCaller) => MENDING_MS,
            Self::Purged
            | Self::NothingCached
            | Self::Refused(Refusal::OfPurge)
            | Self::Unreachable
            | Self::NodeDown
            | Self::Forgotten => 0,
        }
    }
}

/// How the pipeline handles an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// The purge is done.
    Settle,
    /// Retry after a pause.
    Retry,
    /// Move it to where it delays no other purge, and retry it from there.
    Defer,
    /// Retry in smaller batches, to find the refused purge.
    Split,
    /// Replace it by a dead letter and a wider purge.
    Quarantine,
}

/// Maps an outcome to its disposition. `alone`: the purge was the only one in its
/// request, so a refusal is about this purge.
pub fn disposition(outcome: PurgeOutcome, alone: bool) -> Disposition {
    match outcome {
        PurgeOutcome::Purged | PurgeOutcome::NothingCached => Disposition::Settle,
        // An expired token must not empty a backlog into the dead letters.
        PurgeOutcome::Throttled { .. }
        | PurgeOutcome::Refused(Refusal::OfCaller)
        | PurgeOutcome::Unreachable
        | PurgeOutcome::Forgotten => Disposition::Retry,
        PurgeOutcome::NodeDown => Disposition::Defer,
        PurgeOutcome::Refused(Refusal::OfPurge) if alone => Disposition::Quarantine,
        PurgeOutcome::Refused(Refusal::OfPurge) => Disposition::Split,
    }
}

/// The result of a batch: one outcome for each purge, in the batch's order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PurgeReport {
    /// One for each purge of the batch.
    pub outcomes: Vec<PurgeOutcome>,
    /// Number of entries that existed, if the cache counts them. A cache that reports only a sum
    /// (Redis' `UNLINK`) has every purge as [`PurgeOutcome::Purged`] and the sum here.
    pub removed: u64,
    /// Error message of the cache or provider for the log, if a purge was not done. Without secrets.
    pub reason: Option<String>,
    /// Number of servers of the target without an answer while others answered. If it is not zero,
    /// [`Unreachable`](PurgeOutcome::Unreachable) does not count against the whole target. Zero if a
    /// purge needs all servers, and if none answers.
    pub nodes_down: u32,
}

impl PurgeReport {
    /// The same outcome for all of `count` purges.
    pub fn all(outcome: PurgeOutcome, count: usize) -> Self {
        Self {
            outcomes: vec![outcome; count],
            removed: 0,
            reason: None,
            nodes_down: 0,
        }
    }

    /// The outcome of the purge at index `at`; `Forgotten` if the report is too short.
    pub fn outcome(&self, at: usize) -> PurgeOutcome {
        self.outcomes.get(at).copied().unwrap_or_default()
    }

    /// Whether every purge is settled.
    pub fn is_settled(&self) -> bool {
        self.outcomes
            .iter()
            .all(|&outcome| disposition(outcome, true) == Disposition::Settle)
    }
}
