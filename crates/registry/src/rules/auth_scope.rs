//! Every key of a family whose entries only one reader may see says who that is.

use crate::at::InFile;
use crate::decided::family::Family;
use crate::diagnostics::Diagnostics;

const CODE: &str = "FR0025";

pub(super) fn check(family: &InFile<Family>, found: &mut Diagnostics) {
    let Some(scope) = &family.auth_scope else {
        return;
    };
    for key in family.keys() {
        if !key.placeholders().any(|name| name == scope) {
            let message = format!("the key lacks the auth scope `{{{scope}}}`");
            let help = "without it one reader's entry is served to another";
            found.error(CODE, family.spot(&key.text), &message, help);
        }
    }
}
