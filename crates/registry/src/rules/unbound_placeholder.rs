//! A placeholder stands for something in the rows of each of the family's tables.

use crate::decided::bound::Bound;
use crate::diagnostics::Diagnostics;

const CODE: &str = "FR0012";

pub(super) fn check(bound: Bound<'_>, found: &mut Diagnostics) {
    let bind = &bound.binding.bind;
    for template in bound.templates() {
        for name in template.placeholders() {
            if bind.contains_key(name) {
                continue;
            }
            let table = bound.table.name();
            let message = format!("placeholder `{name}` is not bound for `{table}`");
            let near = found.meant(name, bind.keys().map(String::as_str));
            let help = format!("{near}add `{name}: <column>` to that table's `bind:`");
            found.error(CODE, bound.family.spot(&template.text), &message, &help);
        }
    }
}
