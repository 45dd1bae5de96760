//! What is bound is used by a template.

use std::collections::HashSet;

use crate::decided::bound::Bound;
use crate::diagnostics::Diagnostics;

const CODE: &str = "FR0013";

pub(super) fn check(bound: Bound<'_>, found: &mut Diagnostics) {
    let templates = bound.templates();
    let used: HashSet<&str> = templates
        .flat_map(|template| template.placeholders())
        .collect();
    for (name, value) in &bound.binding.bind {
        if !used.contains(name.as_str()) {
            let message = format!("placeholder `{name}` is bound but no key or tag uses it");
            let help = "remove it, or use it in a template";
            found.warning(CODE, bound.family.spot(value), &message, help);
        }
    }
}
