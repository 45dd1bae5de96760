//! The little of RESP that a benchmark needs, without a client's cost in the figures.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, bail};

/// One connection.
pub(crate) struct Resp {
    reader: BufReader<TcpStream>,
}

impl Resp {
    pub(crate) fn connect(address: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).context("redis")?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        Ok(Self {
            reader: BufReader::with_capacity(1 << 16, stream),
        })
    }

    /// Sends a command and reads a one-line answer.
    pub(crate) fn call(&mut self, words: &[&str]) -> anyhow::Result<String> {
        let mut request = Vec::new();
        push(&mut request, words);
        self.reader.get_mut().write_all(&request)?;
        self.line()
    }

    /// Sends many commands at once and reads their one-line answers.
    pub(crate) fn pipeline(&mut self, commands: &[u8], answers: usize) -> anyhow::Result<()> {
        self.reader.get_mut().write_all(commands)?;
        for _ in 0..answers {
            let line = self.line()?;
            if line.starts_with('-') {
                bail!("redis: {line}");
            }
        }
        Ok(())
    }

    /// How many keys there are.
    pub(crate) fn dbsize(&mut self) -> anyhow::Result<u64> {
        let line = self.call(&["DBSIZE"])?;
        line.trim_start_matches(':').parse().context("DBSIZE")
    }

    /// Turns on invalidation pushes for keys with `prefix`.
    pub(crate) fn track(&mut self, prefix: &str) -> anyhow::Result<()> {
        // HELLO answers with a map; what follows is found by its own type.
        let mut request = Vec::new();
        push(&mut request, &["HELLO", "3"]);
        push(
            &mut request,
            &["CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", prefix],
        );
        self.reader.get_mut().write_all(&request)?;
        while self.line()? != "+OK" {}
        Ok(())
    }

    /// Reads one push and gives each invalidated key to `take`.
    pub(crate) fn read_push(&mut self, mut take: impl FnMut(&[u8])) -> anyhow::Result<()> {
        let line = self.line()?;
        if !line.starts_with('>') {
            return Ok(());
        }
        let kind = self.line().and_then(|head| self.bulk(&head))?;
        let head = self.line()?;
        let keys: usize = head
            .strip_prefix('*')
            .and_then(|count| count.parse().ok())
            .unwrap_or(0);
        for _ in 0..keys {
            let head = self.line()?;
            let key = self.bulk(&head)?;
            if kind == b"invalidate" {
                take(&key);
            }
        }
        Ok(())
    }

    fn bulk(&mut self, head: &str) -> anyhow::Result<Vec<u8>> {
        let length: usize = head.strip_prefix('$').context("a bulk string")?.parse()?;
        let mut bytes = vec![0; length + 2];
        self.reader.read_exact(&mut bytes)?;
        bytes.truncate(length);
        Ok(bytes)
    }

    fn line(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        if self.reader.read_line(&mut line)? == 0 {
            bail!("redis closed the connection");
        }
        line.truncate(line.trim_end().len());
        Ok(line)
    }
}

/// Appends a command.
pub(crate) fn push(out: &mut Vec<u8>, words: &[&str]) {
    out.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
    for word in words {
        out.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
    }
}
