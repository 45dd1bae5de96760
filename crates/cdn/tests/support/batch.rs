//! Batches of tags, and purgers of one provider.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::sync::Arc;

use freshet_cdn::{Budgets, HttpPurger, Provider};
use freshet_core::purge::PurgeBatch;
use freshet_core::registry::PurgeMode;
pub(crate) use freshet_testbed::batch_of_tags as batch;

/// A purger with a budget of its own.
pub(crate) fn purger_of(provider: impl Provider + 'static) -> HttpPurger {
    HttpPurger::new(Arc::new(provider), &Budgets::default()).expect("a client")
}

/// `item-0`, `item-1` and so on.
pub(crate) fn items(count: usize, mode: PurgeMode) -> PurgeBatch {
    let tags: Vec<String> = (0..count).map(|at| format!("item-{at}")).collect();
    let tags: Vec<_> = tags.iter().map(|tag| (tag.as_str(), mode)).collect();
    batch(&tags)
}
