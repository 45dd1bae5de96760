//! A key begins with its family's domain and schema version, which keep families and versions apart.

use crate::at::InFile;
use crate::decided::family::Family;
use crate::diagnostics::Diagnostics;

const CODE: &str = "FR0014";

/// What every key of a family begins with.
pub(super) fn beginning(family: &Family) -> String {
    let domain = family.family.split('.').next().unwrap_or_default();
    format!("{domain}:v{}:", family.schema_version)
}

pub(super) fn check(family: &InFile<Family>, found: &mut Diagnostics) {
    let wanted = beginning(family);
    for key in family.keys() {
        if !key.literal_prefix().starts_with(&wanted) {
            let message = "the key does not start with its domain and schema version";
            let help =
                format!("start it with `{wanted}`, which separates families and schema versions");
            found.error(CODE, family.spot(&key.text), message, &help);
        }
    }
}
