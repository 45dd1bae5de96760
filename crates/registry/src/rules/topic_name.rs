//! A topic has a name that Kafka allows: through another one nothing would ever arrive.

use crate::decided::bound::Known;
use crate::diagnostics::Diagnostics;
use crate::names;

const CODE: &str = "FR0006";

pub(super) fn check(known: &Known<'_>, found: &mut Diagnostics) {
    for (file, table) in known.source_tables() {
        let topic = table.arrives_through();
        if !names::is_topic(&topic) {
            let written = table.topic.as_ref().unwrap_or(&table.table);
            let message = format!("`{topic}` cannot be the name of a topic");
            let help = "Kafka allows letters a to z and A to Z, digits, `.`, `_` and `-`, at most 249 of them, and neither `.` nor `..` alone";
            found.error(CODE, file.spot(written), &message, help);
        }
    }
}
