//! Two values of no certain length do not stand side by side in a key: other rows can give the same name. The purge is
//! none the worse for it, but readers of the entry are; a tag may be shared, so it is not looked at.

use std::collections::BTreeSet;

use freshet_core::table::ColumnKind;

use crate::decided::bound::Bound;
use crate::decided::template::{Piece, placeholders};
use crate::diagnostics::Diagnostics;

const CODE: &str = "FR0042";

pub(super) fn check(bound: Bound<'_>, found: &mut Diagnostics) {
    for key in bound.family.keys() {
        for run in key.pieces.split(|piece| matches!(piece, Piece::Literal(_))) {
            let names: BTreeSet<&str> = placeholders(run)
                .filter(|name| has_any_length(bound, name))
                .collect();
            if let Some((one, other)) = names.first().zip(names.last())
                && one != other
            {
                let message = format!(
                    "no separator between `{{{one}}}` and `{{{other}}}`: two rows can share one entry, for example 1 and 23 with 12 and 3"
                );
                let help = "put a `:` between them, here and where the entry is written; no value contains one";
                found.warning(CODE, bound.family.spot(&key.text), &message, help);
            }
        }
    }
}

/// Whether values of a placeholder can begin or end with one another.
fn has_any_length(bound: Bound<'_>, name: &str) -> bool {
    match bound.column_of(name) {
        Some(column) => !matches!(column.kind, ColumnKind::Uuid | ColumnKind::Bool),
        None => bound
            .constants_of(name)
            .is_some_and(one_begins_or_ends_another),
    }
}

/// Whether one of `texts` begins or ends with another one. In order, a text stands right behind its beginning.
fn one_begins_or_ends_another(texts: &[String]) -> bool {
    let mut sorted: Vec<Vec<u8>> = texts.iter().map(|text| text.clone().into_bytes()).collect();
    let any = |sorted: &mut Vec<Vec<u8>>| {
        sorted.sort_unstable();
        let mut pairs = sorted.iter().zip(sorted.iter().skip(1));
        pairs.any(|(one, other)| other.starts_with(one))
    };
    any(&mut sorted) || {
        sorted.iter_mut().for_each(|text| text.reverse());
        any(&mut sorted)
    }
}
