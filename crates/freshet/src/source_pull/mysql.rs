//! The MySQL and MariaDB catalog.

use anyhow::Context;
use freshet_registry::at::At;
use freshet_registry::written::source::{
    EngineName, ForeignKey, IdentityName, OnDelete, SourceColumn,
};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error, IoError, Opts};
use tokio::time::timeout;

use super::catalog::{CONNECT_WITHIN, Pulled, Tables, empty_table, partitioned, source_file};
use super::wanted::Wanted;

/// MariaDB has a type of its own for tables that keep their history. It writes the default NULL as that word, and a text
/// in quotes; MySQL writes no default as NULL, and a text as it is.
const COLUMNS: &str = "
select c.table_schema, c.table_name, c.column_name, c.column_type, c.is_nullable = 'YES',
       c.column_default, c.collation_name
from information_schema.columns c
join information_schema.tables t using (table_schema, table_name)
where t.table_type in ('BASE TABLE', 'SYSTEM VERSIONED')
  and c.table_schema not in ('mysql', 'information_schema', 'performance_schema', 'sys')
order by 1, 2, c.ordinal_position";

const PARTITIONED: &str = "
select table_schema, table_name from information_schema.tables
where create_options like '%partitioned%' order by 1, 2";

/// `column_key` also marks columns of a table that has a unique index and no primary key.
const KEYS: &str = "
select table_schema, table_name, column_name
from information_schema.key_column_usage
where constraint_name = 'PRIMARY' order by 1, 2, ordinal_position";

const FOREIGN_KEYS: &str = "
select k.table_schema, k.table_name, k.constraint_name, k.column_name,
       k.referenced_table_schema, k.referenced_table_name, k.referenced_column_name, r.delete_rule
from information_schema.key_column_usage k
join information_schema.referential_constraints r
  on r.constraint_schema = k.constraint_schema and r.constraint_name = k.constraint_name
  and r.table_name = k.table_name
order by 1, 2, 3, k.ordinal_position";

type ColumnRow = (
    String,
    String,
    String,
    String,
    bool,
    Option<String>,
    Option<String>,
);

type ForeignKeyRow = (
    String,
    String,
    String,
    String,
    String,
    String,
    String,
    String,
);

pub(super) async fn read(wanted: &Wanted, options: &Opts) -> anyhow::Result<Pulled> {
    let mut connection = timeout(CONNECT_WITHIN, Conn::new(options.clone()))
        .await
        .context("no answer")?
        .map_err(told_once)?;
    let version: String = connection
        .query_first("select version()")
        .await?
        .unwrap_or_default();
    let image: String = connection
        .query_first("select @@global.binlog_row_image")
        .await?
        .unwrap_or_default();
    // FULL logs whole rows; MINIMAL and NOBLOB leave out what the key does not need.
    let mut notes = Vec::new();
    let identity = if image.eq_ignore_ascii_case("full") {
        IdentityName::Full
    } else {
        notes.push(format!(
            "binlog_row_image is {image}: the log does not contain complete rows, and Debezium requires FULL"
        ));
        IdentityName::Default
    };
    let mariadb = version.to_ascii_lowercase().contains("mariadb");
    let mut tables = columns(&mut connection, wanted, identity).await?;
    let rows: Vec<(String, String)> = connection.query(PARTITIONED).await.context("partitions")?;
    for place in rows {
        if let Some(table) = tables.get(&place) {
            notes.push(partitioned(&table.table.value));
        }
    }
    let rows: Vec<(String, String, String)> = connection.query(KEYS).await.context("keys")?;
    for (schema, table, column) in rows {
        // The key of a table that keeps its history ends with a column that is in no list.
        let place = tables
            .get_mut(&(schema, table))
            .filter(|it| it.columns.iter().any(|listed| listed.name == column));
        if let Some(place) = place {
            place.primary_key.push(At::nowhere(column));
        }
    }
    let rows: Vec<ForeignKeyRow> = connection
        .query(FOREIGN_KEYS)
        .await
        .context("foreign keys")?;
    add_foreign_keys(rows, wanted, &mut tables);
    connection.disconnect().await?;
    let engine = if mariadb {
        EngineName::Mariadb
    } else {
        EngineName::Mysql
    };
    Ok(Pulled {
        file: source_file(&wanted.server, engine, tables),
        notes,
    })
}

/// The client's error repeats what it is made of.
fn told_once(error: Error) -> anyhow::Error {
    match error {
        Error::Server(error) => error.into(),
        Error::Io(IoError::Io(error)) => error.into(),
        other => other.into(),
    }
}

async fn columns(
    connection: &mut Conn,
    wanted: &Wanted,
    identity: IdentityName,
) -> anyhow::Result<Tables> {
    let mut tables = Tables::new();
    let rows: Vec<ColumnRow> = connection.query(COLUMNS).await.context("columns")?;
    for (schema, table, name, kind, nullable, default, collation) in rows {
        if !wanted.wants(&schema, &table) {
            continue;
        }
        let called = format!("{}.{schema}.{table}", wanted.server);
        let place = tables
            .entry((schema, table))
            .or_insert_with(|| empty_table(&called, identity));
        let has_default = default.is_some_and(|it| !nullable || it != "NULL");
        place.columns.push(SourceColumn {
            default: nullable.then_some(has_default),
            collation,
            ..SourceColumn::new(&name, &kind, nullable)
        });
    }
    Ok(tables)
}

/// One row per column; columns of one constraint are neighbours.
fn add_foreign_keys(rows: Vec<ForeignKeyRow>, wanted: &Wanted, tables: &mut Tables) {
    let mut last = None;
    for (schema, table, constraint, column, parent_schema, parent, parent_column, rule) in rows {
        let this = (schema.clone(), table.clone(), constraint);
        let Some(place) = tables.get_mut(&(schema, table)) else {
            continue;
        };
        if last.as_ref() != Some(&this) {
            place.foreign_keys.push(ForeignKey {
                columns: Vec::new(),
                references: format!("{}.{parent_schema}.{parent}", wanted.server),
                referenced_columns: Vec::new(),
                on_delete: match rule.to_ascii_lowercase().as_str() {
                    "cascade" => OnDelete::Cascade,
                    "set null" => OnDelete::SetNull,
                    "set default" => OnDelete::SetDefault,
                    "restrict" => OnDelete::Restrict,
                    _ => OnDelete::NoAction,
                },
            });
            last = Some(this);
        }
        if let Some(key) = place.foreign_keys.last_mut() {
            key.columns.push(column);
            key.referenced_columns.push(parent_column);
        }
    }
}
