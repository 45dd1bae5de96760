//! A family has sources: entries that nothing purges stay as they were filled.

use crate::at::InFile;
use crate::decided::family::Family;
use crate::diagnostics::Diagnostics;

const CODE: &str = "FR0023";

pub(super) fn check(family: &InFile<Family>, found: &mut Diagnostics) {
    if family.sources.is_empty() {
        let message = "the family's entries are never purged";
        let help = "bind the tables whose changes make its entries stale";
        found.error(CODE, family.spot(&family.family), message, help);
    }
}
