//! What came of a purge, and what the pipeline does about it.

/// What came of one purge. Forgotten is the default: whoever says nothing has not purged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum PurgeOutcome {
    /// The cache answered that the entry is gone or stale.
    Purged,
    /// The cache answered that it held nothing of that name. As good as purged.
    NothingCached,
    /// Turned away for now; try again no sooner than the delay says.
    Throttled {
        /// The provider's wish in milliseconds, zero when it named none.
        retry_after_ms: u32,
    },
    /// Turned away, for another reason than the load.
    Refused(Refusal),
    /// No answer: whether it was done is not known. Purging again is safe.
    Unreachable,
    /// Not asked for: the one server that can purge it is known to be down, while others of the target answer.
    NodeDown,
    /// Nobody answered for it.
    #[default]
    Forgotten,
}

/// What a refusal is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// This purge: repeating it unchanged is useless.
    OfPurge,
    /// Whoever asks: credentials, rights, or the target's address and settings are wrong. Every purge is refused until
    /// somebody mends them, and none of them is at fault.
    OfCaller,
}

/// How long to wait for somebody to mend credentials or settings, in milliseconds.
const MENDING_MS: u32 = 5_000;

impl PurgeOutcome {
    /// Every outcome's name as it stands in labels and logs.
    pub const NAMES: [&'static str; 7] = [
        "purged",
        "nothing_cached",
        "throttled",
        "refused",
        "unreachable",
        "forgotten",
        "node_down",
    ];

    /// The outcome's name as it stands in labels and logs.
    pub fn name(self) -> &'static str {
        Self::NAMES[self.index()]
    }

    /// Its place in [`NAMES`](Self::NAMES).
    pub fn index(self) -> usize {
        match self {
            Self::Purged => 0,
            Self::NothingCached => 1,
            Self::Throttled { .. } => 2,
            Self::Refused(_) => 3,
            Self::Unreachable => 4,
            Self::Forgotten => 5,
            Self::NodeDown => 6,
        }
    }

    /// Milliseconds that the purge waits at least before it is asked for again.
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

/// What the pipeline does about an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// It is done.
    Settle,
    /// Ask again, after a pause.
    Retry,
    /// Not now: it waits where it holds nothing else up, and is asked for from there.
    Defer,
    /// Ask again in smaller batches, to find what is refused.
    Split,
    /// Give up on this one loudly: dead letter and a wider purge.
    Quarantine,
}

/// The one decision from outcome to disposition. `alone` says that the purge was the only one of its
/// request, so that a refusal is about itself.
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

/// What came of a batch: one outcome for each purge, in the batch's order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PurgeReport {
    /// One for each purge of the batch.
    pub outcomes: Vec<PurgeOutcome>,
    /// Entries that were really there, as far as the cache counts them. A cache that tells only a sum
    /// (Redis' `UNLINK`) reports every name as [`PurgeOutcome::Purged`] and the sum here.
    pub removed: u64,
    /// In the cache's or provider's words, for the log, when something was not done. Never holds secrets.
    pub reason: Option<String>,
    /// Servers of the target that gave no answer while others did. Not zero says that what is
    /// [`Unreachable`](PurgeOutcome::Unreachable) here is no fault of the target as a whole. Zero for targets where a
    /// purge needs all servers, and where none answers.
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

    /// What came of the purge at `at`. A report that is too short has forgotten it.
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
