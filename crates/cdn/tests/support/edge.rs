//! A real Varnish before an origin that says, counts and holds back what a test wants, and its purger.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use anyhow::{Result, ensure};
use freshet_cdn::{HttpPurger, Varnish as VarnishProvider, VarnishTarget};
use freshet_testbed::{
    ContractEntry, DEFAULT_VCL, PurgedCache, Response, Varnish, http_answer, request, serve_http,
    tag_of, wait_until,
};

use super::batch::purger_of;

/// Lets a test look without filling: what is not cached is not fetched either.
const PEEK: &str = r#"
sub vcl_miss {
    if (req.http.X-Peek) {
        return (synth(404, "Not cached"));
    }
}
"#;

#[derive(Default)]
struct Asked {
    counts: HashMap<String, u32>,
    held_back: bool,
}

/// Answers every path with the tags that the request brings and the number of times it was asked for it.
#[derive(Clone, Default)]
pub(crate) struct Origin(Arc<(Mutex<Asked>, Condvar)>);

impl Origin {
    /// Its address.
    pub(crate) fn start(&self) -> Result<String> {
        let origin = self.clone();
        serve_http(move |request| {
            let tags = request.header("x-tags").unwrap_or_default();
            let headers = format!("Cache-Control: max-age=3600\r\nxkey: {tags}\r\n");
            let body = format!("copy {}", origin.count(request.path().to_owned()));
            http_answer("200 OK", &headers, &body)
        })
    }

    /// Requests wait from now on, or go on.
    pub(crate) fn hold_back(&self, held_back: bool) {
        self.0.0.lock().expect("unpoisoned").held_back = held_back;
        self.0.1.notify_all();
    }

    /// How often `path` was asked for, waiting requests included.
    pub(crate) fn asked(&self, path: &str) -> u32 {
        let asked = self.0.0.lock().expect("unpoisoned");
        asked.counts.get(path).copied().unwrap_or(0)
    }

    fn count(&self, path: String) -> u32 {
        let mut asked = self.0.0.lock().expect("unpoisoned");
        let count = asked.counts.entry(path).or_default();
        *count += 1;
        let count = *count;
        let waited = self.0.1.wait_while(asked, |asked| asked.held_back);
        drop(waited.expect("unpoisoned"));
        count
    }
}

/// Varnish nodes before one origin, and the purger of them all.
pub(crate) struct Edge {
    pub(crate) nodes: Vec<Varnish>,
    pub(crate) origin: Origin,
    pub(crate) purger: HttpPurger,
}

impl Edge {
    /// `nodes` of them with the VCL that the documentation names.
    pub(crate) fn start(nodes: usize) -> Result<Self> {
        Self::start_with(nodes, DEFAULT_VCL, |_| {})
    }

    /// With another VCL and other limits.
    pub(crate) fn start_with(
        nodes: usize,
        vcl: &str,
        limit: impl FnOnce(&mut VarnishTarget),
    ) -> Result<Self> {
        Self::purged_by(nodes, vcl, |nodes| {
            let mut target = VarnishTarget::new(nodes.iter().map(Varnish::url).collect());
            // The machine may be compiling: what is late is not what most tests are about.
            target.timeout = Duration::from_secs(10);
            limit(&mut target);
            Ok(purger_of(VarnishProvider::new(target)?))
        })
    }

    /// With another purger.
    pub(crate) fn purged_by(
        nodes: usize,
        vcl: &str,
        purger: impl FnOnce(&[Varnish]) -> Result<HttpPurger>,
    ) -> Result<Self> {
        let origin = Origin::default();
        let address = origin.start()?;
        let vcl = format!("{vcl}{PEEK}");
        let nodes: Result<Vec<_>> = (0..nodes)
            .map(|_| Varnish::start_with(&address, &vcl))
            .collect();
        let nodes = nodes?;
        Ok(Self {
            purger: purger(&nodes)?,
            nodes,
            origin,
        })
    }

    /// Gets a page from a node as a reader would.
    pub(crate) fn get(&self, node: usize, path: &str, tags: &str) -> Result<Response> {
        let url = format!("{}{path}", self.nodes[node].url());
        let answer = request("GET", &url, &[("X-Tags", tags)], "")?;
        ensure!(answer.status == 200, "{path} is answered {answer:?}");
        Ok(answer)
    }

    /// Puts a page into every node.
    pub(crate) fn fill(&self, path: &str, tags: &str) -> Result<()> {
        for node in 0..self.nodes.len() {
            self.get(node, path, tags)?;
            ensure!(self.holds(node, path)?, "{path} is not cached");
        }
        Ok(())
    }

    /// Whether a node would answer without its origin, also with what is stale.
    pub(crate) fn holds(&self, node: usize, path: &str) -> Result<bool> {
        let url = format!("{}{path}", self.nodes[node].url());
        Ok(request("GET", &url, &[("X-Peek", "1")], "")?.status == 200)
    }

    /// Waits until a reader gets `copy`.
    pub(crate) fn wait_for_copy(&self, path: &str, copy: &str) -> Result<()> {
        wait_until(copy, Duration::from_secs(10), || {
            Ok(self.get(0, path, "")?.body == copy)
        })
    }
}

/// One entry's page: the path is its tag, which is as good as its name.
impl PurgedCache for Edge {
    type Purger = HttpPurger;

    fn purger(&self) -> &HttpPurger {
        &self.purger
    }

    fn store(&mut self, entries: &[ContractEntry]) -> Result<()> {
        for entry in entries {
            let tag = tag_of(entry);
            let tags = format!("{tag} {}", entry.family);
            self.get(0, &format!("/{tag}"), &tags)?;
        }
        Ok(())
    }

    fn held(&mut self, entries: &[ContractEntry]) -> Result<Vec<ContractEntry>> {
        let mut held = Vec::new();
        for entry in entries {
            let tag = tag_of(entry);
            if self.holds(0, &format!("/{tag}"))? {
                held.push(entry.clone());
            }
        }
        Ok(held)
    }

    fn stop(&mut self) -> Result<()> {
        self.nodes.iter_mut().for_each(|node| node.stop());
        Ok(())
    }

    fn restart(&mut self) -> Result<()> {
        self.nodes.iter_mut().try_for_each(|node| node.restart())
    }
}
