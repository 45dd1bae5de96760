//! The Postgres catalog.

use std::collections::BTreeMap;

use anyhow::Context;
use freshet_registry::source_file::{
    EngineName, ForeignKey, IdentityName, OnDelete, SourceColumn, SourceFile, SourceTable, unplaced,
};
use tokio_postgres::{Client, Config, NoTls};

use super::Wanted;

const COLUMNS: &str = "
select n.nspname, c.relname, c.relreplident::text, a.attname,
       format_type(a.atttypid, a.atttypmod), not a.attnotnull, t.typtype::text
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
join pg_type t on t.oid = a.atttypid
where c.relkind in ('r', 'p') and not c.relispartition
  and n.nspname not in ('pg_catalog', 'information_schema') and n.nspname not like 'pg_toast%'
order by 1, 2, a.attnum";

/// Key columns: of the replica identity index where there is one, else of the primary key.
const KEYS: &str = "
select n.nspname, c.relname, a.attname
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
join pg_index i on i.indrelid = c.oid
  and case when c.relreplident = 'i' then i.indisreplident else i.indisprimary end
join unnest(i.indkey::int2[]) with ordinality k(attnum, place) on true
join pg_attribute a on a.attrelid = c.oid and a.attnum = k.attnum
order by 1, 2, k.place";

const FOREIGN_KEYS: &str = "
select n.nspname, c.relname, fn.nspname, f.relname,
       array(select a.attname::text from unnest(o.conkey) with ordinality k(n, p)
             join pg_attribute a on a.attrelid = o.conrelid and a.attnum = k.n order by k.p),
       array(select a.attname::text from unnest(o.confkey) with ordinality k(n, p)
             join pg_attribute a on a.attrelid = o.confrelid and a.attnum = k.n order by k.p),
       o.confdeltype::text
from pg_constraint o
join pg_class c on c.oid = o.conrelid join pg_namespace n on n.oid = c.relnamespace
join pg_class f on f.oid = o.confrelid join pg_namespace fn on fn.oid = f.relnamespace
where o.contype = 'f' order by 1, 2, o.conname";

pub(super) async fn read(wanted: &Wanted) -> anyhow::Result<SourceFile> {
    let mut config: Config = wanted.url.parse().context("--url")?;
    if let Some(password) = &wanted.password {
        config.password(password);
    }
    let (client, connection) = config.connect(NoTls).await.context("postgres")?;
    let ask = async {
        let mut tables = columns(&client, wanted).await?;
        keys(&client, &mut tables).await?;
        foreign_keys(&client, wanted, &mut tables).await?;
        anyhow::Ok(tables.into_values().collect())
    };
    tokio::pin!(connection);
    let tables = tokio::select! {
        tables = ask => tables?,
        ended = &mut connection => {
            ended.context("postgres closed the connection")?;
            anyhow::bail!("postgres closed the connection");
        }
    };
    let database = unplaced(wanted.server.clone());
    Ok(SourceFile {
        database,
        engine: EngineName::Postgres,
        tables,
    })
}

type Tables = BTreeMap<(String, String), SourceTable>;

async fn columns(client: &Client, wanted: &Wanted) -> anyhow::Result<Tables> {
    let mut tables = Tables::new();
    for row in client.query(COLUMNS, &[]).await.context("columns")? {
        let (schema, table): (String, String) = (row.get(0), row.get(1));
        if !wanted.wants(&schema, &table) {
            continue;
        }
        let (identity, kind): (String, String) = (row.get(2), row.get(6));
        let name = format!("{}.{schema}.{table}", wanted.server);
        let place = tables
            .entry((schema, table))
            .or_insert_with(|| SourceTable {
                table: unplaced(name),
                topic: None,
                replica_identity: match identity.as_str() {
                    "f" => IdentityName::Full,
                    "n" => IdentityName::Nothing,
                    "i" => IdentityName::Index,
                    _ => IdentityName::Default,
                },
                primary_key: Vec::new(),
                columns: Vec::new(),
                foreign_keys: Vec::new(),
            });
        // A user's enum prints as its label; what it is called does not matter.
        let declared = if kind == "e" {
            "enum".to_owned()
        } else {
            row.get(4)
        };
        place.columns.push(SourceColumn {
            name: row.get(3),
            kind: declared,
            nullable: row.get(5),
        });
    }
    Ok(tables)
}

async fn keys(client: &Client, tables: &mut Tables) -> anyhow::Result<()> {
    for row in client.query(KEYS, &[]).await.context("keys")? {
        if let Some(table) = tables.get_mut(&(row.get(0), row.get(1))) {
            table.primary_key.push(unplaced(row.get(2)));
        }
    }
    Ok(())
}

async fn foreign_keys(client: &Client, wanted: &Wanted, tables: &mut Tables) -> anyhow::Result<()> {
    for row in client
        .query(FOREIGN_KEYS, &[])
        .await
        .context("foreign keys")?
    {
        if let Some(table) = tables.get_mut(&(row.get(0), row.get(1))) {
            let (schema, parent): (String, String) = (row.get(2), row.get(3));
            let rule: String = row.get(6);
            table.foreign_keys.push(ForeignKey {
                columns: row.get(4),
                references: format!("{}.{schema}.{parent}", wanted.server),
                referenced_columns: row.get(5),
                on_delete: match rule.as_str() {
                    "c" => OnDelete::Cascade,
                    "n" => OnDelete::SetNull,
                    "d" => OnDelete::SetDefault,
                    "r" => OnDelete::Restrict,
                    _ => OnDelete::NoAction,
                },
            });
        }
    }
    Ok(())
}
