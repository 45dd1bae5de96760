//! The edge cache that stands in for Varnish: what it keeps, what a purge takes, and what it must never keep.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use freshet_testbed::{EdgeCache, SeenRequest, get, http_answer, request, serve_http, wait_until};

/// An origin that counts its answers, and holds back the first one that is asked for as `slow`.
#[derive(Default)]
struct Origin {
    answers: AtomicU64,
    /// Whether the slow one was asked for, and whether it may go on.
    slow: Mutex<(bool, bool)>,
    moved: Condvar,
}

impl Origin {
    /// `/{how}/{tag},{tag}`
    fn answer(&self, request: &SeenRequest) -> String {
        let number = self.answers.fetch_add(1, Ordering::SeqCst) + 1;
        let (how, tags) = request.path()[1..].split_once('/').expect("how and tags");
        if how == "slow" && number == 1 {
            let mut slow = self.slow.lock().expect("unpoisoned");
            slow.0 = true;
            self.moved.notify_all();
            let waited = self.moved.wait_while(slow, |slow| !slow.1);
            drop(waited.expect("unpoisoned"));
        }
        let control = if how == "private" {
            "no-store, s-maxage=3600"
        } else {
            "public, max-age=0, s-maxage=3600"
        };
        let tags = tags.replace(',', " ");
        let headers = format!("cache-control: {control}\r\nxkey: {tags}\r\n");
        http_answer("200 OK", &headers, &format!("answer {number}"))
    }
}

struct Site {
    url: String,
    origin: Arc<Origin>,
}

impl Site {
    fn start() -> Self {
        let origin = Arc::new(Origin::default());
        let answers = Arc::clone(&origin);
        let address = serve_http(move |request| answers.answer(request)).expect("a port");
        Self {
            url: EdgeCache::start(&format!("http://{address}")).expect("a port"),
            origin,
        }
    }

    /// How the page came, and the page.
    fn get(&self, path: &str) -> (String, String) {
        let answer = get(&format!("{}{path}", self.url)).expect("answers");
        let how = answer.header("x-cache").expect("says how").to_owned();
        (how, answer.body)
    }

    /// Status, and how many pages went.
    fn purge(&self, name: &str, tags: &str) -> (u16, Option<String>) {
        let answer = request("PURGE", &self.url, &[(name, tags)], "").expect("answers");
        let purged = answer.header("x-purged").map(str::to_owned);
        (answer.status, purged)
    }
}

fn pair(how: &str, body: &str) -> (String, String) {
    (how.to_owned(), body.to_owned())
}

fn purged(pages: &str) -> (u16, Option<String>) {
    (200, Some(pages.to_owned()))
}

#[test]
fn a_hard_purge_takes_exactly_the_pages_with_its_tags() {
    let site = Site::start();
    for path in ["/a/item-1,cat-7", "/a/item-2,cat-7", "/a/item-3,cat-8"] {
        assert_eq!(site.get(path).0, "MISS");
        assert_eq!(site.get(path).0, "HIT");
    }
    assert_eq!(site.purge("xkey-purge", "item-1 item-9"), purged("1"));
    assert_eq!(site.get("/a/item-1,cat-7"), pair("MISS", "answer 4"));
    assert_eq!(site.get("/a/item-2,cat-7"), pair("HIT", "answer 2"));
    assert_eq!(site.purge("xkey-purge", "cat-7 item-1"), purged("2"));
    assert_eq!(site.get("/a/item-3,cat-8"), pair("HIT", "answer 3"));
    assert_eq!(site.purge("xkey-other", "cat-7"), (400, None));
}

#[test]
fn a_soft_purge_gives_one_stale_answer_and_then_a_fresh_one() {
    let site = Site::start();
    site.get("/a/item-1");
    assert_eq!(site.purge("xkey-softpurge", "item-1"), purged("1"));
    assert_eq!(site.get("/a/item-1"), pair("STALE", "answer 1"));
    let refreshed = wait_until("a fresh page", Duration::from_secs(10), || {
        let (how, body) = site.get("/a/item-1");
        Ok(how == "HIT" && body != "answer 1")
    });
    refreshed.expect("refreshed behind the stale answer");
}

#[test]
fn an_answer_that_a_purge_overtook_is_given_and_not_kept() {
    let site = Site::start();
    std::thread::scope(|scope| {
        let slow = scope.spawn(|| site.get("/slow/item-1"));
        let (state, moved) = (&site.origin.slow, &site.origin.moved);
        let asked = moved.wait_while(state.lock().expect("unpoisoned"), |slow| !slow.0);
        drop(asked.expect("unpoisoned"));
        assert_eq!(site.purge("xkey-purge", "item-1"), purged("0"));
        state.lock().expect("unpoisoned").1 = true;
        moved.notify_all();
        assert_eq!(slow.join().expect("answered"), pair("MISS", "answer 1"));
    });
    assert_eq!(site.get("/slow/item-1"), pair("MISS", "answer 2"));
    assert_eq!(site.get("/slow/item-1"), pair("HIT", "answer 2"));
}

#[test]
fn what_the_origin_keeps_to_itself_is_not_cached() {
    let site = Site::start();
    site.get("/private/item-1");
    assert_eq!(site.get("/private/item-1"), pair("MISS", "answer 2"));
}
