//! Batches of tags, and purgers of one provider.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::sync::Arc;

use freshet_cdn::{Budgets, HttpPurger, Provider};
use freshet_core::position::WallMicros;
use freshet_core::purge::{PurgeBatch, WantedPurge};
use freshet_core::registry::{FamilyId, PurgeMode, Scope, TargetId};

/// A purger with a budget of its own.
pub(crate) fn purger_of(provider: impl Provider + 'static) -> HttpPurger {
    HttpPurger::new(Arc::new(provider), &Budgets::default()).expect("a client")
}

pub(crate) fn batch(tags: &[(&str, PurgeMode)]) -> PurgeBatch {
    let mut batch = PurgeBatch::new(TargetId(0));
    for &(tag, mode) in tags {
        batch.add(WantedPurge {
            family: FamilyId(0),
            scope: Scope::Tag,
            mode,
            committed: WallMicros(1),
            name: tag.as_bytes(),
            cause: None,
        });
    }
    batch
}

/// `item-0`, `item-1` and so on.
pub(crate) fn items(count: usize, mode: PurgeMode) -> PurgeBatch {
    let tags: Vec<String> = (0..count).map(|at| format!("item-{at}")).collect();
    let tags: Vec<_> = tags.iter().map(|tag| (tag.as_str(), mode)).collect();
    batch(&tags)
}
