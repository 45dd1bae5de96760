//! An HTTP API that is not the real one, for providers that cannot be had in a test: it keeps what it was asked and
//! answers as the test says.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

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
    /// The value of a header; the case of its name does not matter.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// A server that lives as long as this process.
#[derive(Debug)]
pub struct FakeApi {
    /// `http://127.0.0.1:PORT`.
    pub url: String,
    seen: Arc<Mutex<Vec<SeenRequest>>>,
}

impl FakeApi {
    /// Answers every request by `answer`, whole as it goes over the wire; with nothing, the connection is closed.
    ///
    /// # Errors
    /// No port is free.
    pub fn start(answer: impl Fn(&SeenRequest) -> String + Send + Sync + 'static) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let url = format!("http://{}", listener.local_addr()?);
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (kept, answer) = (Arc::clone(&seen), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (kept, answer) = (Arc::clone(&kept), Arc::clone(&answer));
                std::thread::spawn(move || {
                    // A client that goes away is the client's affair.
                    let _gone = serve(stream, &kept, answer.as_ref());
                });
            }
        });
        Ok(Self { url, seen })
    }

    /// Every request so far.
    pub fn seen(&self) -> Vec<SeenRequest> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.clone()
    }
}

fn serve(
    mut stream: TcpStream,
    kept: &Mutex<Vec<SeenRequest>>,
    answer: &dyn Fn(&SeenRequest) -> String,
) -> Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? <= 2 {
            break;
        }
        lines.push(line.trim_end().to_owned());
    }
    if lines.is_empty() {
        return Ok(());
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
    let seen = || kept.lock().unwrap_or_else(PoisonError::into_inner);
    seen().push(request.clone());
    stream.write_all(answer(&request).as_bytes())?;
    Ok(())
}

/// An answer of HTTP/1.1 after which the connection is closed. Each line of `headers` ends with CR LF.
pub fn http_answer(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n{body}"
    )
}
