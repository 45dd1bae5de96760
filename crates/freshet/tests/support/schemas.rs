//! A schema registry that knows a schema from the moment it is registered.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use freshet_testbed::{http_answer, serve_http};
use serde_json::json;

pub struct Schemas {
    pub url: String,
    known: Arc<Mutex<HashMap<u32, String>>>,
}

impl Schemas {
    pub fn start() -> Self {
        let known = Arc::new(Mutex::new(HashMap::new()));
        let answers = Arc::clone(&known);
        let address = serve_http(move |request| {
            let id = request.path().rsplit('/').next();
            let known = answers.lock().expect("unpoisoned");
            let schema: Option<&String> = id.and_then(|id| known.get(&id.parse().ok()?));
            match schema {
                Some(schema) => http_answer("200 OK", "", &json!({ "schema": schema }).to_string()),
                None => http_answer("404 Not Found", "", r#"{"error_code":40403}"#),
            }
        });
        Self {
            url: format!("http://{}", address.expect("a free port")),
            known,
        }
    }

    pub fn register(&self, id: u32, schema: &str) {
        let mut known = self.known.lock().expect("unpoisoned");
        known.insert(id, schema.to_owned());
    }
}
