//! An edge cache in this process that speaks the Varnish/xkey convention: pages are cached by path with the tags
//! of the origin's `xkey` header, and `PURGE` with `xkey-purge` or `xkey-softpurge` names tags.
//!
//! It stands in for Varnish where nothing shall be needed beyond Redis.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Result;

use crate::http::{Response, get};
use crate::http_server::{SeenRequest, http_answer, serve_http};

/// Pages kept at most; what is beyond is fetched every time.
const PAGES_MAX: usize = 20_000;

/// A cached page.
#[derive(Debug, Clone)]
struct Cached {
    answer: Arc<Response>,
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

    /// Forgets the fetch, and keeps its page where it may be kept.
    fn end_fetch(&mut self, fetch: u64, path: &str, page: Option<&Cached>) {
        let purged_since = self.fetches.remove(&fetch).unwrap_or_default();
        let may_keep = |page: &&Cached| {
            let overtaken = page.tags.iter().any(|tag| purged_since.contains(tag));
            !overtaken && is_cacheable(&page.answer) && self.pages.len() < PAGES_MAX
        };
        let Some(page) = page.filter(may_keep) else {
            return;
        };
        self.remove(path);
        for tag in &page.tags {
            let paths = self.by_tag.entry(tag.clone()).or_default();
            paths.insert(path.to_owned());
        }
        self.pages.insert(path.to_owned(), page.clone());
    }

    fn remove(&mut self, path: &str) {
        for tag in self
            .pages
            .remove(path)
            .into_iter()
            .flat_map(|page| page.tags)
        {
            if let Some(paths) = self.by_tag.get_mut(&tag) {
                paths.remove(path);
                if paths.is_empty() {
                    self.by_tag.remove(&tag);
                }
            }
        }
    }

    /// Returns how many pages it was good for.
    fn purge(&mut self, tags: &[&str], soft: bool) -> usize {
        for purged_since in self.fetches.values_mut() {
            purged_since.extend(tags.iter().map(|&tag| tag.to_owned()));
        }
        let tagged = tags.iter().filter_map(|&tag| self.by_tag.get(tag));
        let named: HashSet<String> = tagged.flatten().cloned().collect();
        for path in &named {
            match self.pages.get_mut(path) {
                Some(page) if soft => page.stale = true,
                _ => self.remove(path),
            }
        }
        named.len()
    }
}

/// Whether a shared cache may keep the page: `s-maxage` decides for it, and never what is meant for browsers.
fn is_cacheable(answer: &Response) -> bool {
    let control = answer.header("cache-control").unwrap_or_default();
    control.contains("s-maxage=")
        && !control.contains("no-store")
        && matches!(answer.status, 200..300 | 404)
}

/// The cache in front of one origin, served for as long as this process lives.
#[derive(Debug, Clone)]
pub struct EdgeCache {
    origin: Arc<str>,
    pages: Arc<Mutex<Pages>>,
}

impl EdgeCache {
    /// Starts an empty cache before the origin at this `http://host:port`, and returns its own.
    ///
    /// # Errors
    /// No port is free.
    pub fn start(origin: &str) -> Result<String> {
        let edge = Self {
            origin: Arc::from(origin),
            pages: Arc::default(),
        };
        let address = serve_http(move |request| edge.answer(request))?;
        Ok(format!("http://{address}"))
    }

    fn lock(&self) -> MutexGuard<'_, Pages> {
        // Whoever panicked did so between whole steps; the cache is still one.
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, request: &SeenRequest) -> String {
        match request.method() {
            "PURGE" => self.purge(request),
            "GET" => self.page(request.path()),
            _ => http_answer("405 Method Not Allowed", "", ""),
        }
    }

    fn page(&self, path: &str) -> String {
        let cached = self.lock().pages.get(path).cloned();
        let (answer, how) = match cached {
            Some(page) if !page.stale => (page.answer, "HIT"),
            Some(page) => {
                // One stale answer, and the fresh page behind it.
                let (edge, path) = (self.clone(), path.to_owned());
                std::thread::spawn(move || edge.fetch(&path));
                (page.answer, "STALE")
            }
            None => match self.fetch(path) {
                Ok(answer) => (answer, "MISS"),
                Err(error) => return http_answer("502 Bad Gateway", "", &format!("{error:#}\n")),
            },
        };
        let mut headers = format!("x-cache: {how}\r\n");
        for (name, value) in &answer.headers {
            if !["connection", "transfer-encoding", "content-length"].contains(&name.as_str()) {
                headers.push_str(&format!("{name}: {value}\r\n"));
            }
        }
        http_answer(&format!("{} -", answer.status), &headers, &answer.body)
    }

    fn fetch(&self, path: &str) -> Result<Arc<Response>> {
        let fetch = self.lock().begin_fetch();
        let fetched = get(&format!("{}{path}", self.origin)).map(|answer| Cached {
            tags: words(answer.header("xkey")).map(str::to_owned).collect(),
            answer: Arc::new(answer),
            stale: false,
        });
        self.lock().end_fetch(fetch, path, fetched.as_ref().ok());
        Ok(fetched?.answer)
    }

    fn purge(&self, request: &SeenRequest) -> String {
        let hard: Vec<&str> = words(request.header("xkey-purge")).collect();
        let soft: Vec<&str> = words(request.header("xkey-softpurge")).collect();
        let is_soft = hard.is_empty();
        let tags = if is_soft { soft } else { hard };
        if tags.is_empty() {
            let said = "No xkey-purge or xkey-softpurge header\n";
            return http_answer("400 Bad Request", "", said);
        }
        let purged = self.lock().purge(&tags, is_soft);
        let headers = format!("x-purged: {purged}\r\n");
        http_answer("200 OK", &headers, &format!("Purged {purged}\n"))
    }
}

fn words(header: Option<&str>) -> impl Iterator<Item = &str> {
    header.unwrap_or_default().split_whitespace()
}
