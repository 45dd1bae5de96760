//! Just enough of an HTTP server for origins, edges and APIs that are not the real ones.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use anyhow::Result;

/// One request as it came.
#[derive(Clone, Debug)]
pub struct SeenRequest {
    /// `POST /purge HTTP/1.1`.
    pub line: String,
    /// Each header as a line.
    pub headers: Vec<String>,
    /// The body.
    pub body: String,
}

impl SeenRequest {
    /// `GET`, `PURGE` and so on.
    pub fn method(&self) -> &str {
        self.line.split(' ').next().unwrap_or_default()
    }

    /// What stands behind the method.
    pub fn path(&self) -> &str {
        self.line.split(' ').nth(1).unwrap_or("/")
    }

    /// The value of a header; the case of its name does not matter.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// Serves on a free port for as long as this process lives, each connection in a thread, and returns the `host:port`.
///
/// `answer` gives whole answers as they go over the wire ([`http_answer`]). The connection is closed behind one that
/// says so, behind a request of HTTP/1.0, and with nothing.
///
/// # Errors
/// No port is free.
pub fn serve_http(
    answer: impl Fn(&SeenRequest) -> String + Send + Sync + 'static,
) -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?.to_string();
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answer = Arc::clone(&answer);
            std::thread::spawn(move || {
                // A client that goes away is the client's affair.
                let _gone = serve(stream, answer.as_ref());
            });
        }
    });
    Ok(address)
}

fn serve(stream: TcpStream, answer: &dyn Fn(&SeenRequest) -> String) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    while let Some(request) = read_request(&mut reader)? {
        let answer = answer(&request);
        reader.get_mut().write_all(answer.as_bytes())?;
        let head = answer.split("\r\n\r\n").next().unwrap_or_default();
        let is_last = request.line.ends_with("HTTP/1.0") || head.contains("\r\nConnection: close");
        if answer.is_empty() || is_last {
            break;
        }
    }
    Ok(())
}

/// The next request; none at the end of the connection.
fn read_request(reader: &mut impl BufRead) -> Result<Option<SeenRequest>> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? <= 2 {
            break;
        }
        lines.push(line.trim_end().to_owned());
    }
    if lines.is_empty() {
        return Ok(None);
    }
    let mut request = SeenRequest {
        line: lines.remove(0),
        headers: lines,
        body: String::new(),
    };
    let length = request.header("content-length").unwrap_or("0").parse()?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    request.body = String::from_utf8_lossy(&body).into_owned();
    Ok(Some(request))
}

/// An answer of HTTP/1.1 with its length. Each line of `headers` ends with CR LF.
pub fn http_answer(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{headers}\r\n{body}")
}
