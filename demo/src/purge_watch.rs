//! What Redis really executes: its own `MONITOR` stream, each command with the server's time.

use anyhow::{Context, Result};
use freshet_shop::Entry;
use futures_util::StreamExt as _;
use futures_util::future::ready;
use futures_util::stream::BoxStream;

/// The purges that the server at `url` executes from now on: the time of each in microseconds, and the shop's entries
/// that it names. It ends with the connection.
///
/// # Errors
/// When the server does not answer.
pub(crate) async fn purges_of(url: &str) -> Result<BoxStream<'static, (u64, Vec<Entry>)>> {
    let monitor = redis::Client::open(url)?
        .get_async_monitor()
        .await
        .context("redis")?;
    let lines = monitor.into_on_message::<String>();
    Ok(lines.filter_map(|line| ready(parse(&line))).boxed())
}

/// `1700000000.123456 [0 127.0.0.1:5] "UNLINK" "a" "b"`
fn parse(line: &str) -> Option<(u64, Vec<Entry>)> {
    let (head, words) = line.split_once("] \"")?;
    let (command, names) = words.split_once('"')?;
    // What a script does is no purge.
    if !command.eq_ignore_ascii_case("unlink") || head.ends_with("lua") {
        return None;
    }
    let (seconds, micros) = head.split_once(' ')?.0.split_once('.')?;
    let at_us = seconds.parse::<u64>().ok()? * 1_000_000 + micros.parse::<u64>().ok()?;
    let entries = names.split('"').filter_map(Entry::of_redis_key).collect();
    Some((at_us, entries))
}

#[cfg(test)]
mod tests;
