//! A guard is the readers' part.

use crate::at::InFile;
use crate::decided::family::Family;
use crate::diagnostics::Diagnostics;

const CODE: &str = "FR0041";

pub(super) fn check(family: &InFile<Family>, found: &mut Diagnostics) {
    if *family.guard != "none" {
        let message =
            "the guard is the readers' part: the purger alone cannot close the stale-set race";
        let help = "see docs/concepts.md for what a reader does on a miss";
        found.warning(CODE, family.spot(&family.guard), message, help);
    }
}
