//! A deprecated family whose day has passed asks somebody to decide; until then it purges as before.

use time::Date;

use crate::decided::bound::Known;
use crate::decided::lifecycle::Lifecycle;
use crate::diagnostics::Diagnostics;

const CODE: &str = "FR0048";

/// Checks this on a day, where one is known.
pub(super) fn check(known: &Known<'_>, today: Option<Date>, found: &mut Diagnostics) {
    for family in known.families {
        let Lifecycle::Deprecated(Some(until)) = family.lifecycle.value else {
            continue;
        };
        let Some(today) = today else {
            // Whether the day has passed is not known, so that an acknowledgement may have its reason.
            found.is_acknowledged(&family.path, CODE);
            continue;
        };
        if today > until {
            let message = format!(
                "the family was deprecated until {until}, which has passed: it still purges"
            );
            let help =
                "set `lifecycle: retired` when nobody reads its entries any more, or a later day";
            found.warning(CODE, family.spot(&family.lifecycle), &message, help);
        }
    }
}
