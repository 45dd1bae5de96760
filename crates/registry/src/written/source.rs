//! `sources/*.yaml`: the tables that families bind to, as `freshet source pull` writes them.

use std::fmt::Write;
use std::path::Path;

use freshet_core::table::{Engine, ReplicaIdentity};
use serde::{Deserialize, Serialize};

use crate::at::At;
use crate::files;
use crate::folder::FILE_BYTES_MAX;
use crate::names;
use crate::yaml::Yaml;

mod connector;
mod quoted;

pub use connector::ConnectorWritten;
use quoted::{quoted, word};

/// One database.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceFile {
    /// Debezium's topic prefix.
    pub database: At<String>,
    /// Whose log it is.
    pub engine: EngineName,
    /// How its connector writes the log.
    #[serde(default)]
    pub connector: ConnectorWritten,
    /// Its tables.
    pub tables: Vec<SourceTable>,
}

/// The engines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EngineName {
    /// PostgreSQL.
    Postgres,
    /// MySQL.
    Mysql,
    /// MariaDB.
    Mariadb,
}

impl EngineName {
    /// Whose positions and times these are.
    pub fn engine(self) -> Engine {
        match self {
            Self::Postgres => Engine::Postgres,
            Self::Mysql | Self::Mariadb => Engine::MySql,
        }
    }
}

/// What the log's before-images of a table hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IdentityName {
    /// Whole rows.
    Full,
    /// The primary key.
    Default,
    /// Nothing.
    Nothing,
    /// The columns of an index; they stand in `primary_key`.
    Index,
}

impl IdentityName {
    /// What it means for before-images.
    pub fn identity(self) -> ReplicaIdentity {
        match self {
            Self::Full => ReplicaIdentity::Full,
            Self::Default | Self::Index => ReplicaIdentity::Default,
            Self::Nothing => ReplicaIdentity::Nothing,
        }
    }
}

/// One table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceTable {
    /// `<server>.<schema>.<table>`.
    pub table: At<String>,
    /// The topic, where it is not called as the table is.
    pub topic: Option<At<String>>,
    /// Whether the topic may be missing: the process is ready without it.
    #[serde(default)]
    pub optional: bool,
    /// What before-images hold.
    pub replica_identity: IdentityName,
    /// Key columns.
    #[serde(default)]
    pub primary_key: Vec<At<String>>,
    /// All columns.
    pub columns: Vec<SourceColumn>,
    /// Foreign keys.
    #[serde(default)]
    pub foreign_keys: Vec<ForeignKey>,
}

impl SourceTable {
    /// The topic that carries the table's changes: the one that is written, else Debezium's for such a table.
    pub(crate) fn arrives_through(&self) -> At<String> {
        let usual = || self.table.means(names::topic_of(&self.table).into_owned());
        self.topic.clone().unwrap_or_else(usual)
    }
}

/// One column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceColumn {
    /// Its name.
    pub name: String,
    /// Its type, in the database's words.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether it may be NULL.
    #[serde(default = "yes")]
    pub nullable: bool,
    /// Whether it has a default value; none when the file does not say.
    pub default: Option<bool>,
    /// How readers of `tinyint(1)` print it.
    pub text: Option<TextForm>,
    /// Its collation, in the database's words.
    pub collation: Option<String>,
}

impl SourceColumn {
    /// A column of which no more is known.
    pub fn new(name: &str, kind: &str, nullable: bool) -> Self {
        Self {
            name: name.to_owned(),
            kind: kind.to_owned(),
            nullable,
            default: None,
            text: None,
            collation: None,
        }
    }

    fn push_yaml(&self, out: &mut String) {
        let (name, kind) = (quoted(&self.name), quoted(&self.kind));
        let nullable = self.nullable;
        // Writing to a String cannot fail.
        let _ = write!(
            out,
            "      - {{ name: {name}, type: {kind}, nullable: {nullable}"
        );
        if let Some(default) = self.default {
            let _ = write!(out, ", default: {default}");
        }
        if let Some(text) = self.text {
            let _ = write!(out, ", text: {}", word(&text));
        }
        if let Some(collation) = &self.collation {
            let _ = write!(out, ", collation: {}", quoted(collation));
        }
        out.push_str(" }\n");
    }
}

/// How readers print a column that has more than one usual form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TextForm {
    /// As the number that the server prints.
    Integer,
    /// As `true` or `false`.
    Boolean,
}

/// One foreign key of this table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForeignKey {
    /// Columns here.
    pub columns: Vec<String>,
    /// The table they point to.
    pub references: String,
    /// Columns there.
    #[serde(default)]
    pub referenced_columns: Vec<String>,
    /// What a deleted parent does to the rows here.
    #[serde(default)]
    pub on_delete: OnDelete,
}

/// What becomes of rows whose parent is deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnDelete {
    /// The delete is refused at the end of the statement.
    #[default]
    #[serde(rename = "no action")]
    NoAction,
    /// The delete is refused.
    #[serde(rename = "restrict")]
    Restrict,
    /// They go too.
    #[serde(rename = "cascade")]
    Cascade,
    /// Their columns become NULL.
    #[serde(rename = "set null")]
    SetNull,
    /// Their columns become what they are by default.
    #[serde(rename = "set default")]
    SetDefault,
}

fn yes() -> bool {
    true
}

impl SourceFile {
    /// Reads a file as a registry would; none when it is not a source file, or not one that a registry takes.
    pub fn read(path: &Path) -> Option<Self> {
        let text = files::read_text(path, FILE_BYTES_MAX).ok()?;
        Yaml::default().parse(&text).ok()
    }

    /// The file's text, as `freshet source pull` writes it.
    pub fn to_yaml(&self) -> String {
        let mut out = String::new();
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "# yaml-language-server: $schema=../../schemas/source.schema.json"
        );
        let _ = writeln!(out, "database: {}", quoted(&self.database.value));
        let _ = writeln!(out, "engine: {}", word(&self.engine));
        self.connector.write_yaml(&mut out);
        out.push_str("tables:\n");
        for table in &self.tables {
            let _ = writeln!(out, "  - table: {}", quoted(&table.table.value));
            if let Some(topic) = &table.topic {
                let _ = writeln!(out, "    topic: {}", quoted(&topic.value));
            }
            if table.optional {
                out.push_str("    optional: true\n");
            }
            let _ = writeln!(
                out,
                "    replica_identity: {}",
                word(&table.replica_identity)
            );
            let key: Vec<String> = table
                .primary_key
                .iter()
                .map(|it| quoted(&it.value))
                .collect();
            let _ = writeln!(out, "    primary_key: [{}]\n    columns:", key.join(", "));
            for column in &table.columns {
                column.push_yaml(&mut out);
            }
            if !table.foreign_keys.is_empty() {
                let _ = writeln!(out, "    foreign_keys:");
            }
            for key in &table.foreign_keys {
                let list = |names: &[String]| {
                    names
                        .iter()
                        .map(|name| quoted(name))
                        .collect::<Vec<_>>()
                        .join(", ")
                };
                let _ = writeln!(
                    out,
                    "      - {{ columns: [{}], references: {}, referenced_columns: [{}], on_delete: {} }}",
                    list(&key.columns),
                    quoted(&key.references),
                    list(&key.referenced_columns),
                    word(&key.on_delete)
                );
            }
        }
        out
    }
}
