//! Two columns that arrive under one name cannot be distinguished.

use std::collections::HashMap;

use crate::decided::bound::Known;
use crate::diagnostics::Diagnostics;
use crate::names;

const CODE: &str = "FR0007";

pub(super) fn check(known: &Known<'_>, found: &mut Diagnostics) {
    for (file, table) in known.source_tables() {
        let mut fields = HashMap::new();
        for column in &table.columns {
            let field = names::field_of(&column.name, file.connector.field_names);
            let Some(first) = fields.insert(field.clone(), &column.name) else {
                continue;
            };
            let message = format!(
                "columns `{first}` and `{}` both arrive as `{field}`",
                column.name
            );
            let help = "rename one, or set `field.name.adjustment.mode=avro_unicode` and `field_names: avro_unicode`";
            found.error(CODE, file.spot(&table.table), &message, help);
        }
    }
}
