//! How many of each thing a file may hold. What is beyond is refused before anything is made of it, so
//! that the time of a check grows with the registry's size only.

use std::collections::BTreeMap;

use crate::at::{At, InFile};
use crate::diagnostics::Diagnostics;
use crate::written::family::{BoundTo, Example, FamilyFile};
use crate::written::source::{SourceFile, SourceTable};

/// How many entries the list (or mapping) behind a path of fields has at most.
#[derive(Debug, Clone, Copy)]
struct Limit<'a>(&'a str, usize);

const TABLES: Limit<'static> = Limit("tables", 10_000);
/// No engine has more in one table: MySQL and MariaDB have 4 096, Postgres 1 600.
const COLUMNS: Limit<'static> = Limit("tables[].columns", 4_096);
const PRIMARY_KEY: Limit<'static> = Limit("tables[].primary_key", 32);
const FOREIGN_KEYS: Limit<'static> = Limit("tables[].foreign_keys", 256);
const FOREIGN_KEY_COLUMNS: Limit<'static> = Limit("tables[].foreign_keys[].columns", 32);
const REFERENCED_COLUMNS: Limit<'static> = Limit("tables[].foreign_keys[].referenced_columns", 32);

const PLACES: Limit<'static> = Limit("places", 100);
/// Keys or tags of one place.
const NAMES_MAX: usize = 1_000;
const TARGETS: Limit<'static> = Limit("cdn.targets", 100);
const SOURCES: Limit<'static> = Limit("sources", 100);
const BIND: Limit<'static> = Limit("sources[].bind", 100);
/// One name for each, and no change purges more names one by one.
const CONSTANTS: Limit<'static> = Limit("sources[].bind.*", 10_000);
const WHEN_CHANGED: Limit<'static> = Limit("sources[].when_changed", COLUMNS.1);
const RELATIONS: Limit<'static> = Limit("relations", 256);
const EXAMPLES: Limit<'static> = Limit("examples", 1_000);
const BEFORE: Limit<'static> = Limit("examples[].change.before", COLUMNS.1);
const AFTER: Limit<'static> = Limit("examples[].change.after", COLUMNS.1);
const PURGED_KEYS: Limit<'static> = Limit("examples[].purges.redis", CONSTANTS.1);
const PURGED_TAGS: Limit<'static> = Limit("examples[].purges.tags", CONSTANTS.1);
const ACKNOWLEDGE: Limit<'static> = Limit("acknowledge", 64);

/// Bytes of a template. No CDN takes a longer tag, and a Redis key of this length is slow already.
const TEMPLATE_BYTES_MAX: usize = 1_024;
/// Bytes of a column's type, which for an enum lists all its values.
const TYPE_BYTES_MAX: usize = 65_536;
/// One file while its lists are counted.
struct Count<'a, T> {
    file: &'a InFile<T>,
    found: &'a mut Diagnostics,
    is_over: bool,
}

/// Whether a source file holds more than it may. What is too much is reported.
pub(crate) fn is_source_over(file: &InFile<SourceFile>, found: &mut Diagnostics) -> bool {
    let mut count = Count::new(file, found);
    if let Some(first) = file.tables.get(TABLES.1) {
        count.list(TABLES, file.tables.len(), &first.table);
    }
    file.tables.iter().for_each(|table| count.table(table));
    count.is_over
}

/// Whether a family file holds more than it may. What is too much is reported.
pub(crate) fn is_family_over(file: &InFile<FamilyFile>, found: &mut Diagnostics) -> bool {
    let mut count = Count::new(file, found);
    count.family(file);
    count.is_over
}

impl<'a, F> Count<'a, F> {
    fn new(file: &'a InFile<F>, found: &'a mut Diagnostics) -> Self {
        Self {
            file,
            found,
            is_over: false,
        }
    }

    fn table(&mut self, table: &SourceTable) {
        let at = &table.table;
        self.list(COLUMNS, table.columns.len(), at);
        self.list(PRIMARY_KEY, table.primary_key.len(), at);
        self.list(FOREIGN_KEYS, table.foreign_keys.len(), at);
        for key in &table.foreign_keys {
            self.list(FOREIGN_KEY_COLUMNS, key.columns.len(), at);
            self.list(REFERENCED_COLUMNS, key.referenced_columns.len(), at);
        }
        for column in &table.columns {
            if column.kind.len() > TYPE_BYTES_MAX {
                let message = format!(
                    "the type of column `{}` is longer than {TYPE_BYTES_MAX} bytes",
                    column.name
                );
                let help = "write an enum's type as `enum`, without its values";
                self.over(at, &message, help);
            }
        }
    }

    fn family(&mut self, file: &FamilyFile) {
        self.list(PLACES, file.places_listed(), &file.family);
        for places in file.places() {
            self.spanned(TARGETS, places.targets);
            for (list, texts) in [("keys", places.keys), ("tags", places.tags)] {
                let field = format!("{}.{list}", places.field);
                self.templates(Limit(&field, NAMES_MAX), texts.unwrap_or_default());
            }
        }
        if let Some(first) = file.sources.get(SOURCES.1) {
            self.list(SOURCES, file.sources.len(), &first.table);
        }
        for source in &file.sources {
            self.list(BIND, source.bind.len(), &source.table);
            for bound in source.bind.values() {
                if let BoundTo::Constants(constants) = &bound.value {
                    self.list(CONSTANTS, constants.len(), bound);
                }
            }
            self.spanned(WHEN_CHANGED, &source.when_changed);
        }
        self.list(RELATIONS, file.relations.len(), &file.family);
        self.spanned(EXAMPLES, &file.examples);
        file.examples
            .iter()
            .for_each(|example| self.example(example));
        if let Some(first) = file.acknowledge.get(ACKNOWLEDGE.1) {
            self.list(ACKNOWLEDGE, file.acknowledge.len(), &first.code);
        }
    }

    fn example(&mut self, example: &At<Example>) {
        let Example { change, purges } = &example.value;
        for (limit, row) in [(BEFORE, &change.before), (AFTER, &change.after)] {
            self.list(limit, row.as_ref().map_or(0, BTreeMap::len), example);
        }
        self.list(PURGED_KEYS, purges.keys.len(), example);
        self.list(PURGED_TAGS, purges.tags.len(), example);
    }

    fn templates(&mut self, limit: Limit<'_>, texts: &[At<String>]) {
        self.spanned(limit, texts);
        for text in texts {
            if text.value.len() > TEMPLATE_BYTES_MAX {
                let message = format!("the template is longer than {TEMPLATE_BYTES_MAX} bytes");
                self.over(text, &message, "shorten its literal parts");
            }
        }
    }

    /// A list whose entries know where they stand: the first that is too many is the place.
    fn spanned<T>(&mut self, limit: Limit<'_>, list: &[At<T>]) {
        if let Some(first) = list.get(limit.1) {
            self.list(limit, list.len(), first);
        }
    }

    fn list<T>(&mut self, Limit(field, most): Limit<'_>, count: usize, at: &At<T>) {
        if count > most {
            let message = format!("`{field}` has {count} entries, which is more than {most}");
            let help =
                "docs/registry.md#limits has the limit of each list; split the family or the list";
            self.over(at, &message, help);
        }
    }

    fn over<T>(&mut self, at: &At<T>, message: &str, help: &str) {
        self.is_over = true;
        let spot = self.file.spot(at);
        self.found.error("FR0009", spot, message, help);
    }
}
