//! The little of RESP that a benchmark needs, without a client's cost in the figures.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, bail};

/// One connection.
#[derive(Debug)]
pub struct Resp {
    reader: BufReader<TcpStream>,
}

impl Resp {
    /// Connects.
    ///
    /// # Errors
    /// When nothing listens there.
    pub fn connect(address: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).context("redis")?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        Ok(Self {
            reader: BufReader::with_capacity(1 << 16, stream),
        })
    }

    /// Sends a command and reads a one-line answer.
    ///
    /// # Errors
    /// When the connection breaks.
    pub fn call(&mut self, words: &[&str]) -> anyhow::Result<String> {
        let mut request = Vec::new();
        push(&mut request, words);
        self.reader.get_mut().write_all(&request)?;
        self.line()
    }

    /// Sends many commands at once and reads their one-line answers; says what the numbers among them sum up to.
    ///
    /// # Errors
    /// When the connection breaks or Redis refuses one.
    pub fn pipeline(&mut self, commands: &[u8], answers: usize) -> anyhow::Result<u64> {
        self.send(commands)?;
        (0..answers).map(|_| self.number()).sum()
    }

    /// Sends commands whose answers are read later.
    ///
    /// # Errors
    /// When the connection breaks.
    pub fn send(&mut self, commands: &[u8]) -> anyhow::Result<()> {
        Ok(self.reader.get_mut().write_all(commands)?)
    }

    /// Reads a one-line answer: its number, or zero when it is none.
    ///
    /// # Errors
    /// When the connection breaks or Redis refuses.
    pub fn number(&mut self) -> anyhow::Result<u64> {
        let line = self.line()?;
        if line.starts_with('-') {
            bail!("redis: {line}");
        }
        Ok(line.strip_prefix(':').map_or(Ok(0), str::parse)?)
    }

    /// A figure of `INFO`, by its section and what stands before it.
    ///
    /// # Errors
    /// When the connection breaks.
    pub fn info(&mut self, section: &str, before: &str) -> anyhow::Result<u64> {
        let head = self.call(&["INFO", section])?;
        let text = self.bulk(&head)?;
        let text = String::from_utf8_lossy(&text).into_owned();
        let rest = text.split(before).nth(1).unwrap_or("0");
        let end = rest.find(|it: char| !it.is_ascii_digit());
        Ok(rest[..end.unwrap_or(rest.len())].parse().unwrap_or(0))
    }

    /// How many keys there are.
    ///
    /// # Errors
    /// When the connection breaks.
    pub fn dbsize(&mut self) -> anyhow::Result<u64> {
        let line = self.call(&["DBSIZE"])?;
        line.trim_start_matches(':').parse().context("DBSIZE")
    }

    /// Turns on invalidation pushes for keys with `prefix`.
    ///
    /// # Errors
    /// When the connection breaks.
    pub fn track(&mut self, prefix: &str) -> anyhow::Result<()> {
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
    ///
    /// # Errors
    /// When the connection breaks or is silent for a minute.
    pub fn read_push(&mut self, mut take: impl FnMut(&[u8])) -> anyhow::Result<()> {
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
pub fn push(out: &mut Vec<u8>, words: &[&str]) {
    let mut digits = itoa::Buffer::new();
    let mut head = |out: &mut Vec<u8>, kind: u8, count: usize| {
        out.push(kind);
        out.extend_from_slice(digits.format(count).as_bytes());
        out.extend_from_slice(b"\r\n");
    };
    head(out, b'*', words.len());
    for word in words {
        head(out, b'$', word.len());
        out.extend_from_slice(word.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
}
