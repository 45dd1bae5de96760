//! Commits as Debezium writes them: topic, key, value and headers, field for field as recorded from the real one
//! in `schemas/fixtures/debezium/postgres-json.jsonl`, with `REPLICA IDENTITY FULL`.

use std::num::NonZeroU8;
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use freshet_shop::{Commit, Product, Row};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Iso8601;
use time::format_description::well_known::iso8601::{Config, EncodedConfig, TimePrecision};

/// One record of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Envelope {
    pub(crate) topic: &'static str,
    pub(crate) message_key: String,
    /// None is the tombstone behind a delete.
    pub(crate) value: Option<String>,
}

/// The topics of the shop's tables.
pub(crate) const TOPICS: [&str; 3] = [
    "shop.public.products",
    "shop.public.categories",
    "shop.public.product_categories",
];

/// Headers on every record, as the connector sets them.
pub(crate) const HEADERS: [(&str, &str); 4] = [
    ("__debezium.context.connectorLogicalName", "shop"),
    ("__debezium.context.taskId", "0"),
    ("__debezium.context.connectorName", "postgresql"),
    (
        "__debezium.context.runId",
        "01a20691-b943-7e8a-b1a8-cc7e3db7b56c",
    ),
];

/// The write-ahead log as far as its positions go.
#[derive(Debug)]
pub(crate) struct LogPositions {
    transaction: u64,
    commit: u64,
    next: u64,
}

impl LogPositions {
    /// A log somewhere in its life.
    pub(crate) fn new() -> Self {
        Self {
            transaction: 734,
            commit: 26_543_568,
            next: 26_543_568,
        }
    }

    /// The records of one commit.
    pub(crate) fn envelopes(
        &mut self,
        commit: &Commit,
        commit_us: u64,
        now_us: u64,
    ) -> Vec<Envelope> {
        self.transaction += 1;
        let mut envelopes = Vec::with_capacity(commit.changes.len());
        for change in &commit.changes {
            self.next += 56 + 8 * (self.next % 17);
            let (before, after) = (change.before.as_ref(), change.after.as_ref());
            let Some(row) = after.or(before) else {
                continue;
            };
            let (topic, table) = place(row);
            let op = match (before, after) {
                (None, _) => "c",
                (_, None) => "d",
                _ => "u",
            };
            let value = json!({
                "before": before.map(columns),
                "after": after.map(columns),
                "source": self.source(table, commit_us),
                "transaction": Value::Null,
                "op": op,
                "ts_ms": now_us / 1_000,
                "ts_us": now_us,
                "ts_ns": now_us * 1_000,
            });
            let message_key = message_key(row).to_string();
            if op == "d" {
                let value = Some(value.to_string());
                envelopes.push(Envelope {
                    topic,
                    message_key: message_key.clone(),
                    value,
                });
                envelopes.push(Envelope {
                    topic,
                    message_key,
                    value: None,
                });
            } else {
                envelopes.push(Envelope {
                    topic,
                    message_key,
                    value: Some(value.to_string()),
                });
            }
        }
        self.next += 48;
        self.commit = self.next;
        envelopes
    }

    fn source(&self, table: &str, commit_us: u64) -> Value {
        json!({
            "version": "3.6.1.Final",
            "connector": "postgresql",
            "name": "shop",
            "ts_ms": commit_us / 1_000,
            "snapshot": "false",
            "db": "shop",
            "sequence": format!("[\"{}\",\"{}\"]", self.commit, self.next),
            "ts_us": commit_us,
            "ts_ns": commit_us * 1_000,
            "schema": "public",
            "table": table,
            "txId": self.transaction,
            "lsn": self.next,
            "xmin": Value::Null,
            "origin": Value::Null,
            "origin_lsn": Value::Null,
        })
    }
}

fn place(row: &Row) -> (&'static str, &'static str) {
    match row {
        Row::Product(_) => (TOPICS[0], "products"),
        Row::Category { .. } => (TOPICS[1], "categories"),
        Row::Membership { .. } => (TOPICS[2], "product_categories"),
    }
}

fn message_key(row: &Row) -> Value {
    match row {
        Row::Product(Product { id, .. }) | Row::Category { id, .. } => json!({ "id": id }),
        Row::Membership { .. } => columns(row),
    }
}

fn columns(row: &Row) -> Value {
    match row {
        Row::Product(product) => json!({
            "id": product.id,
            "category_id": product.category_id,
            "tenant": product.tenant,
            "name": product.name,
            "price": decimal(product.price_cents),
            "description": product.description,
            "updated_at": iso(product.updated_us),
        }),
        Row::Category { id, name } => json!({ "id": id, "name": name }),
        Row::Membership {
            product_id,
            category_id,
        } => {
            json!({ "product_id": product_id, "category_id": category_id })
        }
    }
}

/// A numeric with a scale: its unscaled value, two's complement in as few bytes as hold it, as base64.
fn decimal(unscaled: i64) -> String {
    let bytes = unscaled.to_be_bytes();
    let fill = if unscaled < 0 { 0xff } else { 0 };
    let mut start = 0;
    while start < 7 && bytes[start] == fill && (bytes[start + 1] ^ fill) < 0x80 {
        start += 1;
    }
    BASE64_STANDARD.encode(&bytes[start..])
}

/// Six digits behind the second, zeros too.
const MICROSECONDS: EncodedConfig = Config::DEFAULT
    .set_time_precision(TimePrecision::Second {
        decimal_digits: NonZeroU8::new(6),
    })
    .encode();

/// A `timestamptz` as Debezium prints it.
fn iso(unix_us: u64) -> String {
    let moment = OffsetDateTime::UNIX_EPOCH + Duration::from_micros(unix_us);
    // Only years of more than four digits have no such form.
    moment.format(&Iso8601::<MICROSECONDS>).unwrap_or_default()
}

#[cfg(test)]
mod tests;
