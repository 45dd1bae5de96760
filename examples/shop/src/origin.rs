//! The shop's HTTP origin: pages made of entries, read through Redis, tagged for the edge.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::entry::{Entry, Page};
use crate::readers::{CacheAside, Rows};
use crate::store::{page_body, revision_of};

/// The tags of a page, blank-separated, as Varnish' `xkey` reads them.
pub const XKEY: HeaderName = HeaderName::from_static("xkey");
/// The entries of a page with their revisions, `entry@revision`, blank-separated.
pub const X_REVISIONS: HeaderName = HeaderName::from_static("x-revisions");

/// Shared caches keep a page for an hour, since purges keep it fresh. Browsers revalidate at once (`max-age=0`): no
/// purge reaches them, so what they keep stays stale until it expires.
const CACHE_CONTROL: &str = "public, max-age=0, s-maxage=3600";

/// The origin's HTTP side.
pub fn router<R: Rows>(readers: Arc<CacheAside<R>>) -> Router {
    Router::new()
        .route("/", get(index))
        .route("/p/{id}", get(product::<R>))
        .route("/c/{id}", get(category::<R>))
        .with_state(readers)
}

async fn index() -> &'static str {
    "the freshet shop\n\n/p/1  a product\n/c/1  a category with its listing\n"
}

async fn product<R: Rows>(
    State(readers): State<Arc<CacheAside<R>>>,
    Path(id): Path<i64>,
) -> Response {
    answer(&readers, Page::Product(id)).await
}

async fn category<R: Rows>(
    State(readers): State<Arc<CacheAside<R>>>,
    Path(id): Path<i64>,
) -> Response {
    answer(&readers, Page::Category(id)).await
}

async fn answer<R: Rows>(readers: &CacheAside<R>, page: Page) -> Response {
    let (mut bodies, mut revisions, mut tags) = (Vec::new(), String::new(), String::new());
    for entry in page.entries() {
        let body = match readers.read(entry).await {
            Ok((body, _)) => body,
            // Nothing of the row is in it: it is about a connection.
            Err(error) => return (StatusCode::BAD_GATEWAY, format!("{error:#}\n")).into_response(),
        };
        let revision = revision_of(&body).unwrap_or_default();
        // Writing to a String cannot fail.
        let _ = write!(revisions, "{entry}@{revision} ");
        let _ = write!(tags, "{} {} ", tags_of(entry, &body), entry.family().name());
        bodies.push(body);
    }
    let is_gone = bodies.iter().any(|body| body.contains("\"gone\":true"));
    let status = if is_gone {
        StatusCode::NOT_FOUND
    } else {
        StatusCode::OK
    };
    let headers = [
        (XKEY, tags.trim_end().to_owned()),
        (X_REVISIONS, revisions.trim_end().to_owned()),
        (header::CACHE_CONTROL, CACHE_CONTROL.to_owned()),
        (header::CONTENT_TYPE, "application/json".to_owned()),
    ];
    (status, headers, page_body(bodies.into_iter())).into_response()
}

/// The tags under which the registry purges this entry.
fn tags_of(entry: Entry, body: &str) -> String {
    match entry {
        Entry::Product(id) => match category_of(body) {
            Some(category_id) => format!("product-{id} category-{category_id}"),
            None => format!("product-{id}"),
        },
        Entry::Category(id) => format!("category-{id}"),
        Entry::Listing(id) => format!("listing-{id}"),
    }
}

fn category_of(product_body: &str) -> Option<i64> {
    let body: serde_json::Value = serde_json::from_str(product_body).ok()?;
    body.get("category_id")?.as_i64()
}

#[cfg(test)]
mod tests;
