//! The rows in Postgres. Beside the tables that the registry knows, `revisions` counts the commits of each entry;
//! Debezium is not told of it.

use anyhow::{Context, Result};
use tokio_postgres::{Client, NoTls, Row as PgRow, Statement};

use crate::entry::Entry;
use crate::envelope::iso;
use crate::store::{
    Commit, Listed, Product, Row, RowChange, Tables, category_body, listing_body, price_text,
    product_body,
};

const REVISIONS: &str = "CREATE TABLE revisions (entry text PRIMARY KEY, revision bigint NOT NULL)";

const READ_PRODUCT: &str = "
SELECT coalesce((SELECT revision FROM revisions WHERE entry = $2), 0), p.id, p.category_id, p.tenant,
  p.name, (p.price * 100)::bigint, p.description
FROM (SELECT $1::bigint AS wanted) AS w LEFT JOIN products p ON p.id = w.wanted";
const READ_CATEGORY: &str = "
SELECT coalesce((SELECT revision FROM revisions WHERE entry = $2), 0), c.name
FROM (SELECT $1::bigint AS wanted) AS w LEFT JOIN categories c ON c.id = w.wanted";
const READ_LISTING: &str = "
SELECT coalesce((SELECT revision FROM revisions WHERE entry = $2), 0),
  coalesce((SELECT array_agg(id ORDER BY id) FROM products WHERE category_id = $1), '{}'),
  coalesce((SELECT array_agg(name ORDER BY id) FROM products WHERE category_id = $1), '{}'),
  coalesce((SELECT array_agg((price * 100)::bigint ORDER BY id) FROM products WHERE category_id = $1), '{}'),
  coalesce((SELECT array_agg(product_id ORDER BY product_id) FROM product_categories WHERE category_id = $1), '{}')";

/// One connection that writes, one that reads; requests on it are pipelined.
#[derive(Debug)]
pub(crate) struct PostgresRows {
    writer: Client,
    reader: Client,
    read_product: Statement,
    read_category: Statement,
    read_listing: Statement,
}

impl PostgresRows {
    /// Connects, and puts `tables` into the tables of `schema`.
    ///
    /// # Errors
    /// When the database refuses.
    pub(crate) async fn fill(url: &str, schema: &str, tables: &Tables) -> Result<Self> {
        let writer = connect(url).await?;
        writer.batch_execute(schema).await.context("schema.sql")?;
        writer
            .batch_execute(REVISIONS)
            .await
            .context("table revisions")?;
        let inserts: Vec<String> = tables
            .rows()
            .into_iter()
            .map(|row| {
                statement(&RowChange {
                    before: None,
                    after: Some(row),
                })
            })
            .collect();
        writer
            .batch_execute(&in_one_transaction(&inserts))
            .await
            .context("first rows")?;
        let reader = connect(url).await?;
        Ok(Self {
            read_product: reader.prepare(READ_PRODUCT).await?,
            read_category: reader.prepare(READ_CATEGORY).await?,
            read_listing: reader.prepare(READ_LISTING).await?,
            writer,
            reader,
        })
    }

    /// Commits in one round trip; returns when Postgres has said so.
    ///
    /// # Errors
    /// When Postgres refuses.
    pub(crate) async fn commit(&self, commit: &Commit) -> Result<()> {
        let mut statements: Vec<String> = commit.changes.iter().map(statement).collect();
        statements.extend(commit.outdated.iter().map(|(entry, revision)| {
            format!(
                "INSERT INTO revisions VALUES ('{entry}', {revision}) \
                 ON CONFLICT (entry) DO UPDATE SET revision = excluded.revision"
            )
        }));
        self.writer
            .batch_execute(&in_one_transaction(&statements))
            .await
            .context("commit")
    }

