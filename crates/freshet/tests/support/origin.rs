//! An HTTP origin for Varnish: `/p/<tag>,<tag>` answers with these tags and counts how often it was asked.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

pub struct Origin {
    pub address: String,
    asked: Arc<Mutex<HashMap<String, u32>>>,
}

impl Origin {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound").to_string();
        let asked = Arc::new(Mutex::new(HashMap::new()));
        let counts = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let counts = Arc::clone(&counts);
                std::thread::spawn(move || answer(stream, &counts));
            }
        });
        Self { address, asked }
    }

    /// How often Varnish asked for `path`.
    pub fn asked(&self, path: &str) -> u32 {
        self.asked
            .lock()
            .expect("unpoisoned")
            .get(path)
            .copied()
            .unwrap_or(0)
    }
}

fn answer(stream: TcpStream, counts: &Mutex<HashMap<String, u32>>) {
    let mut reader = BufReader::new(stream);
    loop {
        let mut request = String::new();
        if reader.read_line(&mut request).unwrap_or(0) == 0 {
            return;
        }
        let mut line = String::new();
        while reader.read_line(&mut line).unwrap_or(0) > 2 {
            line.clear();
        }
        let path = request.split(' ').nth(1).unwrap_or("/").to_owned();
        let tags = path.trim_start_matches("/p/").replace(',', " ");
        *counts.lock().expect("unpoisoned").entry(path).or_default() += 1;
        let body = "fresh\n";
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nCache-Control: max-age=3600\r\nxkey: {tags}\r\n\r\n{body}",
            body.len()
        );
        if reader.get_mut().write_all(head.as_bytes()).is_err() {
            return;
        }
    }
}
