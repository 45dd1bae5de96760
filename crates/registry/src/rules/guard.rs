//! A guard is the readers' part.

use crate::at::InFile;
use crate::decided::family::Family;
use crate::diagnostics::Diagnostics;

const CODE: &str = "FR0041";

pub(super) fn check(family: &InFile<Family>, found: &mut Diagnostics) {
    if *family.guard != "none" {
        let message = "readers must implement the guard: a purger alone cannot prevent stale fills";
        let help = "docs/concepts.md describes what a reader does on a miss";
        found.warning(CODE, family.spot(&family.guard), message, help);
    }
}
