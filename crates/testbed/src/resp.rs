//! Redis' protocol for tests and benchmarks: bare, so that a client's own cost is in no figure.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};

const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// Nothing.
    Nil,
    /// A number.
    Int(i64),
    /// A text of any kind.
    Text(String),
    /// A list, a push, or a map as keys and values in turn.
    List(Vec<Reply>),
    /// Redis refuses the command.
    Error(String),
}

impl Reply {
    /// The text.
    ///
    /// # Errors
    /// When it is something else.
    pub fn text(self) -> Result<String> {
        match self {
            Self::Text(text) => Ok(text),
            other => bail!("expected a text from redis: {other:?}"),
        }
    }

    /// The texts of a list.
    ///
    /// # Errors
    /// When it is something else.
    pub fn texts(self) -> Result<Vec<String>> {
        match self {
            Self::List(items) => items.into_iter().map(Self::text).collect(),
            other => bail!("expected a list from redis: {other:?}"),
        }
    }
}

/// One connection.
#[derive(Debug)]
pub struct Resp {
    reader: BufReader<TcpStream>,
}

impl Resp {
    /// Connects to `host:port`; an answer may take a minute.
    ///
    /// # Errors
    /// When nothing listens there.
    pub fn connect(address: &str) -> Result<Self> {
        Self::connect_within(address, ANSWER_TIMEOUT)
    }

    /// Connects to `ip:port`; neither that nor an answer may take longer than `timeout`.
    ///
    /// # Errors
    /// When nothing answers there.
    pub fn connect_within(address: &str, timeout: Duration) -> Result<Self> {
        let socket: SocketAddr = address
            .parse()
            .with_context(|| format!("address {address}"))?;
        let stream = TcpStream::connect_timeout(&socket, timeout).context("redis")?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(timeout))?;
        stream.set_write_timeout(Some(timeout))?;
        Ok(Self {
            reader: BufReader::with_capacity(1 << 16, stream),
        })
    }

    /// Sends a command and reads its answer.
    ///
    /// # Errors
    /// When the connection breaks or Redis refuses.
    pub fn call(&mut self, words: &[&str]) -> Result<Reply> {
        let mut request = Vec::new();
        push_command(&mut request, words);
        self.send(&request)?;
        match self.reply()? {
            Reply::Error(said) => bail!("redis says {said}"),
            reply => Ok(reply),
        }
    }

    /// Sends many commands at once and reads their answers; says what the numbers among them sum up to.
    ///
    /// # Errors
    /// When the connection breaks or Redis refuses one.
    pub fn pipeline(&mut self, commands: &[u8], answers: usize) -> Result<u64> {
        self.send(commands)?;
        (0..answers).map(|_| self.number()).sum()
    }

    /// Sends commands whose answers are read later.
    ///
    /// # Errors
    /// When the connection breaks.
    pub fn send(&mut self, commands: &[u8]) -> Result<()> {
        Ok(self.reader.get_mut().write_all(commands)?)
    }

    /// Reads an answer.
    ///
    /// # Errors
    /// When the connection breaks.
    pub fn reply(&mut self) -> Result<Reply> {
        read_reply(&mut self.reader)
    }

    /// Reads an answer: its number, or zero when it is none.
    ///
    /// # Errors
    /// When the connection breaks or Redis refuses.
    pub fn number(&mut self) -> Result<u64> {
        match self.reply()? {
            Reply::Int(number) => Ok(u64::try_from(number)?),
            Reply::Error(said) => bail!("redis says {said}"),
            _ => Ok(0),
        }
    }

    /// A figure of `INFO`, by its section and what stands before it.
    ///
    /// # Errors
    /// When the connection breaks.
    pub fn info(&mut self, section: &str, before: &str) -> Result<u64> {
        let text = self.call(&["INFO", section])?.text()?;
        let rest = text.split(before).nth(1).unwrap_or("0");
        let end = rest.find(|letter: char| !letter.is_ascii_digit());
        Ok(rest[..end.unwrap_or(rest.len())].parse().unwrap_or(0))
    }

    /// How many keys there are.
    ///
    /// # Errors
    /// When the connection breaks.
    pub fn dbsize(&mut self) -> Result<u64> {
        let mut request = Vec::new();
        push_command(&mut request, &["DBSIZE"]);
        self.pipeline(&request, 1)
    }

    /// Turns on invalidation pushes for keys with `prefix`.
    ///
    /// # Errors
    /// When the connection breaks.
    pub fn track(&mut self, prefix: &str) -> Result<()> {
        self.call(&["HELLO", "3"])?;
        self.call(&["CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", prefix])?;
        Ok(())
    }

    /// Reads one push and gives each invalidated key to `take`.
    ///
    /// # Errors
    /// When the connection breaks or is silent for a minute.
    pub fn read_push(&mut self, mut take: impl FnMut(&str)) -> Result<()> {
        if let Reply::List(parts) = self.reply()?
            && let [Reply::Text(kind), Reply::List(keys)] = parts.as_slice()
            && kind == "invalidate"
        {
            for key in keys {
                if let Reply::Text(key) = key {
                    take(key);
                }
            }
        }
        Ok(())
    }
}

/// Asks the server at `address` over a connection of its own.
pub(crate) fn ask(address: &str, command: &[&str]) -> Result<Reply> {
    Resp::connect(address)?.call(command)
}

/// Appends a command.
pub fn push_command<W: AsRef<str>>(out: &mut Vec<u8>, words: &[W]) {
    let mut digits = itoa::Buffer::new();
    let mut head = |out: &mut Vec<u8>, kind: u8, count: usize| {
        out.push(kind);
        out.extend_from_slice(digits.format(count).as_bytes());
        out.extend_from_slice(b"\r\n");
    };
    head(out, b'*', words.len());
    for word in words {
        let word = word.as_ref();
        head(out, b'$', word.len());
        out.extend_from_slice(word.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
}

/// Reads an answer, or a command, which has the form of a list.
///
/// # Errors
/// When the connection breaks, or what comes is no answer.
pub fn read_reply(from: &mut impl BufRead) -> Result<Reply> {
    let mut line = String::new();
    if from.read_line(&mut line)? == 0 {
        bail!("redis closed the connection");
    }
    let (kind, rest) = line.trim_end().split_at_checked(1).context("an answer")?;
    let list = |from: &mut _, count: usize| -> Result<Reply> {
        let items: Result<Vec<Reply>> = (0..count).map(|_| read_reply(from)).collect();
        Ok(Reply::List(items?))
    };
    Ok(match kind {
        "+" => Reply::Text(rest.to_owned()),
        "-" => Reply::Error(rest.to_owned()),
        ":" => Reply::Int(rest.parse()?),
        "_" => Reply::Nil,
        "$" | "*" if rest == "-1" => Reply::Nil,
        "$" => {
            let mut bytes = vec![0; rest.parse::<usize>()? + 2];
            from.read_exact(&mut bytes)?;
            bytes.truncate(bytes.len() - 2);
            Reply::Text(String::from_utf8_lossy(&bytes).into_owned())
        }
        "*" | ">" => list(from, rest.parse()?)?,
        "%" => list(from, 2 * rest.parse::<usize>()?)?,
        _ => bail!("redis sent what is no answer: {line}"),
    })
}
