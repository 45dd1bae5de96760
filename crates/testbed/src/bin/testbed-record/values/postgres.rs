//! The types of Postgres.

use anyhow::{Context, Result};
use freshet_testbed::{ConnectBuilder, Format, PgConnector, Postgres};
use serde_json::{Map, Value};

use super::{EACH_FORM, Settings, TypedDatabase, Variant, WITH_SCHEMA};

const TABLES: &str = include_str!("postgres.sql");
const ALL: &[&str] = &[
    "numbers",
    "texts",
    "bytes_and_lists",
    "times",
    "far_times",
    "defaults",
];
const TIMES: &[&str] = &["times", "far_times", "defaults"];

const SETTINGS: &[Settings] = &[
    Settings {
        name: "default",
        forms: EACH_FORM,
        pairs: &[],
        tables: ALL,
        snapshot: true,
    },
    Settings {
        name: "adaptive_time_microseconds",
        forms: WITH_SCHEMA,
        pairs: &[
            ("time.precision.mode", "adaptive_time_microseconds"),
            ("decimal.handling.mode", "string"),
            ("binary.handling.mode", "base64"),
            ("hstore.handling.mode", "map"),
            ("interval.handling.mode", "string"),
            ("value.converter.replace.null.with.default", "false"),
        ],
        tables: &[
            "numbers",
            "bytes_and_lists",
            "times",
            "far_times",
            "defaults",
        ],
        snapshot: false,
    },
    Settings {
        name: "connect",
        forms: WITH_SCHEMA,
        pairs: &[
            ("time.precision.mode", "connect"),
            ("decimal.handling.mode", "double"),
            ("binary.handling.mode", "base64-url-safe"),
        ],
        tables: &[
            "numbers",
            "bytes_and_lists",
            "times",
            "far_times",
            "defaults",
        ],
        snapshot: false,
    },
    Settings {
        name: "isostring",
        forms: WITH_SCHEMA,
        pairs: &[
            ("time.precision.mode", "isostring"),
            ("binary.handling.mode", "hex"),
        ],
        tables: &["bytes_and_lists", "times", "far_times", "defaults"],
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
pub(super) struct TypedPostgres {
    server: Postgres,
}

impl TypedPostgres {
    fn rows(&self, select: &str) -> Result<Vec<Value>> {
        let printed = self.server.sql(&format!(
            "set timezone = 'UTC'; set intervalstyle = 'postgres'; set datestyle = 'ISO, MDY'; {select}"
        ))?;
        let rows = printed.lines().map(serde_json::from_str);
        rows.collect::<Result<_, _>>().context(printed.clone())
    }

    fn names(&self, table: &str) -> Result<Vec<String>> {
        let listed = self.server.sql(&format!(
            "select attname from pg_attribute where attrelid = '{table}'::regclass and attnum > 0 order by attnum"
        ))?;
        Ok(listed.lines().map(str::to_owned).collect())
    }
}

impl TypedDatabase for TypedPostgres {
    const NAME: &'static str = "postgres";
    const SETTINGS: &'static [Settings] = SETTINGS;

    fn start() -> Result<Self> {
        let server = Postgres::start()?;
        server.sql(TABLES)?;
        for table in ALL {
            server.sql(&format!("alter table {table} replica identity full"))?;
        }
        Ok(TypedPostgres { server })
    }

    fn connector(&self, to: ConnectBuilder, variant: &Variant, form: Format) -> ConnectBuilder {
        let prefix = variant.prefix();
        let tables = variant.tables("public");
        let tables: Vec<&str> = tables.iter().map(String::as_str).collect();
        let mut connector = PgConnector::new(&prefix, &tables);
        connector.format = form;
        connector.extra = variant.properties();
        to.postgres_connector(&prefix, &self.server, &connector)
    }

    fn copy_rows(&self, table: &str) -> Result<()> {
        self.server.sql(&format!(
            "create temporary table again as select * from {table}; update again set id = id + 100;
             insert into {table} select * from again order by id"
        ))?;
        Ok(())
    }

    fn count(&self, table: &str) -> Result<usize> {
        let count = self.server.sql(&format!("select count(*) from {table}"))?;
        Ok(count.parse()?)
    }

    fn columns(&self, table: &str) -> Result<Vec<Value>> {
        self.rows(&format!(
            "select json_strip_nulls(json_build_object('column', a.attname, 'type', format_type(a.atttypid, a.atttypmod),
               'nullable', not a.attnotnull, 'kind', case t.typtype when 'e' then 'enum' when 'd' then 'domain' end,
               'base', case when t.typtype = 'd' then format_type(t.typbasetype, t.typtypmod) end,
               'default', pg_get_expr(d.adbin, d.adrelid)))
             from pg_attribute a join pg_type t on t.oid = a.atttypid
             left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
             where a.attrelid = '{table}'::regclass and a.attnum > 0 order by a.attnum"
        ))
    }

    /// `printed` is what a client reads as text; `cast` is `column::text` where that differs.
    fn texts(&self, table: &str) -> Result<Vec<Value>> {
        let names = self.names(table)?;
        let select = |form: &dyn Fn(&str) -> String| {
            let columns: Vec<String> = names
                .iter()
                .map(|name| format!("{} as \"{name}\"", form(name)))
                .collect();
            format!(
                "select row_to_json(t) from (select {} from {table} order by {table}.id) t",
                columns.join(", ")
            )
        };
        let printed = self.rows(&select(&|name| {
            format!("case when \"{name}\" is not null then format('%s', \"{name}\") end")
        }))?;
        let cast = self.rows(&select(&|name| format!("\"{name}\"::text")))?;
        let mut rows = Vec::new();
        for (printed, cast) in printed.into_iter().zip(cast) {
            let mut differing = Map::new();
            for name in &names {
                if printed[name] != cast[name] {
                    differing.insert(name.clone(), cast[name].clone());
                }
            }
            let mut row = Map::new();
            row.insert("id".to_owned(), printed["id"].clone());
            row.insert("printed".to_owned(), printed);
            if !differing.is_empty() {
                row.insert("cast".to_owned(), Value::Object(differing));
            }
            rows.push(Value::Object(row));
        }
        Ok(rows)
    }
}
