//! A schema registry that knows a schema from the moment it is told.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

type Known = Arc<Mutex<HashMap<u32, String>>>;

pub struct Schemas {
    pub url: String,
    known: Known,
}

impl Schemas {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let known = Known::default();
        let answers = Arc::clone(&known);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                answer(stream, &answers);
            }
        });
        Self { url, known }
    }

    pub fn register(&self, id: u32, schema: &str) {
        let mut known = self.known.lock().expect("unpoisoned");
        known.insert(id, schema.to_owned());
    }
}

fn answer(stream: TcpStream, known: &Known) {
    let mut reader = BufReader::new(stream);
    let mut request = String::new();
    if reader.read_line(&mut request).unwrap_or(0) == 0 {
        return;
    }
    let mut line = String::new();
    while reader.read_line(&mut line).unwrap_or(0) > 2 {
        line.clear();
    }
    let path = request.split(' ').nth(1).unwrap_or_default();
    let id = path.rsplit('/').next().and_then(|id| id.parse().ok());
    let known = known.lock().expect("unpoisoned");
    let schema = id.and_then(|id: u32| known.get(&id));
    let (status, body) = match schema {
        Some(schema) => ("200 OK", serde_json::json!({ "schema": schema })),
        None => ("404 Not Found", serde_json::json!({ "error_code": 40403 })),
    };
    let body = body.to_string();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let _ = reader.get_mut().write_all(head.as_bytes());
}
