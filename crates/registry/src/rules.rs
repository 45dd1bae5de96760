//! What `check` checks: one file for each rule, which a section of `docs/registry.md` describes under the rule's code.
//!
//! What arises before has no file here: what cannot be read (FR0001, FR0002, FR0009, FR0019), and what cannot be decided
//! (FR0003, FR0016, FR0024, FR0026).

mod acknowledged;
mod auth_scope;
pub(crate) mod example;
mod family_twice;
mod field_shared;
mod forgotten_column;
mod guard;
mod hidden_cascade;
mod key_domain;
mod key_literal;
mod literal;
mod neighbours;
mod never_purged;
mod opaque_column;
mod overdue;
pub(crate) mod room;
mod shared_key;
mod shared_tag;
mod shown;
mod spelling;
mod table_name;
mod table_twice;
mod target_twofold;
mod tinyint_one;
mod topic_name;
mod topic_shared;
mod unbound_placeholder;
mod unknown_column;
mod unknown_table;
mod unused_placeholder;
mod verify;

use time::Date;

use crate::at::InFile;
use crate::decided::bound::{Bound, Known};
use crate::decided::family::Family;
use crate::diagnostics::Diagnostics;

/// Rules of the registry as a whole.
const OF_ALL: [fn(&Known<'_>, &mut Diagnostics); 13] = [
    table_name::check,
    table_twice::check,
    topic_name::check,
    topic_shared::check,
    field_shared::check,
    family_twice::check,
    shared_key::check,
    shared_tag::check,
    target_twofold::check,
    unknown_table::check,
    unknown_column::check,
    verify::check_version,
    room::check,
];

/// Rules of each family.
const OF_A_FAMILY: [fn(&InFile<Family>, &mut Diagnostics); 6] = [
    never_purged::check,
    guard::check,
    key_domain::check,
    key_literal::check,
    auth_scope::check,
    verify::check,
];

/// Rules of each family that purges, for each of its tables.
const OF_A_BINDING: [fn(Bound<'_>, &mut Diagnostics); 10] = [
    hidden_cascade::check,
    unknown_column::check_binding,
    opaque_column::check,
    tinyint_one::check,
    forgotten_column::check,
    literal::check,
    unbound_placeholder::check,
    unused_placeholder::check,
    neighbours::check,
    spelling::check,
];

/// Checks a registry on a day, where one is known.
pub(crate) fn check(known: &Known<'_>, today: Option<Date>, found: &mut Diagnostics) {
    acknowledged::heed(known, found);
    for rule in OF_ALL {
        rule(known, found);
    }
    for family in known.families {
        for rule in OF_A_FAMILY {
            rule(family, found);
        }
    }
    for (_, family) in known.purging() {
        for bound in known.bound(family) {
            for rule in OF_A_BINDING {
                rule(bound, found);
            }
        }
    }
    overdue::check(known, today, found);
    acknowledged::check(known, found);
}
