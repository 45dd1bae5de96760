//! A CDN in memory behind an API of any form: pages with tags, and the purger that is judged by it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use freshet_core::ports::Purger;

use crate::fake_api::FakeApi;
use crate::http_server::SeenRequest;
use crate::purger_contract::{ContractEntry, PurgedCache, tag_of};

/// Pages that are cached, each with the tags of its entry and of its family.
#[derive(Debug, Default)]
pub struct FakePages(BTreeMap<Vec<u8>, [String; 2]>);

impl FakePages {
    /// Drops every page that carries one of `tags`, and says how many went.
    pub fn purge<T: AsRef<str>>(&mut self, tags: &[T]) -> usize {
        let before = self.0.len();
        let is_named = |of_page: &String| tags.iter().any(|tag| tag.as_ref() == of_page);
        self.0.retain(|_, of_page| !of_page.iter().any(is_named));
        before - self.0.len()
    }
}

/// None while it cannot be reached.
type Held = Arc<Mutex<Option<FakePages>>>;

/// A CDN in memory and its purger.
pub struct FakeEdge<P> {
    held: Held,
    purger: P,
}

impl<P> fmt::Debug for FakeEdge<P> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("FakeEdge").finish_non_exhaustive()
    }
}

impl<P> FakeEdge<P> {
    /// A CDN whose API reads requests as `answer` does, and the purger that `purger` makes for the API's address.
    ///
    /// # Errors
    /// No port is free, or there is no such purger.
    pub fn start(
        answer: impl Fn(&SeenRequest, &mut FakePages) -> String + Send + Sync + 'static,
        purger: impl FnOnce(&str) -> Result<P>,
    ) -> Result<Self> {
        let held: Held = Arc::new(Mutex::new(Some(FakePages::default())));
        let cached = Arc::clone(&held);
        let api = FakeApi::start(move |request| match locked(&cached).as_mut() {
            Some(pages) => answer(request, pages),
            None => String::new(),
        })?;
        let purger = purger(&api.url)?;
        Ok(Self { held, purger })
    }
}

fn locked(held: &Held) -> MutexGuard<'_, Option<FakePages>> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<P: Purger> PurgedCache for FakeEdge<P> {
    type Purger = P;

    fn purger(&self) -> &P {
        &self.purger
    }

    fn store(&mut self, entries: &[ContractEntry]) -> Result<()> {
        let mut held = locked(&self.held);
        let pages = held.get_or_insert_default();
        for entry in entries {
            let tags = [tag_of(entry), entry.family.clone()];
            pages.0.insert(self.name(entry), tags);
        }
        Ok(())
    }

    fn held(&mut self, entries: &[ContractEntry]) -> Result<Vec<ContractEntry>> {
        let held = locked(&self.held);
        let is_held = |entry: &&ContractEntry| {
            let pages = held.as_ref();
            pages.is_some_and(|pages| pages.0.contains_key(&self.name(entry)))
        };
        Ok(entries.iter().filter(is_held).cloned().collect())
    }

    fn stop(&mut self) -> Result<()> {
        *locked(&self.held) = None;
        Ok(())
    }

    fn restart(&mut self) -> Result<()> {
        *locked(&self.held) = Some(FakePages::default());
        Ok(())
    }
}
