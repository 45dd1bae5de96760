//! An HTTP origin for Varnish: `/p/<tag>,<tag>` answers with these tags and counts how often it was asked.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use freshet_testbed::{http_answer, serve_http};

pub struct Origin {
    pub address: String,
    asked: Arc<Mutex<HashMap<String, u32>>>,
}

impl Origin {
    pub fn start() -> Self {
        let asked = Arc::new(Mutex::new(HashMap::new()));
        let counts = Arc::clone(&asked);
        let address = serve_http(move |request| {
            let path = request.path().to_owned();
            let tags = path.trim_start_matches("/p/").replace(',', " ");
            *counts.lock().expect("unpoisoned").entry(path).or_default() += 1;
            let headers = format!("Cache-Control: max-age=3600\r\nxkey: {tags}\r\n");
            http_answer("200 OK", &headers, "fresh\n")
        });
        Self {
            address: address.expect("a free port"),
            asked,
        }
    }

    /// How often Varnish asked for `path`.
    pub fn asked(&self, path: &str) -> u32 {
        let asked = self.asked.lock().expect("unpoisoned");
        asked.get(path).copied().unwrap_or(0)
    }
}
