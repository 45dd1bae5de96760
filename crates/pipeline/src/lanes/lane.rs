//! lane: whatever serves a target. It accepts a batch, and answers when each purge of it is done or safely stored.

use std::sync::Arc;
use std::time::Duration;

use freshet_core::broken::Promise;
use freshet_core::ports::{Outbox, Purger};
use freshet_core::position::Steady;
use freshet_core::purge::PurgeBatch;
use tokio::time::Instant;

use crate::events::settled::{Done, Stored};
use crate::lanes::attempt::Attempts;
use crate::lanes::budget::Pace;
use crate::lanes::replay;
use crate::lanes::store::Store;
use crate::lanes::target::Target;
use crate::lanes::turns::{Turn, Turns};
use crate::lanes::work::{Answer, Outcome, Tried, Work};

/// After so many passes over a backlog's batch, what still cannot be asked for goes to the end of the backlog, so that
/// what came behind it gets its turn. With the usual backoff that is after some twenty seconds.
const ATTEMPTS_TO_PUT_BACK: u32 = 12;

/// How a lane serves its target.
#[derive(Debug)]
pub(crate) enum Policy {
    /// Purged here and now; what is not done within this time goes to the backlog.
    Inline(Duration),
    /// Appended to the topic of the target's live purges.
    Queued(Arc<str>),
    /// The backlog itself, worked off without hurry, at this pace.
    Backlog(Option<Pace>),
}

/// The way to one target.
#[derive(Debug)]
pub(crate) struct Lane<P, O> {
    pub(crate) target: Arc<Target<P>>,
    pub(crate) policy: Policy,
    pub(crate) store: Arc<Store<O>>,
    pub(crate) turns: Turns,
}

impl<P: Purger, O: Outbox> Lane<P, O> {
    /// Does what `work` says; what cannot be done in time is stored. It is under way from the call on.
    pub(crate) fn accept<'w>(&'w self, work: Work<'w>) -> impl Future<Output = Answer> + 'w {
        let under_way = self.turns.begin(work.batch.len(), &self.store.clock);
        async move {
            let _under_way = under_way;
            match &self.policy {
                Policy::Queued(topic) => {
                    let registry = &work.rules.registry;
                    self.store.request(registry, topic, work.batch, &[]).await;
                    Answer::untried(Stored::Nothing)
                }
                Policy::Inline(within) => self.accept_in_turn(&work, *within).await,
                Policy::Backlog(pace) => self.work_off(&work, pace.as_ref()).await,
            }
        }
    }

    /// How long a round waits for the lane before it goes on without it; none when nothing is under way here.
    pub(crate) fn patience(&self, now: Steady) -> Option<Duration> {
        let patience = self.turns.patience(now)?;
        Some(match &self.policy {
            // All that follows was purged when it was live. What is still to come is behind the backlog.
            Policy::Backlog(_) => Duration::MAX,
            Policy::Inline(_) if self.target.breaker.is_open() => Duration::ZERO,
            Policy::Inline(_) | Policy::Queued(_) => patience,
        })
    }

    async fn accept_in_turn(&self, work: &Work<'_>, within: Duration) -> Answer {
        let deadline = (!Promise::P6.is_broken()).then(|| Instant::now() + within);
        match self.turns.take(work, deadline).await {
            Turn::Own(_turn) => answer(work, &self.purge(work, deadline).await),
            Turn::Lead {
                mut gathered,
                turn: _turn,
            } => {
                let all = Work {
                    rules: &gathered.rules,
                    batch: &gathered.batch,
                    tier: work.tier,
                    all: &gathered.outer,
                };
                let outcome = Arc::new(self.purge(&all, deadline).await);
                gathered.send(&outcome);
                answer(work, &outcome)
            }
            Turn::Done(outcome) => answer(work, &outcome),
            Turn::Full => {
                self.spill(work, work.batch).await;
                Answer::untried(Stored::All)
            }
        }
    }

    /// Purges; stores what is not done, and keeps what is, in case that its server is replaced.
    async fn purge(&self, work: &Work<'_>, deadline: Option<Instant>) -> Outcome {
        let takeovers = self.target.purger.takeovers();
        let mut tried = Tried::default();
        let attempts = self.attempts(work, deadline);
        let stored = attempts.settle(work.batch, &mut tried).await;
        let outcome = Outcome {
            tried,
            at: self.store.clock.wall(),
            stored,
        };
        self.store_and_keep(work, takeovers, outcome.stored.as_ref())
            .await;
        outcome
    }

