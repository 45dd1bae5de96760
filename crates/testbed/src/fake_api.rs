//! An HTTP API that is not the real one, for providers that cannot be had in a test: it keeps what it was asked and
//! answers as the test says.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;

use crate::http_server::{SeenRequest, serve_http};

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
        let seen = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&seen);
        let address = serve_http(move |request| {
            let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.push(request.clone());
            drop(kept);
            answer(request)
        })?;
        let url = format!("http://{address}");
        Ok(Self { url, seen })
    }

    /// Every request so far.
    pub fn seen(&self) -> Vec<SeenRequest> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.clone()
    }
}
