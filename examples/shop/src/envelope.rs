//! Commits as Debezium writes them: topic, key, value and headers, field for field as recorded from the real one
//! in `schemas/fixtures/debezium/postgres-json.jsonl`, with `REPLICA IDENTITY FULL`.

use serde_json::{Value, json};

use crate::store::{Commit, Product, Row};

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
    base64(&bytes[start..])
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * place) & 63) as usize];
            text.push(if place > chunk.len() {
                '='
            } else {
                char::from(letter)
            });
        }
    }
    text
}

/// A `timestamptz` as Debezium prints it.
pub(crate) fn iso(unix_us: u64) -> String {
    let (seconds, micros) = (unix_us / 1_000_000, unix_us % 1_000_000);
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z")
}

/// Days since 1970 → year, month, day (Howard Hinnant's `civil_from_days`, for days that are not negative).
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests;