    /// A backlog's batch. What cannot be asked for is tried some times more, behind all that can.
    async fn work_off(&self, work: &Work<'_>, pace: Option<&Pace>) -> Answer {
        let takeovers = self.target.purger.takeovers();
        let attempts = self.attempts(work, None);
        let mut answer = Answer::untried(Stored::Nothing);
        let mut left = pass(&attempts, pace, work.batch.clone(), &mut answer).await;
        for attempt in 0..ATTEMPTS_TO_PUT_BACK {
            if left.is_empty() {
                break;
            }
            let wait = self.store.backoff.wait(attempt, self.store.dice.roll());
            tokio::time::sleep(wait).await;
            left = pass(&attempts, pace, left, &mut answer).await;
        }
        answer.stored = stored_of(work.batch.len(), left.len());
        let left = (!left.is_empty()).then_some(left);
        self.store_and_keep(work, takeovers, left.as_ref()).await;
        answer
    }

    fn attempts<'a>(&'a self, work: &Work<'a>, deadline: Option<Instant>) -> Attempts<'a, P, O> {
        Attempts {
            rules: work.rules,
            target: &self.target,
            store: &self.store,
            deadline,
        }
    }

    /// What is not done goes to the target's backlog. What is was answered by whoever `takeovers` had led to, also where
    /// a part is left; but what nobody answered must not make anything grow old that somebody did: an outage may be
    /// longer than the window.
    async fn store_and_keep(&self, work: &Work<'_>, takeovers: u64, left: Option<&PurgeBatch>) {
        if let Some(left) = left {
            self.spill(work, left).await;
        }
        if left.is_none_or(|left| left.len() < work.batch.len()) {
            replay::keep(&self.target, &self.store, work, takeovers).await;
        }
    }

    /// Puts purges into the target's backlog, together with what outer tiers must purge again after them. They purge now
    /// as well: a tier that is well loses no freshness by one that is not.
    async fn spill(&self, work: &Work<'_>, purges: &PurgeBatch) {
        self.target.spilled.increment(purges.len() as u64);
        let outer: Vec<&PurgeBatch> = work.outer().collect();
        let (registry, backlog) = (&work.rules.registry, &self.target.backlog);
        self.store.request(registry, backlog, purges, &outer).await;
    }
}

/// What came of a batch that was purged alone, or together with others.
fn answer(work: &Work<'_>, outcome: &Outcome) -> Answer {
    let whole = work.batch.len();
    let done = outcome
        .stored
        .as_ref()
        .map(|stored| work.batch.without(stored));
    let left = done.as_ref().map_or(0, |done| whole - done.len());
    let stored = stored_of(whole, left);
    let done = match stored {
        Stored::All => Vec::new(),
        Stored::Nothing => vec![Done {
            purges: None,
            at: outcome.at,
        }],
        Stored::Part => vec![Done {
            purges: done,
            at: outcome.at,
        }],
    };
    Answer {
        done,
        stored,
        tried: outcome.tried,
    }
}

fn stored_of(whole: usize, left: usize) -> Stored {
    match left {
        0 => Stored::Nothing,
        left if left < whole => Stored::Part,
        _ => Stored::All,
    }
}

/// One pass over a backlog's purges, at its pace. Gives back what is not done.
async fn pass<P: Purger, O: Outbox>(
    attempts: &Attempts<'_, P, O>,
    pace: Option<&Pace>,
    batch: PurgeBatch,
    answer: &mut Answer,
) -> PurgeBatch {
    let mut left = PurgeBatch::new(batch.target());
    let size = pace.map_or(batch.len(), Pace::slice);
    for slice in batch.slices(size) {
        let clock = &attempts.store.clock;
        let wait = pace.map_or(Duration::ZERO, |pace| pace.take(clock.now(), slice.len()));
        if !wait.is_zero() && !Promise::P7.is_broken() {
            tokio::time::sleep(wait).await;
        }
        let rest = attempts.settle(&slice, &mut answer.tried).await;
        let at = attempts.store.clock.wall();
        let purges = match rest {
            None => slice,
            Some(rest) => {
                left.extend(&rest);
                slice.without(&rest)
            }
        };
        answer.done.push(Done {
            purges: Some(purges),
            at,
        });
    }
    left
}
