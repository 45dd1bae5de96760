//! A key has a literal of its own behind what all keys of its domain begin with.

use crate::at::InFile;
use crate::decided::family::Family;
use crate::diagnostics::Diagnostics;
use crate::rules::key_domain;

const CODE: &str = "FR0015";

pub(super) fn check(family: &InFile<Family>, found: &mut Diagnostics) {
    let shared = key_domain::beginning(family);
    for key in family.keys() {
        if key.literal_prefix() == shared {
            let message = "the key's literal part is shared by the whole domain";
            let help = "put a literal that only this family uses in front of the first placeholder";
            found.error(CODE, family.spot(&key.text), message, help);
        }
    }
}
