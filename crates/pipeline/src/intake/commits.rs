//! commits: positions that are settled → the prefix of each stream that the source may forget.

use std::time::Duration;

use freshet_core::ledger::OffsetLedger;
use freshet_core::ports::Source;
use freshet_core::position::{Steady, StreamId, StreamPosition};

use crate::watch::withheld::{Found, Hold, WaitsFor, Withheld, WithheldWatch};

/// What is read and not committed.
#[derive(Debug)]
pub(crate) struct Commits {
    ledger: OffsetLedger,
    /// Settled, and not taken by the source yet.
    settled: Vec<StreamPosition>,
    committed_at: Steady,
    /// The source has not taken the last commit.
    refused: Option<Hold>,
    withheld: WithheldWatch,
}

impl Commits {
    pub(crate) fn new(now: Steady) -> Self {
        Self {
            ledger: OffsetLedger::default(),
            settled: Vec::new(),
            committed_at: now,
            refused: None,
            withheld: WithheldWatch::default(),
        }
    }

    /// A position is read, and waits for so many rounds.
    pub(crate) fn open(&mut self, position: StreamPosition, waits_for: u32) {
        self.ledger.open(position, waits_for);
    }

    /// A round with these positions is done.
    pub(crate) fn settle(&mut self, positions: &[StreamPosition]) {
        for &position in positions {
            self.ledger.settle(position);
        }
    }

    /// Somebody else reads the stream now.
    pub(crate) fn close(&mut self, stream: StreamId) {
        self.ledger.close(stream);
        self.settled.retain(|position| position.stream != stream);
    }

    /// How many positions are not settled.
    pub(crate) fn open_count(&self) -> usize {
        self.ledger.open_count()
    }

    /// Whether the last commit is older than `every`.
    pub(crate) fn is_due(&self, now: Steady, every: Duration) -> bool {
        now.since(self.committed_at) >= every
    }

    /// Commits the settled prefix of each stream, unless commits are held; waits up to `wait` for what was committed
    /// before.
    ///
    /// # Errors
    /// Why the source refuses commits, once for each time that it begins to.
    pub(crate) fn commit<S: Source>(
        &mut self,
        source: &mut S,
        is_held: bool,
        wait: Option<Duration>,
        now: Steady,
    ) -> Result<(), String> {
        self.committed_at = now;
        // A process that dies does not notice a gap a second time once it has committed behind it.
        if is_held {
            return Ok(());
        }
        let settled = &mut self.settled;
        self.ledger
            .take_committable(|position| replace_earlier(settled, position));
        if settled.is_empty() && wait.is_none() {
            return Ok(());
        }
        match source.commit(settled, wait) {
            Ok(()) => {
                settled.clear();
                self.refused = None;
                Ok(())
            }
            // Kept and sent again with the next prefix: a later position of the same stream wins.
            Err(error) => {
                let reason = error.to_string();
                let waits_for = WaitsFor::Source(reason.clone());
                match &mut self.refused {
                    Some(hold) => {
                        hold.waits_for = waits_for;
                        Ok(())
                    }
                    None => {
                        let since = now;
                        self.refused = Some(Hold { since, waits_for });
                        Err(reason)
                    }
                }
            }
        }
    }

    /// The position that commits wait for. `hold` is why they do whatever is settled, beside a commit that was refused.
    pub(crate) fn blocking(&mut self, hold: Option<Hold>, now: Steady) -> Option<Found> {
        let found = self.withheld.look(&self.ledger, hold.clone(), now);
        if hold.is_some() {
            return found;
        }
        // What was refused is not in the ledger any more.
        let refused = self.refused.as_ref().zip(self.settled.first());
        let refused = refused.map(|(Hold { since, waits_for }, &position)| Found {
            position,
            since: *since,
            waits_for: Some(waits_for.clone()),
        });
        refused.or(found)
    }

    /// Reports it in the metric and, after a while, in the log.
    pub(crate) fn report(&mut self, intake: &str, withheld: Option<&Withheld>, now: Steady) {
        self.withheld.report(intake, withheld, now);
    }
}

/// Keeps one position of each stream, the latest.
fn replace_earlier(settled: &mut Vec<StreamPosition>, position: StreamPosition) {
    let mut known = settled.iter_mut();
    match known.find(|known| known.stream == position.stream) {
        Some(known) => *known = position,
        None => settled.push(position),
    }
}

#[cfg(test)]
mod tests;
