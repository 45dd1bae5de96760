//! How many of each thing a file and a registry may hold. What is beyond is refused before anything is made of it, so
//! that the time of a check grows with the registry's size only.

use std::path::Path;

use serde_saphyr::Spanned;

use crate::diagnostics::{Diagnostic, Diagnostics, Place};
use crate::family_file::{BoundTo, ExampleWritten, FamilyFile};
use crate::load::FamilySource;
use crate::rules;
use crate::source_file::{SourceFile, SourceTable};

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
/// Templates of a registry: each once for every table that it is bound to and every target of its place.
const REGISTRY_TEMPLATES_MAX: usize = 500_000;

/// One file while its lists are counted.
struct Count<'a> {
    path: &'a Path,
    text: &'a str,
    found: &'a mut Diagnostics,
    is_over: bool,
}

/// Whether a source file holds more than it may. What is too much is reported.
pub(crate) fn is_source_over(
    (path, text): (&Path, &str),
    file: &SourceFile,
    found: &mut Diagnostics,
) -> bool {
    let mut count = Count::new(path, text, found);
    if let Some(first) = file.tables.get(TABLES.1) {
        count.list(TABLES, file.tables.len(), &first.table);
    }
    file.tables.iter().for_each(|table| count.table(table));
    count.is_over
}

/// Whether a family file holds more than it may. What is too much is reported.
pub(crate) fn is_family_over(source: &FamilySource, found: &mut Diagnostics) -> bool {
    let mut count = Count::new(&source.path, &source.text, found);
    count.family(&source.file);
    count.is_over
}

/// Whether the families have more templates together than a registry may. Told at the family that is the first too many.
pub(crate) fn are_families_over(families: &[FamilySource], found: &mut Diagnostics) -> bool {
    let mut templates = 0_usize;
    for source in families {
        let file = &source.file;
        if !rules::is_bound(&file.lifecycle.value) {
            continue;
        }
        let names = file
            .places()
            .map(|it| it.texts().len().saturating_mul(it.targets.len()));
        let names = names.fold(0, usize::saturating_add);
        let tables = file.sources.len().max(1);
        templates = templates.saturating_add(names.saturating_mul(tables));
        if templates > REGISTRY_TEMPLATES_MAX {
            let mut count = Count::new(&source.path, &source.text, found);
            let message = format!(
                "the registry is too large: more than {REGISTRY_TEMPLATES_MAX} templates with this family, each once for every table that it is bound to"
            );
            count.over(&file.family, &message, "serve the registry in parts");
            return true;
        }
    }
    false
}

impl<'a> Count<'a> {
    fn new(path: &'a Path, text: &'a str, found: &'a mut Diagnostics) -> Self {
        Self {
            path,
            text,
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
        file.examples.iter().for_each(|it| self.example(it));
        if let Some(first) = file.acknowledge.get(ACKNOWLEDGE.1) {
            self.list(ACKNOWLEDGE, file.acknowledge.len(), &first.code);
        }
    }

    fn example(&mut self, example: &Spanned<ExampleWritten>) {
        let ExampleWritten { change, purges } = &example.value;
        for (limit, row) in [(BEFORE, &change.before), (AFTER, &change.after)] {
            self.list(limit, row.as_ref().map_or(0, |row| row.len()), example);
        }
        self.list(PURGED_KEYS, purges.redis.len(), example);
        self.list(PURGED_TAGS, purges.tags.len(), example);
    }

    fn templates(&mut self, limit: Limit<'_>, texts: &[Spanned<String>]) {
        self.spanned(limit, texts);
        for text in texts {
            if text.value.len() > TEMPLATE_BYTES_MAX {
                let message = format!("the template is longer than {TEMPLATE_BYTES_MAX} bytes");
                self.over(text, &message, "shorten its literal parts");
            }
        }
    }

    /// A list whose entries know where they stand: the first that is too many is the place.
    fn spanned<T>(&mut self, limit: Limit<'_>, list: &[Spanned<T>]) {
        if let Some(first) = list.get(limit.1) {
            self.list(limit, list.len(), first);
        }
    }

    fn list<T>(&mut self, Limit(field, most): Limit<'_>, count: usize, at: &Spanned<T>) {
        if count > most {
            let message = format!("`{field}` has {count} entries, which is more than {most}");
            let help = "docs/registry.md#limits has the limit of each list; split the family, or what it holds";
            self.over(at, &message, help);
        }
    }

    fn over<T>(&mut self, at: &Spanned<T>, message: &str, help: &str) {
        self.is_over = true;
        let fault = Diagnostic::error("FR0009", Place::of(self.path, at), message).with_help(help);
        self.found.push(fault, self.text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A family with `tags` at each of `targets`, bound to `tables`.
    fn family(tags: usize, targets: usize, tables: usize) -> FamilySource {
        let list = |word: &str, count: usize| -> Vec<String> {
            (0..count).map(|at| format!("{word}-{at}")).collect()
        };
        let source = serde_json::json!({ "table": "shop.public.items", "bind": {} });
        let text = serde_json::json!({
            "family": "catalog.item",
            "schema_version": 1,
            "owner": { "team": "catalog" },
            "lifecycle": "active",
            "freshness": { "class": "strict", "within": "2s", "objective": "99.9%", "window": "28d" },
            "max_ttl": "1h",
            "cdn": { "targets": list("edge", targets), "tags": list("item", tags) },
            "sources": vec![source; tables],
        });
        let text = text.to_string();
        FamilySource {
            path: "families/item.yaml".into(),
            file: crate::yaml::parse(&text, 100_000).expect("a family"),
            text,
            acknowledged: Default::default(),
        }
    }

    #[test]
    fn templates_are_counted_for_each_target_and_table() {
        let mut families = vec![family(1_000, 100, 4), family(1_000, 10, 10)];
        let mut found = Diagnostics::default();
        assert!(!are_families_over(&families, &mut found));
        assert!(found.is_empty(), "{}", found.render());
        families.push(family(1, 1, 1));
        assert!(are_families_over(&families, &mut found));
        let told = found.render();
        assert!(told.contains("more than 500000 templates"), "{told}");
    }
}