    /// An entry, all of it from one snapshot.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub(crate) async fn read(&self, entry: Entry) -> Result<String> {
        let (statement, id) = match entry {
            Entry::Product(id) => (&self.read_product, id),
            Entry::Category(id) => (&self.read_category, id),
            Entry::Listing(id) => (&self.read_listing, id),
        };
        let row = self
            .reader
            .query_one(statement, &[&id, &entry.to_string()])
            .await?;
        let revision = u64::try_from(row.try_get::<_, i64>(0)?)?;
        match entry {
            Entry::Product(id) => Ok(product_body(id, product(&row)?.as_ref(), revision)),
            Entry::Category(id) => Ok(category_body(id, row.try_get(1)?, revision)),
            Entry::Listing(id) => listing(id, &row, revision),
        }
    }
}

async fn connect(url: &str) -> Result<Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls)
        .await
        .context("postgres")?;
    // Ends with the client; whoever asks after that is told by the client.
    tokio::spawn(connection);
    Ok(client)
}

fn product(row: &PgRow) -> Result<Option<Product>> {
    let Some(id) = row.try_get(1)? else {
        return Ok(None);
    };
    Ok(Some(Product {
        id,
        category_id: row.try_get(2)?,
        tenant: row.try_get(3)?,
        name: row.try_get(4)?,
        price_cents: row.try_get(5)?,
        description: row.try_get::<_, Option<String>>(6)?.unwrap_or_default(),
        updated_us: 0,
    }))
}

fn listing(id: i64, row: &PgRow, revision: u64) -> Result<String> {
    let ids: Vec<i64> = row.try_get(1)?;
    let names: Vec<String> = row.try_get(2)?;
    let prices: Vec<i64> = row.try_get(3)?;
    let featured: Vec<i64> = row.try_get(4)?;
    let listed = ids.into_iter().zip(names).zip(prices);
    let products: Vec<Listed> = listed
        .map(|((id, name), cents)| Listed {
            id,
            name,
            price: price_text(cents),
        })
        .collect();
    Ok(listing_body(id, &products, &featured, revision))
}

fn in_one_transaction(statements: &[String]) -> String {
    format!("BEGIN;\n{};\nCOMMIT", statements.join(";\n"))
}

fn statement(change: &RowChange) -> String {
    match (&change.before, &change.after) {
        (None, Some(row)) => insert(row),
        (Some(_), Some(row)) => update(row),
        (Some(row), None) => delete(row),
        (None, None) => String::new(),
    }
}

fn insert(row: &Row) -> String {
    match row {
        Row::Product(it) => format!(
            "INSERT INTO products (id, category_id, tenant, name, price, description, updated_at) \
             VALUES ({}, {}, {}, {}, {}, {}, '{}')",
            it.id,
            it.category_id,
            it.tenant,
            quoted(&it.name),
            price_text(it.price_cents),
            quoted(&it.description),
            iso(it.updated_us)
        ),
        Row::Category { id, name } => {
            format!(
                "INSERT INTO categories (id, name) VALUES ({id}, {})",
                quoted(name)
            )
        }
        Row::Membership {
            product_id,
            category_id,
        } => format!(
            "INSERT INTO product_categories (product_id, category_id) \
             VALUES ({product_id}, {category_id})"
        ),
    }
}

fn update(row: &Row) -> String {
    match row {
        Row::Product(it) => format!(
            "UPDATE products SET category_id = {}, tenant = {}, name = {}, price = {}, \
             description = {}, updated_at = '{}' WHERE id = {}",
            it.category_id,
            it.tenant,
            quoted(&it.name),
            price_text(it.price_cents),
            quoted(&it.description),
            iso(it.updated_us),
            it.id
        ),
        Row::Category { id, name } => {
            format!(
                "UPDATE categories SET name = {} WHERE id = {id}",
                quoted(name)
            )
        }
        // All of its columns are its key.
        Row::Membership { .. } => String::new(),
    }
}

fn delete(row: &Row) -> String {
    match row {
        Row::Product(it) => format!("DELETE FROM products WHERE id = {}", it.id),
        Row::Category { id, .. } => format!("DELETE FROM categories WHERE id = {id}"),
        Row::Membership {
            product_id,
            category_id,
        } => format!(
            "DELETE FROM product_categories \
             WHERE product_id = {product_id} AND category_id = {category_id}"
        ),
    }
}

/// A text literal (with `standard_conforming_strings`, which is the default, only the quote is special).
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests;
