//! A topic has a name that Kafka allows: through another one nothing would ever arrive.

use crate::decided::bound::Known;
use crate::diagnostics::Diagnostics;
use crate::names;

const CODE: &str = "FR0006";

pub(super) fn check(known: &Known<'_>, found: &mut Diagnostics) {
    for (file, table) in known.source_tables() {
        let topic = table.arrives_through();
        if !names::is_topic(&topic) {
            let message = format!("`{}` cannot be the name of a topic", topic.value);
            let help = "Kafka allows letters a to z and A to Z, digits, `.`, `_` and `-`, at most 249 of them, and neither `.` nor `..` alone";
            found.error(CODE, file.spot(&topic), &message, help);
        }
    }
}
