//! How transactions come to their end in memory: judged, given up, or pushed out by newer ones.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::{Members, Missing, Open};
use crate::position::Steady;
use crate::transaction::TransactionId;

/// What became of one transaction's changes of one table.
#[derive(Debug, Clone, Copy)]
pub(super) enum Finish {
    Complete,
    Missing,
    Unjudged,
}

impl Members {
    pub(super) fn take_due(&mut self, at: usize, asked_at: Steady) -> Option<TransactionId> {
        let table = self.tables.get_mut(at)?;
        let (due, _) = *table.waiting.front()?;
        if due > asked_at {
            return None;
        }
        table.waiting.pop_front().map(|(_, id)| id)
    }

    pub(super) fn judge_one(&mut self, id: TransactionId, at: usize, found: &mut Option<Missing>) {
        let Some(table) = self.tables.get(at) else {
            return;
        };
        let Some(open) = self.open.get(&id) else {
            return;
        };
        let part = open.parts.iter().find(|part| part.table == at);
        let Some((part, counted)) = part.and_then(|part| Some((part, part.counted?))) else {
            return;
        };
        if !table.proven {
            // Perhaps nothing of the table comes this way, or not as the capture side counts it.
            self.finish_part(id, at, Finish::Unjudged);
            return;
        }
        let told = found.get_or_insert_with(|| Missing {
            topic: Arc::clone(&table.topic),
            transactions: 0,
            first: open.text.clone(),
            counted,
            arrived: part.seen.seen(),
        });
        told.transactions += 1;
        self.finish_part(id, at, Finish::Missing);
    }

    pub(super) fn finish_part(&mut self, id: TransactionId, at: usize, finish: Finish) {
        let Some(open) = self.open.get_mut(&id) else {
            return;
        };
        let Some(part) = open.parts.iter().position(|part| part.table == at) else {
            return;
        };
        self.words -= open.parts.swap_remove(part).seen.words();
        match finish {
            Finish::Complete => {
                self.outcomes.complete += 1;
                if let Some(table) = self.tables.get_mut(at) {
                    table.proven = true;
                }
            }
            Finish::Missing => self.outcomes.missing += 1,
            Finish::Unjudged => self.outcomes.unjudged += 1,
        }
        self.close_when_done(id);
    }

    /// Closes a transaction that ended and of which nothing waits any more.
    pub(super) fn close_when_done(&mut self, id: TransactionId) {
        let done = |open: &Open| open.ended && open.parts.iter().all(|it| it.counted.is_none());
        if self.open.get(&id).is_some_and(done) {
            self.close(id, false);
        }
    }

    fn close(&mut self, id: TransactionId, given_up: bool) {
        if let Some(open) = self.open.remove(&id) {
            self.in_order.remove(&open.place);
            self.words -= open.parts.iter().map(|it| it.seen.words()).sum::<usize>();
        }
        if self.closed.insert(id, given_up).is_none() {
            self.closed_oldest.push_back(id);
        }
        while self.closed_oldest.len() > self.limits.closed_max {
            if let Some(gone) = self.closed_oldest.pop_front() {
                self.lost_track |= self.closed.remove(&gone) == Some(true);
            }
        }
    }

    /// Gives up the oldest transactions until the others fit.
    pub(super) fn forget_what_is_too_much(&mut self) {
        while (self.open.len() > self.limits.open_max || self.words > self.limits.words_max)
            && let Some((_, id)) = self.in_order.pop_first()
            && let Some(open) = self.open.get(&id)
        {
            let waited = open.parts.iter().filter(|it| it.counted.is_some()).count();
            self.outcomes.unjudged += waited as u64;
            // What has not ended yet is counted when its end is read.
            let given_up = !open.ended;
            self.close(id, given_up);
        }
    }

    /// Forgets what is known of a table; what waited there is not judged.
    pub(super) fn start_over(&mut self, at: usize, now: Steady) {
        let ask_at = now.plus(self.within);
        let Some(table) = self.tables.get_mut(at) else {
            return;
        };
        for (_, id) in table.start_over(ask_at) {
            // Not one that was pushed out meanwhile and is open again because more of it came.
            let waits = |open: &Open| {
                let mut parts = open.parts.iter();
                parts.any(|it| it.table == at && it.counted.is_some())
            };
            if self.open.get(&id).is_some_and(waits) {
                self.finish_part(id, at, Finish::Unjudged);
            }
        }
    }

    pub(super) fn start_over_all(&mut self, now: Steady) {
        for at in 0..self.tables.len() {
            self.start_over(at, now);
        }
    }
}

/// The transaction in memory.
pub(super) fn opened<'a>(
    open: &'a mut FxHashMap<TransactionId, Open>,
    in_order: &mut BTreeMap<u64, TransactionId>,
    id: TransactionId,
) -> &'a mut Open {
    open.entry(id).or_insert_with(|| {
        let place = in_order.last_key_value().map_or(0, |(last, _)| last + 1);
        in_order.insert(place, id);
        Open {
            place,
            ..Open::default()
        }
    })
}
