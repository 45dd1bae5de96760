//! The rows in Postgres. Beside the tables that Freshet follows, `revisions` counts the commits of each entry; Debezium
//! does not capture it.

use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use tokio::sync::Mutex;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, NoTls, Row as PgRow, Statement, Transaction};

use crate::entry::Entry;
use crate::readers::Rows;
use crate::store::{
    Commit, Listed, Product, Row, Tables, category_body, listing_body, price_text, product_body,
};

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

const PUT_PRODUCT: &str = "
INSERT INTO products (id, category_id, tenant, name, price, description, updated_at)
VALUES ($1, $2, $3, $4, $5::bigint / 100.0, $6, $7)
ON CONFLICT (id) DO UPDATE SET category_id = excluded.category_id, tenant = excluded.tenant, name = excluded.name,
  price = excluded.price, description = excluded.description, updated_at = excluded.updated_at";
const PUT_CATEGORY: &str = "
INSERT INTO categories (id, name) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET name = excluded.name";
const PUT_MEMBERSHIP: &str =
    "INSERT INTO product_categories (product_id, category_id) VALUES ($1, $2)";
const PUT_REVISIONS: &str = "
INSERT INTO revisions SELECT * FROM unnest($1, $2)
ON CONFLICT (entry) DO UPDATE SET revision = excluded.revision";
const DELETE_PRODUCT: &str = "DELETE FROM products WHERE id = $1";
const DELETE_CATEGORY: &str = "DELETE FROM categories WHERE id = $1";
const DELETE_MEMBERSHIP: &str =
    "DELETE FROM product_categories WHERE product_id = $1 AND category_id = $2";

/// One connection that writes, one transaction at a time, and one that reads; reads on it are pipelined.
#[derive(Debug)]
pub struct PostgresRows {
    writer: Mutex<Client>,
    reader: Client,
    read_product: Statement,
    read_category: Statement,
    read_listing: Statement,
}

impl PostgresRows {
    /// Connects to a database that has the tables of `schema.sql`.
    ///
    /// # Errors
    /// When the database refuses or has no such tables.
    pub async fn connect(url: &str) -> Result<Self> {
        let (writer, reader) = (connect(url).await?, connect(url).await?);
        Ok(Self {
            read_product: reader.prepare(READ_PRODUCT).await?,
            read_category: reader.prepare(READ_CATEGORY).await?,
            read_listing: reader.prepare(READ_LISTING).await?,
            writer: Mutex::new(writer),
            reader,
        })
    }

    /// Makes the tables of `schema`, puts the rows of `tables` into them, and connects.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn create(url: &str, schema: &str, tables: &Tables) -> Result<Self> {
        let first = connect(url).await?;
        first.batch_execute(schema).await.context("schema.sql")?;
        let rows = Self::connect(url).await?;
        rows.commit(&tables.as_commit())
            .await
            .context("first rows")?;
        Ok(rows)
    }

    /// Commits; returns when Postgres has said so.
    ///
    /// # Errors
    /// When Postgres refuses; then nothing of it is committed.
    pub async fn commit(&self, commit: &Commit) -> Result<()> {
        let mut writer = self.writer.lock().await;
        let transaction = writer.transaction().await?;
        for change in &commit.changes {
            match &change.after {
                Some(row) => put(&transaction, row).await?,
                None => delete(&transaction, change.before.as_ref()).await?,
            }
        }
        let (mut entries, mut revisions) = (Vec::new(), Vec::new());
        for (entry, revision) in &commit.outdated {
            entries.push(entry.to_string());
            revisions.push(i64::try_from(*revision)?);
        }
        let values = [
            (&entries as _, Type::TEXT_ARRAY),
            (&revisions as _, Type::INT8_ARRAY),
        ];
        transaction.execute_typed(PUT_REVISIONS, &values).await?;
        Ok(transaction.commit().await?)
    }
}

impl Rows for PostgresRows {
    async fn read(&self, entry: Entry) -> Result<String> {
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
    // Ends with the client; what breaks it is the error of the client's next call.
    tokio::spawn(connection);
    Ok(client)
}

async fn put(transaction: &Transaction<'_>, row: &Row) -> Result<()> {
    match row {
        Row::Product(product) => {
            let updated_at = SystemTime::UNIX_EPOCH + Duration::from_micros(product.updated_us);
            let values = [
                (&product.id as _, Type::INT8),
                (&product.category_id as _, Type::INT8),
                (&product.tenant as _, Type::INT4),
                (&product.name as _, Type::TEXT),
                (&product.price_cents as _, Type::INT8),
                (&product.description as _, Type::TEXT),
                (&updated_at as _, Type::TIMESTAMPTZ),
            ];
            transaction.execute_typed(PUT_PRODUCT, &values).await?;
        }
        Row::Category { id, name } => {
            let values = [(id as _, Type::INT8), (name as _, Type::TEXT)];
            transaction.execute_typed(PUT_CATEGORY, &values).await?;
        }
        Row::Membership {
            product_id,
            category_id,
        } => {
            let values = [
                (product_id as _, Type::INT8),
                (category_id as _, Type::INT8),
            ];
            transaction.execute_typed(PUT_MEMBERSHIP, &values).await?;
        }
    }
    Ok(())
}

async fn delete(transaction: &Transaction<'_>, row: Option<&Row>) -> Result<()> {
    match row {
        Some(Row::Product(Product { id, .. })) => {
            let values = [(id as _, Type::INT8)];
            transaction.execute_typed(DELETE_PRODUCT, &values).await?;
        }
        Some(Row::Category { id, .. }) => {
            let values = [(id as _, Type::INT8)];
            transaction.execute_typed(DELETE_CATEGORY, &values).await?;
        }
        Some(Row::Membership {
            product_id,
            category_id,
        }) => {
            let values = [
                (product_id as _, Type::INT8),
                (category_id as _, Type::INT8),
            ];
            transaction
                .execute_typed(DELETE_MEMBERSHIP, &values)
                .await?;
        }
        None => {}
    }
    Ok(())
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

#[cfg(test)]
mod tests;
