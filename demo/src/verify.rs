//! The proof at the end: every entry in Redis and every page of the edge against the database.

use std::sync::Arc;

use anyhow::{Context, Result};
use freshet_shop::{Entry, LEASE, Page, revision_of};
use redis::aio::MultiplexedConnection;
use reqwest::Client;
use tokio::task::JoinSet;

use crate::database::Database;

/// Pages asked for at the same time.
const PAGES_AT_ONCE: usize = 16;

/// What a comparison came to.
#[derive(Debug, Default)]
pub(crate) struct Comparison {
    /// Entries found in Redis.
    pub(crate) entries: usize,
    /// Pages asked for.
    pub(crate) pages: usize,
    /// What does not agree, one line each; no row data.
    pub(crate) differences: Vec<String>,
}

/// Compares everything. Nobody may be writing.
///
/// # Errors
/// When a cache does not answer.
pub(crate) async fn compare(
    database: &Arc<Database>,
    mut redis: MultiplexedConnection,
    client: &Client,
    shop_url: &str,
) -> Result<Comparison> {
    let mut comparison = Comparison::default();
    compare_entries(database, &mut redis, &mut comparison).await?;
    let pages = database.tables().pages();
    comparison.pages = pages.len();
    let mut asked = JoinSet::new();
    let mut pages = pages.into_iter();
    loop {
        while asked.len() < PAGES_AT_ONCE
            && let Some(page) = pages.next()
        {
            let url = format!("{shop_url}{}", page.path());
            let request = client.get(url);
            asked.spawn(async move { (page, answer(request).await) });
        }
        let Some(answered) = asked.join_next().await else {
            return Ok(comparison);
        };
        let (page, answer) = answered.context("asking for a page")?;
        let difference = compare_page(database, page, &answer?);
        comparison.differences.extend(difference);
    }
}

async fn answer(request: reqwest::RequestBuilder) -> Result<String> {
    Ok(request.send().await?.text().await?)
}

fn compare_page(database: &Database, page: Page, body: &str) -> Option<String> {
    let is_fresh = database.tables().page(page) == body;
    (!is_fresh).then(|| format!("page {} is not what the database says", page.path()))
}

async fn compare_entries(
    database: &Database,
    redis: &mut MultiplexedConnection,
    comparison: &mut Comparison,
) -> Result<()> {
    let mut cursor = 0_u64;
    loop {
        let mut scan = redis::cmd("SCAN");
        scan.arg(cursor)
            .arg("MATCH")
            .arg("catalog:v1:*")
            .arg("COUNT")
            .arg(1_000);
        let (next, names): (u64, Vec<String>) = scan.query_async(redis).await?;
        if !names.is_empty() {
            let bodies: Vec<Option<String>> =
                redis::cmd("MGET").arg(&names).query_async(redis).await?;
            for (name, body) in names.iter().zip(bodies) {
                let Some(body) = body else { continue };
                comparison.entries += 1;
                comparison
                    .differences
                    .extend(compare_entry(database, name, &body));
            }
        }
        cursor = next;
        if cursor == 0 {
            return Ok(());
        }
    }
}

/// A lease says nothing of a row.
fn compare_entry(database: &Database, name: &str, body: &str) -> Option<String> {
    if body.starts_with(LEASE) {
        return None;
    }
    let Some(entry) = Entry::of_redis_key(name) else {
        return Some(format!("{name} in redis is nobody's"));
    };
    let fresh = database.tables().body(entry);
    if fresh == body {
        return None;
    }
    let (held, newest) = (revision_of(body), revision_of(&fresh));
    let text = |revision: Option<u64>| revision.map_or("no".to_owned(), |it| it.to_string());
    Some(format!(
        "{name} in redis has revision {}, the newest is {}",
        text(held),
        text(newest)
    ))
}
