//! A CDN that purges by tag as Varnish does, notes what was purged, and can be told to misbehave.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Result;
use freshet_testbed::{SeenRequest, http_answer, serve_http};

use crate::book::Book;
use crate::setup::EDGE_TAG;

/// How the CDN behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    /// It purges.
    Well,
    /// 429 with `Retry-After: 1`.
    Throttles,
    /// 500.
    Fails,
    /// It reads the request and never answers.
    Hangs,
}

/// Served for as long as this process lives.
#[derive(Debug)]
pub(crate) struct Edge {
    pub(crate) address: String,
    mood: Arc<Mutex<Mood>>,
    families: Arc<AtomicU64>,
}

impl Edge {
    pub(crate) fn start(book: Arc<Book>) -> Result<Self> {
        let mood = Arc::new(Mutex::new(Mood::Well));
        let families = Arc::new(AtomicU64::new(0));
        let (shown, counted) = (Arc::clone(&mood), Arc::clone(&families));
        let address = serve_http(move |request| answer(request, &book, &counted, &shown))?;
        Ok(Self {
            address,
            mood,
            families,
        })
    }

    /// How often the whole family was purged.
    pub(crate) fn families(&self) -> u64 {
        self.families.load(Ordering::Relaxed)
    }

    pub(crate) fn set(&self, mood: Mood) {
        *lock(&self.mood) = mood;
    }
}

fn lock(mood: &Mutex<Mood>) -> MutexGuard<'_, Mood> {
    mood.lock().unwrap_or_else(PoisonError::into_inner)
}

fn answer(request: &SeenRequest, book: &Book, families: &AtomicU64, mood: &Mutex<Mood>) -> String {
    let now = *lock(mood);
    match now {
        Mood::Well => {
            let tags = request.header("xkey-purge").unwrap_or_default();
            let numbers = tags.split_whitespace().filter_map(|tag| {
                let number = tag.strip_prefix("change-")?;
                number.parse::<u64>().ok()
            });
            let changes: Vec<u64> = numbers.collect();
            book.purged(&changes);
            if tags.split_whitespace().any(|tag| tag == EDGE_TAG) {
                book.purged_all();
                families.fetch_add(1, Ordering::Relaxed);
            }
            http_answer("200 OK", &format!("X-Purged: {}\r\n", changes.len()), "")
        }
        Mood::Throttles => http_answer("429 Too Many Requests", "Retry-After: 1\r\n", ""),
        Mood::Fails => http_answer("500 Internal Server Error", "", ""),
        Mood::Hangs => {
            while *lock(mood) == Mood::Hangs {
                std::thread::sleep(Duration::from_millis(20));
            }
            String::new()
        }
    }
}
