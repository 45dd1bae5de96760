//! Source files → the tables that families may bind, with the rules that only these files can break.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use freshet_core::connector::FieldNames;
use serde_saphyr::Spanned;

use crate::diagnostics::{Diagnostic, Diagnostics, Place, listed};
use crate::limits;
use crate::names;
use crate::source_file::{KnownTable, KnownTables, SourceFile, SourceTable};
use crate::yaml::Yaml;

/// What the source files read so far declare.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    pub(crate) tables: KnownTables,
    pub(crate) yaml: Yaml,
    declared: BTreeMap<String, Place>,
    topics: BTreeMap<String, Place>,
}

/// One source file while it is read: where its faults go.
struct Reading<'a> {
    path: &'a Path,
    text: &'a str,
    found: &'a mut Diagnostics,
}

impl Sources {
    /// Adds a file. Faults are noted; tables without a fault of their own can be bound nevertheless. Breaks where the
    /// file holds more than it may.
    pub(crate) fn read(
        &mut self,
        path: &Path,
        text: &str,
        found: &mut Diagnostics,
    ) -> ControlFlow<()> {
        let file = match self.yaml.parse::<SourceFile>(text) {
            Ok(file) => file,
            Err(error) => {
                found.extend(Diagnostics::from_yaml_error("FR0002", path, text, &error));
                return ControlFlow::Continue(());
            }
        };
        if limits::is_source_over((path, text), &file, found) {
            return ControlFlow::Break(());
        }
        let connector = Arc::new(file.connector.settings());
        let mut reading = Reading { path, text, found };
        for table in file.tables {
            reading.check_fields(&table, connector.field_names);
            let known = KnownTable::new(file.engine, Arc::clone(&connector), table);
            let table = &known.table;
            reading.check_primary_key(&known);
            if !reading.check_name(&table.table, &file.database.value) {
                continue;
            }
            if self.is_new(table, &mut reading) {
                self.check_topic(table, &mut reading);
                self.tables.insert(table.table.value.clone(), known);
            }
        }
        ControlFlow::Continue(())
    }

    fn is_new(&mut self, table: &SourceTable, reading: &mut Reading<'_>) -> bool {
        let place = Place::of(reading.path, &table.table);
        if let Some(first) = self.declared.get(&table.table.value) {
            let fault = Diagnostic::error("FR0004", place, "the table is declared twice")
                .with_also(first.clone(), "declared here too")
                .with_help("a table stands in one source file, once");
            reading.found.push(fault, reading.text);
            return false;
        }
        self.declared.insert(table.table.value.clone(), place);
        true
    }

    /// A record's table is known by its topic alone: of two tables on one topic, one would never be purged.
    fn check_topic(&mut self, table: &SourceTable, reading: &mut Reading<'_>) {
        let written = table.topic.as_ref().unwrap_or(&table.table);
        let place = Place::of(reading.path, written);
        let topic = table.arrives_through();
        if !names::is_topic(&topic) {
            let message = format!("`{topic}` cannot be the name of a topic");
            let help = "Kafka allows letters a to z and A to Z, digits, `.`, `_` and `-`, at most 249 of them, and neither `.` nor `..` alone";
            let fault = Diagnostic::error("FR0006", place, &message).with_help(help);
            reading.found.push(fault, reading.text);
        } else if let Some(first) = self.topics.get(&*topic) {
            let message = format!("topic `{topic}` is another table's already");
            let fault = Diagnostic::error("FR0005", place, &message)
                .with_also(first.clone(), "said here")
                .with_help("let the connector or its router give each table a topic of its own");
            reading.found.push(fault, reading.text);
        } else {
            self.topics.insert(topic.into_owned(), place);
        }
    }
}

impl Reading<'_> {
    fn check_primary_key(&mut self, known: &KnownTable) {
        let table = &known.table;
        for key in &table.primary_key {
            if known.column(&key.value).is_none() {
                let names = table.columns.iter().map(|it| it.name.as_str());
                let message = format!("primary key column `{}` is not a column", key.value);
                let fault = Diagnostic::error("FR0011", Place::of(self.path, key), &message)
                    .with_help(&format!("the table has: {}", listed(names)));
                self.found.push(fault, self.text);
            }
        }
    }

    /// Two columns that arrive under one name cannot be distinguished.
    fn check_fields(&mut self, table: &SourceTable, mode: Option<FieldNames>) {
        let mut fields: BTreeMap<Cow<'_, str>, &str> = BTreeMap::new();
        for column in &table.columns {
            let field = names::field_of(&column.name, mode);
            let Some(first) = fields.insert(field.clone(), &column.name) else {
                continue;
            };
            let message = format!(
                "columns `{first}` and `{}` both arrive as `{field}`",
                column.name
            );
            let help = "rename one, or set `field.name.adjustment.mode=avro_unicode` and `field_names: avro_unicode`";
            let place = Place::of(self.path, &table.table);
            let fault = Diagnostic::error("FR0007", place, &message).with_help(help);
            self.found.push(fault, self.text);
        }
    }

    fn check_name(&mut self, name: &Spanned<String>, database: &str) -> bool {
        let fits = name.value.split('.').count() >= 3
            && name
                .value
                .strip_prefix(database)
                .is_some_and(|rest| rest.starts_with('.'));
        if !fits {
            let message = format!(
                "`{}` is not the name of a table of this database",
                name.value
            );
            let help = "`<server>.<schema>.<table>`, where the server is the `database:` above";
            let place = Place::of(self.path, name);
            let fault = Diagnostic::error("FR0003", place, &message).with_help(help);
            self.found.push(fault, self.text);
        }
        fits
    }
}
