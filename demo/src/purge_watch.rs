//! What Redis really executes: its own `MONITOR` stream, each command with the server's time.

use anyhow::{Context, Result};
use freshet_shop::Entry;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;

/// The commands of a Redis server as it executes them.
#[derive(Debug)]
pub(crate) struct PurgeWatch {
    lines: Lines<BufReader<TcpStream>>,
}

impl PurgeWatch {
    /// Begins to watch the server at `host:port`.
    ///
    /// # Errors
    /// When it does not answer.
    pub(crate) async fn start(address: &str) -> Result<Self> {
        let mut stream = TcpStream::connect(address).await.context("redis")?;
        stream.write_all(b"MONITOR\r\n").await?;
        let mut lines = BufReader::with_capacity(1 << 20, stream).lines();
        let answer = lines.next_line().await?.unwrap_or_default();
        anyhow::ensure!(answer == "+OK", "redis does not let itself be watched");
        Ok(Self { lines })
    }

    /// The next purge: its time in microseconds and the shop's entries that it names.
    ///
    /// # Errors
    /// When the connection ends.
    pub(crate) async fn next(&mut self) -> Result<(u64, Vec<Entry>)> {
        loop {
            let line = self
                .lines
                .next_line()
                .await?
                .context("redis ended the connection")?;
            if let Some(purge) = parse(&line) {
                return Ok(purge);
            }
        }
    }
}

/// `+1700000000.123456 [0 127.0.0.1:5] "UNLINK" "a" "b"`
fn parse(line: &str) -> Option<(u64, Vec<Entry>)> {
    let (head, words) = line.split_once("] \"")?;
    let (command, names) = words.split_once('"')?;
    // What a script does is no purge.
    if !command.eq_ignore_ascii_case("unlink") || head.ends_with("lua") {
        return None;
    }
    let (seconds, micros) = head.strip_prefix('+')?.split_once(' ')?.0.split_once('.')?;
    let at_us = seconds.parse::<u64>().ok()? * 1_000_000 + micros.parse::<u64>().ok()?;
    let entries = names.split('"').filter_map(Entry::of_redis_key).collect();
    Some((at_us, entries))
}

#[cfg(test)]
mod tests;
