//! The types of MariaDB.

use anyhow::{Context, Result};
use freshet_testbed::{ConnectBuilder, Format, MariaDb, MariaDbConnector};
use serde_json::{Map, Value, json};

use super::{EACH_FORM, Settings, TypedDatabase, Variant, WITH_SCHEMA};

const TABLES: &str = include_str!("mariadb.sql");
const ALL: &[&str] = &[
    "numbers",
    "texts",
    "bytes_and_lists",
    "times",
    "zeroes",
    "defaults",
];
const TIMES: &[&str] = &["times", "zeroes", "defaults"];
/// Types whose text is no text of the connection's character set.
const BINARY_TYPES: [&str; 7] = [
    "bit",
    "binary",
    "varbinary",
    "blob",
    "tinyblob",
    "point",
    "geometry",
];

/// `time.precision.mode=adaptive` is not among them: this connector refuses it.
const SETTINGS: &[Settings] = &[
    Settings {
        name: "default",
        forms: EACH_FORM,
        pairs: &[],
        tables: ALL,
        snapshot: true,
    },
    Settings {
        name: "strings",
        forms: WITH_SCHEMA,
        pairs: &[
            ("decimal.handling.mode", "string"),
            ("bigint.unsigned.handling.mode", "precise"),
            ("binary.handling.mode", "base64"),
            ("value.converter.replace.null.with.default", "false"),
        ],
        tables: &["numbers", "bytes_and_lists", "times", "zeroes", "defaults"],
        snapshot: false,
    },
    Settings {
        name: "connect",
        forms: WITH_SCHEMA,
        pairs: &[
            ("time.precision.mode", "connect"),
            ("decimal.handling.mode", "double"),
            ("bigint.unsigned.handling.mode", "precise"),
            ("binary.handling.mode", "base64-url-safe"),
        ],
        tables: &["numbers", "bytes_and_lists", "times", "zeroes", "defaults"],
        snapshot: false,
    },
    Settings {
        name: "isostring",
        forms: WITH_SCHEMA,
        pairs: &[
            ("time.precision.mode", "isostring"),
            ("binary.handling.mode", "hex"),
            ("converters", "boolean"),
            (
                "boolean.type",
                "io.debezium.connector.binlog.converters.TinyIntOneToBooleanConverter",
            ),
        ],
        tables: &["numbers", "bytes_and_lists", "times", "zeroes", "defaults"],
        snapshot: false,
    },
    Settings {
        name: "microseconds",
        forms: WITH_SCHEMA,
        pairs: &[("time.precision.mode", "microseconds")],
        tables: TIMES,
        snapshot: false,
    },
    Settings {
        name: "nanoseconds",
        forms: WITH_SCHEMA,
        pairs: &[("time.precision.mode", "nanoseconds")],
        tables: TIMES,
        snapshot: false,
    },
];

/// A server with the tables.
pub(super) struct TypedMariaDb {
    server: MariaDb,
}

impl TypedMariaDb {
    fn rows(&self, select: &str) -> Result<Vec<Vec<Option<String>>>> {
        let printed = self
            .server
            .sql(&format!("set time_zone = '+00:00'; {select}"))?;
        let fields = |line: &str| line.split('\t').map(unescaped).collect();
        Ok(printed.split('\n').map(fields).collect())
    }

    /// Name, full type, whether it may be NULL, default, collation.
    fn catalog(&self, table: &str) -> Result<Vec<Vec<Option<String>>>> {
        self.rows(&format!(
            "select column_name, column_type, is_nullable, column_default, collation_name
             from information_schema.columns where table_schema = 'shop' and table_name = '{table}'
             order by ordinal_position"
        ))
    }
}

impl TypedDatabase for TypedMariaDb {
    const NAME: &'static str = "mariadb";
    const SETTINGS: &'static [Settings] = SETTINGS;

    fn start() -> Result<Self> {
        let server = MariaDb::start()?;
        server.sql(TABLES)?;
        Ok(TypedMariaDb { server })
    }

