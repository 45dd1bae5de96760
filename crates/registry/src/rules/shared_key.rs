//! An entry has one owner: no key of one family names an entry of another.

mod candidates;

use freshet_core::shape;

use crate::decided::bound::Known;
use crate::diagnostics::{Diagnostic, Diagnostics};
use crate::rules::shown::{REPORTED_MAX, shown};
use candidates::{Key, Overlaps};

const CODE: &str = "FR0020";

pub(super) fn check(known: &Known<'_>, found: &mut Diagnostics) {
    let (mut owners, mut keys) = (Vec::new(), Vec::new());
    for (number, family) in known.purging() {
        for place in family.stores() {
            for template in place.keys.iter() {
                owners.push((family, template));
                keys.push(Key {
                    family: number,
                    target: &place.target,
                    shape: template.shape(),
                });
            }
        }
    }
    let Overlaps { pairs, too_alike } = candidates::overlaps(&keys, REPORTED_MAX);
    let is_cut = pairs.len() >= REPORTED_MAX;
    for (at, (later, earlier)) in pairs.into_iter().enumerate() {
        let shared = shape::shared_name(&keys[later].shape, &keys[earlier].shape);
        let (family, key) = owners[later];
        let (owner, other) = owners[earlier];
        let message = format!(
            "`{}` can name an entry that family `{}` owns: both name `{}`",
            key.text.value,
            owner.family.value,
            shown(&shared.unwrap_or_default())
        );
        let mut help =
            "an entry has one owner: change the literal part of one of the keys".to_owned();
        if is_cut && at == REPORTED_MAX - 1 {
            help.push_str("; the number of reported overlaps is limited, there may be more");
        }
        let fault = Diagnostic::error(CODE, family.place(&key.text), &message)
            .with_also(owner.place(&other.text), "owned here")
            .with_help(&help);
        found.push(fault, &family.text);
    }
    if let Some((family, key)) = too_alike.and_then(|at| owners.get(at)) {
        let message = "the keys of too many families start and end like this one: whether each entry has one owner cannot be determined in bounded time";
        let help = "give each family its own literal after `<domain>:v<n>:`";
        found.error(CODE, family.spot(&key.text), message, help);
    }
}
