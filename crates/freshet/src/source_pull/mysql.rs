//! The MySQL and MariaDB catalog.

use std::collections::BTreeMap;

use anyhow::Context;
use freshet_registry::source_file::{
    EngineName, ForeignKey, IdentityName, OnDelete, SourceColumn, SourceFile, SourceTable, unplaced,
};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts, OptsBuilder};

use super::Wanted;

const COLUMNS: &str = "
select c.table_schema, c.table_name, c.column_name, c.column_type, c.is_nullable = 'YES', c.column_key = 'PRI'
from information_schema.columns c
join information_schema.tables t using (table_schema, table_name)
where t.table_type = 'BASE TABLE'
  and c.table_schema not in ('mysql', 'information_schema', 'performance_schema', 'sys')
order by 1, 2, c.ordinal_position";

const FOREIGN_KEYS: &str = "
select k.table_schema, k.table_name, k.constraint_name, k.column_name,
       k.referenced_table_schema, k.referenced_table_name, k.referenced_column_name, r.delete_rule
from information_schema.key_column_usage k
join information_schema.referential_constraints r
  on r.constraint_schema = k.constraint_schema and r.constraint_name = k.constraint_name
  and r.table_name = k.table_name
order by 1, 2, 3, k.ordinal_position";

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

pub(super) async fn read(wanted: &Wanted) -> anyhow::Result<SourceFile> {
    let url = wanted.url.replacen("mariadb://", "mysql://", 1);
    let options = OptsBuilder::from_opts(Opts::from_url(&url).context("--url")?)
        .pass(wanted.password.clone())
        .prefer_socket(Some(false));
    let mut connection = Conn::new(options).await.context("mysql")?;
    let version: String = connection
        .query_first("select version()")
        .await?
        .unwrap_or_default();
    let image: String = connection
        .query_first("select @@global.binlog_row_image")
        .await?
        .unwrap_or_default();
    // FULL logs whole rows; MINIMAL and NOBLOB leave out what the key does not need.
    let identity = if image.eq_ignore_ascii_case("full") {
        IdentityName::Full
    } else {
        IdentityName::Default
    };
    let mut tables: BTreeMap<(String, String), SourceTable> = BTreeMap::new();
    let rows: Vec<(String, String, String, String, bool, bool)> =
        connection.query(COLUMNS).await.context("columns")?;
    for (schema, table, column, kind, nullable, in_key) in rows {
        if !wanted.wants(&schema, &table) {
            continue;
        }
        let name = format!("{}.{schema}.{table}", wanted.server);
        let place = tables
            .entry((schema, table))
            .or_insert_with(|| SourceTable {
                table: unplaced(name),
                topic: None,
                replica_identity: identity,
                primary_key: Vec::new(),
                columns: Vec::new(),
                foreign_keys: Vec::new(),
            });
        if in_key {
            place.primary_key.push(unplaced(column.clone()));
        }
        place.columns.push(SourceColumn {
            name: column,
            kind,
            nullable,
        });
    }
    let rows: Vec<ForeignKeyRow> = connection
        .query(FOREIGN_KEYS)
        .await
        .context("foreign keys")?;
    add_foreign_keys(rows, wanted, &mut tables);
    connection.disconnect().await.context("mysql")?;
    let mariadb = version.to_ascii_lowercase().contains("mariadb");
    let engine = if mariadb {
        EngineName::Mariadb
    } else {
        EngineName::Mysql
    };
    let database = unplaced(wanted.server.clone());
    Ok(SourceFile {
        database,
        engine,
        tables: tables.into_values().collect(),
    })
}

/// One row per column; columns of one constraint are neighbours.
fn add_foreign_keys(
    rows: Vec<ForeignKeyRow>,
    wanted: &Wanted,
    tables: &mut BTreeMap<(String, String), SourceTable>,
) {
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
