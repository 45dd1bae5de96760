//! An acknowledgement is for a warning that arises.

use crate::decided::bound::Known;
use crate::diagnostics::{Diagnostic, Diagnostics};

const CODE: &str = "FR0043";

/// Lets each family's acknowledgements hold for what is found from now on.
pub(super) fn heed(known: &Known<'_>, found: &mut Diagnostics) {
    for family in known.families {
        for acknowledged in &family.acknowledge {
            found.acknowledge(&family.path, &acknowledged.code);
        }
    }
}

/// Checks this once all else is found.
pub(super) fn check(known: &Known<'_>, found: &mut Diagnostics) {
    for (_, family) in known.purging() {
        for acknowledged in &family.acknowledge {
            let code = &acknowledged.code;
            if !found.arose(&family.path, code) {
                let message = format!("this file has no warning `{}`", code.value);
                let help = "remove it, or correct the code; errors cannot be acknowledged";
                let fault = Diagnostic::warning(CODE, family.place(code), &message).with_help(help);
                found.push(fault, &family.text);
            }
        }
    }
}
