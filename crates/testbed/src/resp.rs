//! Enough of Redis' protocol to set servers up: one command, one answer.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Result, bail};

const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// An answer; errors are errors of the call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    Nil,
    Text(String),
    List(Vec<Reply>),
}

impl Reply {
    /// The text of a string or number.
    pub(crate) fn text(self) -> Result<String> {
        match self {
            Self::Text(text) => Ok(text),
            other => bail!("expected a text from redis: {other:?}"),
        }
    }

    /// The texts of a list.
    pub(crate) fn texts(self) -> Result<Vec<String>> {
        match self {
            Self::List(items) => items.into_iter().map(Self::text).collect(),
            other => bail!("expected a list from redis: {other:?}"),
        }
    }
}

/// Asks the server at `address` over a connection of its own.
pub(crate) fn ask(address: &str, command: &[&str]) -> Result<Reply> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
    let mut request = format!("*{}\r\n", command.len());
    for part in command {
        request.push_str(&format!("${}\r\n{part}\r\n", part.len()));
    }
    stream.write_all(request.as_bytes())?;
    read(&mut BufReader::new(stream))
}

fn read(from: &mut impl BufRead) -> Result<Reply> {
    let mut line = String::new();
    from.read_line(&mut line)?;
    let line = line.trim_end();
    let Some((kind, rest)) = line.split_at_checked(1) else {
        bail!("redis closed the connection");
    };
    match kind {
        "+" | ":" => Ok(Reply::Text(rest.to_owned())),
        "-" => bail!("redis says {rest}"),
        "$" | "*" if rest == "-1" => Ok(Reply::Nil),
        "$" => {
            let mut bytes = vec![0; rest.parse::<usize>()? + 2];
            from.read_exact(&mut bytes)?;
            bytes.truncate(bytes.len() - 2);
            Ok(Reply::Text(String::from_utf8_lossy(&bytes).into_owned()))
        }
        "*" => {
            let items: Result<Vec<Reply>> =
                (0..rest.parse::<usize>()?).map(|_| read(from)).collect();
            Ok(Reply::List(items?))
        }
        _ => bail!("redis sent what is no answer: {line}"),
    }
}
