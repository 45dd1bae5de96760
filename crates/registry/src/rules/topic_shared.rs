//! A record's table is known by its topic alone: of two tables on one topic, one would never be purged for.

use std::collections::HashMap;

use crate::decided::bound::Known;
use crate::diagnostics::{Diagnostic, Diagnostics};

const CODE: &str = "FR0005";

pub(super) fn check(known: &Known<'_>, found: &mut Diagnostics) {
    let mut topics = HashMap::new();
    for (file, table) in known.source_tables() {
        let topic = table.arrives_through();
        let place = file.place(&topic);
        let (name, first) = topics
            .entry(topic.value.clone())
            .or_insert_with(|| (table.table.as_str(), place.clone()));
        // A table that is declared twice has its own code.
        if *name != table.table.as_str() {
            let message = format!("topic `{}` already belongs to another table", topic.value);
            let fault = Diagnostic::error(CODE, place, &message)
                .with_also(first.clone(), "declared here")
                .with_help(
                    "configure the connector or its router so that each table has its own topic",
                );
            found.push(fault, &file.text);
        }
    }
}
