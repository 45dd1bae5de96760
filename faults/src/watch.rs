//! Looks again and again whether the entries that changes outdated are gone.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use freshet_testbed::Reply;

use crate::book::{Book, Target};
use crate::cache::{Cache, Command, Place};
use crate::setup::entry_of;

const LOOK_EVERY: Duration = Duration::from_millis(5);
/// Young ones are looked at first, so that live changes are seen on time while a backlog is long.
const YOUNG_MAX: usize = 5_000;
const OLD_AT_ONCE: usize = 2_000;
/// A server that is away is not asked all the time.
const LET_BE: Duration = Duration::from_millis(200);

/// Ends its thread when dropped.
#[derive(Debug)]
pub(crate) struct Watch {
    ended: Arc<AtomicBool>,
}

impl Watch {
    /// Watches the entries of `target`.
    pub(crate) fn start(book: Arc<Book>, target: Target, place: Place) -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&ended);
        std::thread::spawn(move || {
            let mut open = Open::default();
            let mut cache = Cache::new(place);
            while !seen.load(Ordering::Acquire) {
                std::thread::sleep(LOOK_EVERY);
                open.take_new(&book, target);
                open.look(&book, target, &mut cache);
            }
        });
        Self { ended }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Release);
    }
}

/// Numbers of changes whose entries are there yet.
#[derive(Default)]
struct Open {
    next: u64,
    young: VecDeque<u64>,
    old: VecDeque<u64>,
}

impl Open {
    fn take_new(&mut self, book: &Book, target: Target) {
        let (found, next) = book.outdated_since(target, self.next.max(1));
        self.next = next;
        self.young.extend(found);
        let surplus = self.young.len().saturating_sub(YOUNG_MAX);
        self.old.extend(self.young.drain(..surplus));
    }

    fn look(&mut self, book: &Book, target: Target, cache: &mut Cache) {
        let mut asked: Vec<u64> = self.young.iter().copied().collect();
        let young = asked.len();
        asked.extend(self.old.iter().take(OLD_AT_ONCE));
        let commands: Vec<Command> = asked
            .iter()
            .map(|&number| Command::new(&["EXISTS", &entry_of(target.name(), number)]))
            .collect();
        if commands.is_empty() {
            return;
        }
        // While it is away, nothing is known, and nothing is lost by asking later.
        let Ok(replies) = cache.run(&commands) else {
            std::thread::sleep(LET_BE);
            return;
        };
        let is_gone: Vec<bool> = replies.iter().map(|it| *it == Reply::Int(0)).collect();
        let gone: Vec<u64> = asked
            .iter()
            .zip(&is_gone)
            .filter_map(|(&number, &gone)| gone.then_some(number))
            .collect();
        book.gone(target, &gone);
        let mut at = 0;
        self.young.retain(|_| {
            at += 1;
            !is_gone[at - 1]
        });
        for gone in &is_gone[young..] {
            // What is still there is looked at again after all others.
            if let Some(number) = self.old.pop_front()
                && !gone
            {
                self.old.push_back(number);
            }
        }
    }
}
