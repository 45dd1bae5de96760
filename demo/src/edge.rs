//! An edge cache in this process that speaks the Varnish/xkey convention: pages are cached by path with the tags
//! of the origin's `xkey` header, and `PURGE` with `xkey-purge` or `xkey-softpurge` names tags.
//!
//! It stands in for Varnish so that the demo needs nothing beyond Redis.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use freshet_shop::origin::XKEY;
use reqwest::Client;

/// Pages kept at most; what is beyond is fetched every time.
const PAGES_MAX: usize = 20_000;

const PURGED: HeaderName = HeaderName::from_static("x-purged");
const X_CACHE: HeaderName = HeaderName::from_static("x-cache");

/// A cached page.
#[derive(Debug, Clone)]
struct Cached {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    tags: Vec<String>,
    /// Softly purged: good for answers until somebody has fetched it anew.
    stale: bool,
}

#[derive(Debug, Default)]
struct Pages {
    pages: HashMap<String, Cached>,
    by_tag: HashMap<String, HashSet<String>>,
    /// Fetches under way with the tags purged since they began. The answer to such a fetch may be older than
    /// the purge, so it must not be kept.
    fetches: HashMap<u64, HashSet<String>>,
    fetches_begun: u64,
}

impl Pages {
    fn begin_fetch(&mut self) -> u64 {
        self.fetches_begun += 1;
        self.fetches.insert(self.fetches_begun, HashSet::new());
        self.fetches_begun
    }

    fn end_fetch(&mut self, fetch: u64, path: &str, page: Cached) {
        let purged_since = self.fetches.remove(&fetch).unwrap_or_default();
        let overtaken = page.tags.iter().any(|tag| purged_since.contains(tag));
        if overtaken || !is_cacheable(&page) || self.pages.len() >= PAGES_MAX {
            return;
        }
        self.remove(path);
        for tag in &page.tags {
            self.by_tag
                .entry(tag.clone())
                .or_default()
                .insert(path.to_owned());
        }
        self.pages.insert(path.to_owned(), page);
    }

    fn remove(&mut self, path: &str) -> bool {
        let Some(page) = self.pages.remove(path) else {
            return false;
        };
        for tag in &page.tags {
            let left = self.by_tag.get_mut(tag).is_none_or(|paths| {
                paths.remove(path);
                paths.is_empty()
            });
            if left {
                self.by_tag.remove(tag);
            }
        }
        true
    }

    /// Returns how many pages it was good for.
    fn purge(&mut self, tags: &[&str], soft: bool) -> usize {
        for purged_since in self.fetches.values_mut() {
            purged_since.extend(tags.iter().map(|&tag| tag.to_owned()));
        }
        let named: HashSet<String> = tags
            .iter()
            .filter_map(|&tag| self.by_tag.get(tag))
            .flatten()
            .cloned()
            .collect();
        for path in &named {
            if soft {
                self.pages
                    .entry(path.clone())
                    .and_modify(|page| page.stale = true);
            } else {
                self.remove(path);
            }
        }
        named.len()
    }
}

/// Whether a shared cache may keep the page: `s-maxage` decides for it, and never what is meant for browsers.
fn is_cacheable(page: &Cached) -> bool {
    let control = page
        .headers
        .get(header::CACHE_CONTROL)
        .and_then(|value| value.to_str().ok());
    control.is_some_and(|control| control.contains("s-maxage=") && !control.contains("no-store"))
        && (page.status.is_success() || page.status == StatusCode::NOT_FOUND)
}

/// The cache in front of one origin.
#[derive(Debug, Clone)]
pub(crate) struct Edge {
    /// `http://host:port`
    origin: Arc<str>,
    client: Client,
    pages: Arc<Mutex<Pages>>,
}

impl Edge {
    /// An empty cache.
    pub(crate) fn new(origin: &str, client: Client) -> Self {
        Self {
            origin: Arc::from(origin),
            client,
            pages: Arc::default(),
        }
    }

    /// Its HTTP side.
    pub(crate) fn router(self) -> Router {
        Router::new().fallback(answer).with_state(self)
    }

    fn lock(&self) -> MutexGuard<'_, Pages> {
        // Whoever panicked did so between whole steps; the cache is still one.
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn get(&self, path: &str) -> Result<(Cached, &'static str), reqwest::Error> {
        let cached = self.lock().pages.get(path).cloned();
        match cached {
            Some(page) if !page.stale => Ok((page, "HIT")),
            Some(page) => {
                // One stale answer, and the fresh page behind it.
                let (edge, path) = (self.clone(), path.to_owned());
                tokio::spawn(async move { edge.fetch(&path).await });
                Ok((page, "STALE"))
            }
            None => Ok((self.fetch(path).await?, "MISS")),
        }
    }

    async fn fetch(&self, path: &str) -> Result<Cached, reqwest::Error> {
        let fetch = Fetch {
            edge: self,
            number: self.lock().begin_fetch(),
        };
        let answer = self
            .client
            .get(format!("{}{path}", self.origin))
            .send()
            .await?;
        let (status, mut headers) = (answer.status(), answer.headers().clone());
        for hop in [
            header::CONNECTION,
            header::TRANSFER_ENCODING,
            header::CONTENT_LENGTH,
        ] {
            headers.remove(hop);
        }
        let tags = words(&headers, &XKEY)
            .into_iter()
            .map(str::to_owned)
            .collect();
        let body = answer.bytes().await?;
        let page = Cached {
            status,
            tags,
            headers,
            body,
            stale: false,
        };
        self.lock().end_fetch(fetch.number, path, page.clone());
        Ok(page)
    }
}

/// Forgets a fetch that came to nothing.
struct Fetch<'a> {
    edge: &'a Edge,
    number: u64,
}

impl Drop for Fetch<'_> {
    fn drop(&mut self) {
        self.edge.lock().fetches.remove(&self.number);
    }
}

fn words<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Vec<&'a str> {
    let values = headers
        .get_all(name)
        .into_iter()
        .filter_map(|value| value.to_str().ok());
    values.flat_map(str::split_whitespace).collect()
}

async fn answer(State(edge): State<Edge>, request: Request) -> Response {
    if request.method().as_str() == "PURGE" {
        return purge(&edge, request.headers());
    }
    if request.method() != Method::GET {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    match edge.get(request.uri().path()).await {
        Ok((page, how)) => {
            let mut response = (page.status, page.headers, page.body).into_response();
            response
                .headers_mut()
                .insert(X_CACHE, HeaderValue::from_static(how));
            response
        }
        Err(error) => (StatusCode::BAD_GATEWAY, error.to_string()).into_response(),
    }
}

fn purge(edge: &Edge, headers: &HeaderMap) -> Response {
    let hard = words(headers, &HeaderName::from_static("xkey-purge"));
    let soft = words(headers, &HeaderName::from_static("xkey-softpurge"));
    if hard.is_empty() && soft.is_empty() {
        return (
            StatusCode::BAD_REQUEST,
            "No xkey-purge or xkey-softpurge header\n",
        )
            .into_response();
    }
    let is_soft = hard.is_empty();
    let purged = edge
        .lock()
        .purge(if is_soft { &soft } else { &hard }, is_soft);
    (
        [(PURGED, HeaderValue::from(purged))],
        format!("Purged {purged}\n"),
    )
        .into_response()
}

#[cfg(test)]
mod tests;
