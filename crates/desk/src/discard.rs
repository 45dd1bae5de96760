//! Closes letters without a purge.

use freshet_wire::ResolutionAction;

use crate::letter::Letter;
use crate::plan::{Closure, Plan};

/// Closes investigated letters: their families were purged when they were written.
pub fn discard(letters: &[&Letter]) -> Plan {
    let closures = letters.iter().map(|letter| {
        let said = "nothing was purged".to_owned();
        Closure::of(letter, Some(ResolutionAction::Discarded), said)
    });
    Plan::new(closures.collect(), Vec::new())
}
