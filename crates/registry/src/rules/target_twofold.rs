//! A target is in one tier and has entries of one kind of names, whichever family speaks of it.

use std::collections::HashMap;

use crate::decided::bound::Known;
use crate::diagnostics::{Diagnostic, Diagnostics};

const CODE: &str = "FR0022";

pub(super) fn check(known: &Known<'_>, found: &mut Diagnostics) {
    let mut targets = HashMap::new();
    for family in known.families {
        for place in &family.places {
            let here = family.place(&place.target);
            let (first, said) = targets
                .entry(place.target.as_str())
                .or_insert_with(|| (place, here.clone()));
            let (what, help) = if first.form() != place.form() {
                (
                    "with keys and with tags",
                    "give one of them another target name",
                )
            } else if first.tier != place.tier {
                ("in two tiers", "say the same `tier:` everywhere")
            } else {
                continue;
            };
            let message = format!("target `{}` is used {what}", place.target.value);
            let fault = Diagnostic::error(CODE, here, &message)
                .with_also(said.clone(), "used differently here")
                .with_help(help);
            found.push(fault, &family.text);
        }
    }
}
