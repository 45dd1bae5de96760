use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::Path;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::Notify;

use super::*;

/// An origin that counts its answers, and holds back those that are asked for as `slow`.
#[derive(Clone, Default)]
struct Origin {
    answers: Arc<AtomicU64>,
    asked_slow: Arc<Notify>,
    let_go: Arc<Notify>,
}

async fn page(State(origin): State<Origin>, Path((how, tags)): Path<(String, String)>) -> Response {
    let number = origin.answers.fetch_add(1, Ordering::SeqCst) + 1;
    if how == "slow" && number == 1 {
        origin.asked_slow.notify_one();
        origin.let_go.notified().await;
    }
    let control = if how == "private" {
        "no-store, s-maxage=3600"
    } else {
        "public, max-age=0, s-maxage=3600"
    };
    let headers = [
        (XKEY, tags.replace(',', " ")),
        (header::CACHE_CONTROL, control.to_owned()),
    ];
    (headers, format!("answer {number}")).into_response()
}

struct Site {
    url: String,
    client: Client,
    origin: Origin,
}

async fn serve(router: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

impl Site {
    async fn start() -> Self {
        let origin = Origin::default();
        let router = Router::new()
            .route("/{how}/{tags}", get(page))
            .with_state(origin.clone());
        let client = Client::new();
        let edge = Edge::new(&serve(router).await, client.clone());
        Self {
            url: serve(edge.router()).await,
            client,
            origin,
        }
    }

    async fn get(&self, path: &str) -> (String, String) {
        let answer = self
            .client
            .get(format!("{}{path}", self.url))
            .send()
            .await
            .expect("answers");
        let how = answer.headers()[&X_CACHE]
            .to_str()
            .expect("text")
            .to_owned();
        (how, answer.text().await.expect("text"))
    }

    async fn purge(&self, name: &'static str, tags: &str) -> (StatusCode, String) {
        let method = Method::from_bytes(b"PURGE").expect("a method");
        let request = self.client.request(method, &self.url).header(name, tags);
        let answer = request.send().await.expect("answers");
        let purged = answer
            .headers()
            .get(PURGED)
            .and_then(|value| value.to_str().ok());
        (answer.status(), purged.unwrap_or("none").to_owned())
    }
}

fn pair(how: &str, body: &str) -> (String, String) {
    (how.to_owned(), body.to_owned())
}

#[tokio::test]
async fn a_hard_purge_takes_exactly_the_pages_with_its_tags() {
    let site = Site::start().await;
    for path in ["/a/item-1,cat-7", "/a/item-2,cat-7", "/a/item-3,cat-8"] {
        assert_eq!(site.get(path).await.0, "MISS");
        assert_eq!(site.get(path).await.0, "HIT");
    }
    assert_eq!(
        site.purge("xkey-purge", "item-1 item-9").await,
        (StatusCode::OK, "1".to_owned())
    );
    assert_eq!(site.get("/a/item-1,cat-7").await, pair("MISS", "answer 4"));
    assert_eq!(site.get("/a/item-2,cat-7").await, pair("HIT", "answer 2"));
    assert_eq!(site.purge("xkey-purge", "cat-7 item-1").await.1, "2");
    assert_eq!(site.get("/a/item-3,cat-8").await, pair("HIT", "answer 3"));
    assert_eq!(
        site.purge("xkey-other", "cat-7").await.0,
        StatusCode::BAD_REQUEST
    );
}

#[tokio::test]
async fn a_soft_purge_gives_one_stale_answer_and_then_a_fresh_one() {
    let site = Site::start().await;
    site.get("/a/item-1").await;
    assert_eq!(site.purge("xkey-softpurge", "item-1").await.1, "1");
    assert_eq!(site.get("/a/item-1").await, pair("STALE", "answer 1"));
    let fresh = async {
        loop {
            let (how, body) = site.get("/a/item-1").await;
            if how == "HIT" {
                return body;
            }
        }
    };
    let fresh = tokio::time::timeout(std::time::Duration::from_secs(10), fresh).await;
    assert_ne!(
        fresh.expect("refreshed behind the stale answer"),
        "answer 1"
    );
}

#[tokio::test]
async fn an_answer_that_a_purge_overtook_is_given_and_not_kept() {
    let site = Arc::new(Site::start().await);
    let asking = Arc::clone(&site);
    let slow = tokio::spawn(async move { asking.get("/slow/item-1").await });
    site.origin.asked_slow.notified().await;
    assert_eq!(site.purge("xkey-purge", "item-1").await.1, "0");
    site.origin.let_go.notify_one();
    assert_eq!(slow.await.expect("answered"), pair("MISS", "answer 1"));
    assert_eq!(site.get("/slow/item-1").await, pair("MISS", "answer 2"));
    assert_eq!(site.get("/slow/item-1").await, pair("HIT", "answer 2"));
}

#[tokio::test]
async fn what_the_origin_keeps_to_itself_is_not_cached() {
    let site = Site::start().await;
    site.get("/private/item-1").await;
    assert_eq!(site.get("/private/item-1").await, pair("MISS", "answer 2"));
}
