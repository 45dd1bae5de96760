//! The Postgres catalog.

use anyhow::Context;
use freshet_registry::at::At;
use freshet_registry::written::source::{
    EngineName, ForeignKey, IdentityName, OnDelete, SourceColumn,
};
use tokio::time::timeout;
use tokio_postgres::{Client, Config};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::catalog::{CONNECT_WITHIN, Pulled, Tables, empty_table, partitioned, source_file};
use super::wanted::Wanted;

/// Types are then written with their schema unless they are Postgres's own, whoever asks.
const PLAIN_NAMES: &str = "set search_path to pg_catalog";

/// Tables whose changes are in the log. What the before-images of a partitioned table hold is decided by its
/// partitions, each by itself: the weakest counts.
const TABLES: &str = "
select n.nspname, c.relname,
       case when c.relkind = 'r' then c.relreplident::text else coalesce((
         select case when bool_and(l.relreplident = 'f') then 'f'
                     when bool_and(l.relreplident in ('f', 'd')) then 'd' else 'n' end
         from pg_partition_tree(c.oid) p join pg_class l on l.oid = p.relid
         where p.isleaf having count(*) > 0), c.relreplident::text) end,
       c.relkind = 'p'
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p') and not c.relispartition and c.relpersistence = 'p'
  and n.nspname <> 'information_schema' and n.nspname !~ '^pg_'
order by 1, 2";

/// A column of a domain has the type that the domain is made of. Only collations under which different texts may be equal
/// are of interest.
const COLUMNS: &str = "
with recursive below(domain, type, typmod) as (
  select oid, typbasetype, typtypmod from pg_type where typtype = 'd'
  union all
  select b.domain, t.typbasetype, t.typtypmod
  from below b join pg_type t on t.oid = b.type where t.typtype = 'd'
), base as (
  select b.* from below b join pg_type t on t.oid = b.type where t.typtype <> 'd'
)
select n.nspname, c.relname, a.attname,
       case when t.typtype = 'e' then 'enum' when t.typname = 'citext' then 'citext'
            else format_type(t.oid, coalesce(b.typmod, a.atttypmod)) end,
       not a.attnotnull, a.attgenerated <> '',
       a.atthasdef or a.attidentity <> '' or coalesce(d.typdefault is not null, false),
       case when not l.collisdeterministic then l.collname end
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
left join base b on b.domain = a.atttypid
join pg_type t on t.oid = coalesce(b.type, a.atttypid)
left join pg_type d on d.oid = a.atttypid and d.typtype = 'd'
left join pg_collation l on l.oid = a.attcollation
where c.relkind in ('r', 'p') and not c.relispartition
order by 1, 2, a.attnum";

/// Key columns: of the replica identity index where there is one, else of the primary key. An index may carry
/// more columns than its key has; the log does not.
const KEYS: &str = "
select n.nspname, c.relname, a.attname
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
join pg_index i on i.indrelid = c.oid
  and case when c.relreplident = 'i' and c.relkind = 'r' then i.indisreplident else i.indisprimary end
join unnest(i.indkey::int2[]) with ordinality k(attnum, place) on k.place <= i.indnkeyatts
join pg_attribute a on a.attrelid = c.oid and a.attnum = k.attnum
order by 1, 2, k.place";

/// A key to a partitioned table has a constraint for each partition too; those have a parent.
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
where o.contype = 'f' and o.conparentid = 0 order by 1, 2, o.conname";

pub(super) async fn read(wanted: &Wanted, config: &Config) -> anyhow::Result<Pulled> {
    let tls = MakeRustlsConnect::new(wanted.tls.client_config()?);
    let (client, connection) = timeout(CONNECT_WITHIN, config.connect(tls))
        .await
        .context("no answer")??;
    let ask = async {
        client.batch_execute(PLAIN_NAMES).await?;
        let mut notes = Vec::new();
        let mut tables = tables(&client, wanted, &mut notes).await?;
        columns(&client, wanted, &mut tables, &mut notes).await?;
        keys(&client, &mut tables).await?;
        foreign_keys(&client, wanted, &mut tables).await?;
        anyhow::Ok((tables, notes))
    };
    tokio::pin!(connection);
    let (tables, notes) = tokio::select! {
        tables = ask => tables?,
        ended = &mut connection => {
            ended.context("the connection ended")?;
            anyhow::bail!("the connection ended");
        }
    };
    Ok(Pulled {
        file: source_file(&wanted.server, EngineName::Postgres, tables),
        notes,
    })
}

/// Notes what is done to partitions and is in no log.
async fn tables(
    client: &Client,
    wanted: &Wanted,
    notes: &mut Vec<String>,
) -> anyhow::Result<Tables> {
    let mut tables = Tables::new();
    for row in client.query(TABLES, &[]).await.context("tables")? {
        let (schema, table): (String, String) = (row.get(0), row.get(1));
        if !wanted.wants(&schema, &table) {
            continue;
        }
        let name = format!("{}.{schema}.{table}", wanted.server);
        if row.get(3) {
            notes.push(partitioned(&name));
        }
        let identity = match row.get::<_, &str>(2) {
            "f" => IdentityName::Full,
            "n" => IdentityName::Nothing,
            "i" => IdentityName::Index,
            _ => IdentityName::Default,
        };
        tables.insert((schema, table), empty_table(&name, identity));
    }
    Ok(tables)
}

/// Notes the columns that the log does not hold.
async fn columns(
    client: &Client,
    wanted: &Wanted,
    tables: &mut Tables,
    notes: &mut Vec<String>,
) -> anyhow::Result<()> {
    for row in client.query(COLUMNS, &[]).await.context("columns")? {
        let (schema, table, name): (String, String, String) = (row.get(0), row.get(1), row.get(2));
        let Some(place) = tables.get_mut(&(schema.clone(), table.clone())) else {
            continue;
        };
        if row.get(5) {
            let table = format!("{}.{schema}.{table}", wanted.server);
            notes.push(format!(
                "omitted `{name}` of {table}: it is a generated column, which is not in the log"
            ));
            continue;
        }
        let kind: String = row.get(3);
        let nullable: bool = row.get(4);
        place.columns.push(SourceColumn {
            default: nullable.then(|| row.get(6)),
            collation: row.get(7),
            ..SourceColumn::new(&name, &kind, nullable)
        });
    }
    Ok(())
}

async fn keys(client: &Client, tables: &mut Tables) -> anyhow::Result<()> {
    for row in client.query(KEYS, &[]).await.context("keys")? {
        if let Some(table) = tables.get_mut(&(row.get(0), row.get(1))) {
            table.primary_key.push(At::nowhere(row.get(2)));
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
