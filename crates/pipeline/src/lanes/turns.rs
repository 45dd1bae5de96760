//! How many batches of a lane may be under way at once. What comes while they all are waits together, as one batch.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use freshet_core::position::Steady;
use freshet_core::purge::PurgeBatch;
use tokio::sync::{Semaphore, SemaphorePermit, oneshot};
use tokio::time::Instant;

use crate::clock::Clock;
use crate::lanes::work::{Outcome, Work};
use crate::rules::Rules;

/// Purges that wait together at most; what comes then goes to the backlog, which has room.
const GATHERED_MAX: usize = 65_536;
/// A lane that has not answered a batch for so long is late, and nobody waits for it who need not.
const LATE_AFTER: Duration = Duration::from_millis(25);
/// A batch may take so much longer for each purge that is under way: a cache that is busy is not late.
const LATE_PER_PURGE: Duration = Duration::from_micros(10);

/// The turns of a lane.
#[derive(Debug)]
pub(crate) struct Turns {
    free: Semaphore,
    gathered: Mutex<Option<Gathered>>,
    under_way: Mutex<UnderWay>,
}

/// Batches that were accepted and are not answered, the oldest first.
#[derive(Debug, Default)]
struct UnderWay {
    batches: VecDeque<(u64, Steady)>,
    next: u64,
    purges: usize,
    /// The last answer was late. Then the next one is expected to be late, too.
    was_late: bool,
}

impl UnderWay {
    /// How long a batch that was accepted at `since` may still take before it is late.
    fn left(&self, since: Steady, now: Steady) -> Duration {
        let purges = u32::try_from(self.purges).unwrap_or(u32::MAX);
        let late = since.plus(LATE_AFTER + LATE_PER_PURGE.saturating_mul(purges));
        late.since(now)
    }
}

/// Purges that wait for a turn together, with what is outside of them.
#[derive(Debug)]
pub(crate) struct Gathered {
    pub(crate) rules: Arc<Rules>,
    pub(crate) batch: PurgeBatch,
    pub(crate) outer: Vec<PurgeBatch>,
    /// Whoever waits for the outcome beside the first, in the order in which they came.
    behind: Vec<oneshot::Sender<Arc<Outcome>>>,
}

impl Gathered {
    /// Sends the outcome to all rounds that wait for it.
    pub(crate) fn send(&mut self, outcome: &Arc<Outcome>) {
        for waiting in self.behind.drain(..) {
            // One that waits no more has gone with the process.
            let _ = waiting.send(Arc::clone(outcome));
        }
    }
}

/// What became of the wait for a turn.
pub(crate) enum Turn<'t> {
    /// It is there.
    Own(SemaphorePermit<'t>),
    /// It is there for all that have gathered, or does not come in time; the outcome is sent to the others.
    Lead {
        gathered: Gathered,
        turn: Option<SemaphorePermit<'t>>,
    },
    /// The batch was purged together with others.
    Done(Arc<Outcome>),
    /// Too much waits already.
    Full,
}

enum Joined {
    First,
    Behind(oneshot::Receiver<Arc<Outcome>>),
    Full,
}

impl Turns {
    /// A lane with so many batches under way at most.
    pub(crate) fn new(at_once: usize) -> Self {
        Self {
            free: Semaphore::new(at_once.max(1)),
            gathered: Mutex::default(),
            under_way: Mutex::default(),
        }
    }

    /// Waits for a turn, until `deadline` at most.
    pub(crate) async fn take(&self, work: &Work<'_>, deadline: Option<Instant>) -> Turn<'_> {
        if let Ok(turn) = self.free.try_acquire() {
            return Turn::Own(turn);
        }
        match self.join(work) {
            Joined::First => {
                let turn = match deadline {
                    None => self.free.acquire().await.ok(),
                    Some(deadline) => {
                        let turn = tokio::time::timeout_at(deadline, self.free.acquire()).await;
                        turn.ok().and_then(Result::ok)
                    }
                };
                match lock(&self.gathered).take() {
                    Some(gathered) => Turn::Lead { gathered, turn },
                    None => Turn::Full,
                }
            }
            Joined::Behind(outcome) => match outcome.await {
                Ok(outcome) => Turn::Done(outcome),
                // Whoever was to purge it has gone, with the process.
                Err(_) => std::future::pending().await,
            },
            Joined::Full => Turn::Full,
        }
    }

    fn join(&self, work: &Work<'_>) -> Joined {
        let mut place = lock(&self.gathered);
        let is_first = place.is_none();
        let gathered = place.get_or_insert_with(|| Gathered {
            rules: Arc::clone(work.rules),
            batch: PurgeBatch::new(work.batch.target()),
            outer: Vec::new(),
            behind: Vec::new(),
        });
        let is_other = !Arc::ptr_eq(&gathered.rules, work.rules);
        if !is_first && (is_other || gathered.batch.len() + work.batch.len() > GATHERED_MAX) {
            return Joined::Full;
        }
        gathered.batch.extend(work.batch);
        for outer in work.outer() {
            let known = gathered.outer.iter_mut();
            match known
                .into_iter()
                .find(|known| known.target() == outer.target())
            {
                Some(known) => known.extend(outer),
                None => gathered.outer.push(outer.clone()),
            }
        }
        if is_first {
            return Joined::First;
        }
        let (sender, outcome) = oneshot::channel();
        gathered.behind.push(sender);
        Joined::Behind(outcome)
    }

    /// A batch of `purges` was accepted; it is under way until what is returned is dropped.
    pub(crate) fn begin<'t>(&'t self, purges: usize, clock: &'t Clock) -> Begun<'t> {
        let since = clock.now();
        let mut under_way = lock(&self.under_way);
        let number = under_way.next;
        under_way.next += 1;
        under_way.purges += purges;
        under_way.batches.push_back((number, since));
        Begun {
            turns: self,
            clock,
            number,
            since,
            purges,
        }
    }

    /// How long the oldest batch under way has until it is late; nothing while answers come late, and none when nothing
    /// is under way.
    pub(crate) fn patience(&self, now: Steady) -> Option<Duration> {
        let under_way = lock(&self.under_way);
        let &(_, since) = under_way.batches.front()?;
        Some(match under_way.was_late {
            true => Duration::ZERO,
            false => under_way.left(since, now),
        })
    }
}

/// A batch that is under way.
pub(crate) struct Begun<'t> {
    turns: &'t Turns,
    clock: &'t Clock,
    number: u64,
    since: Steady,
    purges: usize,
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        let now = self.clock.now();
        let mut under_way = lock(&self.turns.under_way);
        under_way.was_late = under_way.left(self.since, now).is_zero();
        under_way.purges -= self.purges;
        let number = self.number;
        under_way.batches.retain(|(other, _)| *other != number);
    }
}

/// A poisoned lock only means that a holder panicked; the state is whole after every operation.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
