//! A family has one owner and one file.

use crate::decided::bound::Known;
use crate::diagnostics::{Diagnostic, Diagnostics};

const CODE: &str = "FR0021";

pub(super) fn check(known: &Known<'_>, found: &mut Diagnostics) {
    // They are in the order of their names.
    for (one, other) in known.families.iter().zip(known.families.iter().skip(1)) {
        if one.family == other.family {
            let message = format!("family `{}` is declared twice", other.family.value);
            let fault = Diagnostic::error(CODE, other.place(&other.family), &message)
                .with_also(one.place(&one.family), "also declared here")
                .with_help("rename one of them; a family has one owner and one file");
            found.push(fault, &other.text);
        }
    }
}