    fn connector(&self, to: ConnectBuilder, variant: &Variant, form: Format) -> ConnectBuilder {
        let prefix = variant.prefix();
        let tables = variant.tables("shop");
        let tables: Vec<&str> = tables.iter().map(String::as_str).collect();
        let mut connector = MariaDbConnector::new(&prefix, &tables);
        connector.server_id += variant.number;
        connector.format = form;
        connector.extra = variant.properties();
        to.mariadb_connector(&prefix, &self.server, &connector)
    }

    fn copy_rows(&self, table: &str) -> Result<()> {
        // The year 0 ends a snapshot, so it comes with the changes alone.
        let zero_year = match table {
            "numbers" => "update again set a_year = 0 where a_year = 2000;",
            _ => "",
        };
        self.server.sql(&format!(
            "set sql_mode = ''; set time_zone = '+00:00'; create temporary table again as select * from {table};
             update again set id = id + 100; {zero_year} insert into {table} select * from again order by id"
        ))?;
        Ok(())
    }

    fn count(&self, table: &str) -> Result<usize> {
        let count = self.server.sql(&format!("select count(*) from {table}"))?;
        Ok(count.parse()?)
    }

    fn columns(&self, table: &str) -> Result<Vec<Value>> {
        let mut columns = Vec::new();
        for row in self.catalog(table)? {
            let [name, kind, nullable, default, collation] = row.as_slice() else {
                anyhow::bail!("five fields: {row:?}");
            };
            let mut column = Map::new();
            column.insert("column".to_owned(), json!(name));
            column.insert("type".to_owned(), json!(kind));
            column.insert(
                "nullable".to_owned(),
                json!(nullable.as_deref() == Some("YES")),
            );
            for (field, value) in [("default", default), ("collation", collation)] {
                if value.as_deref().is_some_and(|value| value != "NULL") {
                    column.insert(field.to_owned(), json!(value));
                }
            }
            columns.push(Value::Object(column));
        }
        Ok(columns)
    }

    /// `printed` is what a client reads as text; of binary columns `hex` has the bytes instead.
    fn texts(&self, table: &str) -> Result<Vec<Value>> {
        let mut names = Vec::new();
        let mut selected = Vec::new();
        for row in self.catalog(table)? {
            let name = row[0].clone().context("a name")?;
            let kind = row[1].clone().context("a type")?;
            let base = kind.split('(').next().unwrap_or_default();
            let is_binary = BINARY_TYPES.contains(&base);
            selected.push(match (is_binary, base) {
                // Of a number, HEX gives the number's digits.
                (true, "bit") => format!("hex(cast({name} as binary))"),
                (true, _) => format!("hex({name})"),
                (false, _) => name.clone(),
            });
            names.push((name, is_binary));
        }
        let select = format!("select {} from {table} order by id", selected.join(", "));
        let mut rows = Vec::new();
        for fields in self.rows(&select)? {
            let (mut printed, mut hex) = (Map::new(), Map::new());
            for ((name, is_binary), field) in names.iter().zip(fields) {
                let place = if *is_binary { &mut hex } else { &mut printed };
                place.insert(name.clone(), json!(field));
            }
            let id: u64 = printed["id"].as_str().context("an id")?.parse()?;
            let mut row = Map::new();
            row.insert("id".to_owned(), json!(id.to_string()));
            row.insert("printed".to_owned(), Value::Object(printed));
            if !hex.is_empty() {
                row.insert("hex".to_owned(), Value::Object(hex));
            }
            rows.push(Value::Object(row));
        }
        Ok(rows)
    }
}

/// A field as the client prints it in batch mode. No row holds the text `NULL`.
fn unescaped(field: &str) -> Option<String> {
    if field == "NULL" {
        return None;
    }
    let mut text = String::new();
    let mut characters = field.chars();
    while let Some(character) = characters.next() {
        text.push(match character {
            '\\' => match characters.next() {
                Some('n') => '\n',
                Some('t') => '\t',
                Some('0') => '\0',
                Some(other) => other,
                None => '\\',
            },
            other => other,
        });
    }
    Some(text)
}
