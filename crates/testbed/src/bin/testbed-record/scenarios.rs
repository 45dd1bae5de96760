//! What is done to the tables. In Postgres `items` sends full before-images and `notes` the default
//! ones; in MariaDB both send full ones.

/// Which server the statements are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Database {
    Postgres,
    MariaDb,
}

pub(crate) const POSTGRES_TABLES: &str = "
create table items (
  id bigint primary key, category_id bigint not null, tenant int not null, name text not null,
  price numeric(10,2), description text, sku uuid, active boolean, updated_at timestamptz,
  released date);
alter table items replica identity full;
alter table items alter column description set storage external;
create table notes (
  id bigint primary key, item_id bigint not null, tenant int not null, body text);
alter table notes alter column body set storage external;
create table fence (id bigint primary key);
insert into items values
  (1, 10, 7, 'Kettle', 19.90, 'Boils water', '6f1c1f0e-2a52-4d0e-9d3c-0b6a6a0f0001', true,
   '2026-03-01 12:00:00.123456+00', '2026-02-28'),
  (2, 10, 7, 'Mug', -0.05, null, null, null, null, null),
  (3, 11, 8, 'Käse \"alt\" \\ 🧀', 123456.78, '', '6f1c1f0e-2a52-4d0e-9d3c-0b6a6a0f0003', false,
   '1969-12-31 23:59:59+00', '1969-12-31');
insert into notes values (1, 1, 7, 'first'), (2, 1, 7, null);
";

pub(crate) const MARIADB_TABLES: &str = "
create table items (
  id bigint primary key, category_id bigint not null, tenant int not null,
  name varchar(200) not null, price decimal(10,2), description text, sku uuid, active boolean,
  updated_at timestamp(6) null, released date);
create table notes (
  id bigint primary key, item_id bigint not null, tenant int not null, body text);
create table fence (id bigint primary key);
insert into items values
  (1, 10, 7, 'Kettle', 19.90, 'Boils water', '6f1c1f0e-2a52-4d0e-9d3c-0b6a6a0f0001', true,
   '2026-03-01 12:00:00.123456', '2026-02-28'),
  (2, 10, 7, 'Mug', -0.05, null, null, null, null, null),
  (3, 11, 8, 'Käse \"alt\" \\\\ 🧀', 123456.78, '', '6f1c1f0e-2a52-4d0e-9d3c-0b6a6a0f0003', false,
   '1971-12-31 23:59:59', '1969-12-31');
insert into notes values (1, 1, 7, 'first'), (2, 1, 7, null);
";

type Scenario = (&'static str, &'static str);

/// Statements both servers understand, in an order in which each finds the rows it needs.
const ROWS: &[Scenario] = &[
    (
        "insert_full",
        "insert into items values (4, 10, 7, 'Teapot', 35.00, 'Holds tea', \
         '6f1c1f0e-2a52-4d0e-9d3c-0b6a6a0f0004', true, '2026-03-02 08:30:00', '2026-03-02')",
    ),
    (
        "insert_default",
        "insert into notes values (3, 1, 7, 'third')",
    ),
    (
        "update_full",
        "update items set price = 36.50, name = 'Big teapot' where id = 4",
    ),
    (
        "update_default",
        "update notes set body = 'third, edited' where id = 3",
    ),
    (
        "update_to_null_full",
        "update items set description = null, active = null where id = 4",
    ),
    (
        "category_move_full",
        "update items set category_id = 20 where id = 4",
    ),
    (
        "category_move_default",
        "update notes set item_id = 2 where id = 3",
    ),
    (
        "primary_key_change_full",
        "update items set id = 105 where id = 4",
    ),
    (
        "primary_key_change_default",
        "update notes set id = 203 where id = 3",
    ),
    (
        "multi_row_transaction",
        "begin; update items set active = false where id in (1, 2); \
         insert into notes values (5, 2, 7, 'fifth'); commit",
    ),
    (
        "one_row_many_changes_transaction",
        "begin; insert into items (id, category_id, tenant, name) values (50, 10, 7, 'Brief'); \
         update items set category_id = 11 where id = 50; delete from items where id = 50; commit",
    ),
    ("delete_full", "delete from items where id = 105"),
    ("delete_default", "delete from notes where id = 203"),
    (
        "delete_and_insert_again_full",
        "begin; delete from items where id = 3; insert into items \
         (id, category_id, tenant, name) values (3, 12, 8, 'Cheese'); commit",
    ),
];

const POSTGRES_ONLY: &[Scenario] = &[
    (
        "toast_insert",
        "insert into notes values (4, 1, 7, repeat('long ', 700)); \
         update items set description = repeat('wide ', 700) where id = 2",
    ),
    (
        "toast_unchanged_default",
        "update notes set item_id = 3 where id = 4",
    ),
    (
        "toast_unchanged_full",
        "update items set category_id = 12 where id = 2",
    ),
    (
        "message_transactional",
        "begin; update items set price = 1 where id = 1; \
         select pg_logical_emit_message(true, 'freshet', '{\"marker\":1}'); commit",
    ),
    (
        "message_non_transactional",
        "select pg_logical_emit_message(false, 'freshet', 'plain marker')",
    ),
    // The switch itself sends nothing: only the missing before-image tells.
    (
        "update_after_switch_to_default",
        "alter table items replica identity default; \
         update items set category_id = 13 where id = 2",
    ),
    (
        "category_move_after_switch_back_to_full",
        "alter table items replica identity full; update items set category_id = 12 where id = 2",
    ),
];

/// A session that writes minimal row images is not among them: it ends the connector for good.
const MARIADB_ONLY: &[Scenario] = &[
    (
        "many_rows_statement",
        "update items set tenant = 9 where id in (1, 2, 3)",
    ),
    (
        "replace_into",
        "replace into notes values (1, 2, 7, 'replaced')",
    ),
    (
        "insert_on_duplicate_key_update",
        "insert into notes values (1, 2, 7, 'again') on duplicate key update body = 'again'",
    ),
];

const LAST: &[Scenario] = &[
    (
        "schema_change_full",
        "alter table items add column colour text; update items set colour = 'red' where id = 1",
    ),
    ("truncate_default", "truncate table notes"),
    ("truncate_full", "truncate table items"),
];

/// The scenarios of this server, in order.
pub(crate) fn plain_scenarios(database: Database) -> impl Iterator<Item = Scenario> {
    let own = match database {
        Database::Postgres => POSTGRES_ONLY,
        Database::MariaDb => MARIADB_ONLY,
    };
    ROWS.iter().chain(own).chain(LAST).copied()
}

/// Three rows in two tables in one transaction.
pub(crate) const METADATA_TRANSACTION: &str = "begin; insert into items (id, category_id, tenant, name) values (60, 10, 7, 'Tray'); \
     insert into notes values (60, 60, 7, 'sixtieth'); \
     update items set category_id = 11 where id = 60; commit";

/// Those three, and the transaction's beginning and end.
pub(crate) const METADATA_RECORDS: usize = 5;
