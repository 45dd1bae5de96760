//! `/metrics`, `/livez`, `/readyz`.

pub(crate) mod serve;

use std::fmt::Write;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use freshet_pipeline::beacon::Beacons;
use freshet_pipeline::clock::Clock;
use freshet_pipeline::metrics::{OLDEST_UNPURGED, READY};
use freshet_pipeline::status::Status;
use metrics_process::Collector;

use crate::telemetry::MetricsPage;

/// A loop without progress for this long is stalled.
const WEDGED_AFTER: Duration = Duration::from_secs(20);

/// A commit that has waited for this long is worth a line.
const WITHHELD_AFTER: Duration = Duration::from_secs(5);

/// State that the endpoints report.
#[derive(Clone)]
pub(crate) struct Admin {
    pub(crate) status: Status,
    pub(crate) clock: Clock,
    pub(crate) beacons: Beacons,
    pub(crate) metrics: MetricsPage,
    pub(crate) process: Collector,
}

/// The endpoints.
pub(crate) fn router(admin: Admin) -> Router {
    admin.process.describe();
    Router::new()
        .route("/", get(index))
        .route("/metrics", get(metrics_page))
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .with_state(admin)
}

async fn index() -> &'static str {
    "freshet\n\n/metrics  Prometheus metrics\n/livez    200 while no loop is stalled\n\
     /readyz   200 if every part is ready, else the parts that are not\n"
}

async fn metrics_page(State(admin): State<Admin>) -> impl IntoResponse {
    let age_us = admin.status.oldest_unpurged_age_us(admin.clock.wall());
    // Set at each scrape, so that it grows while everything is stalled.
    metrics::gauge!(OLDEST_UNPURGED).set(age_us as f64 / 1e6);
    admin.beacons.set_gauges(admin.clock.now());
    metrics::gauge!(READY).set(if admin.status.unready().is_empty() {
        1.0
    } else {
        0.0
    });
    admin.process.collect();
    (
        [(
            header::CONTENT_TYPE,
            "text/plain; version=0.0.4; charset=utf-8",
        )],
        admin.metrics.render(),
    )
}

async fn livez(State(admin): State<Admin>) -> (StatusCode, String) {
    let wedged = admin
        .status
        .wedged(admin.clock.now(), WEDGED_AFTER.as_micros() as u64);
    if wedged.is_empty() {
        return (StatusCode::OK, "live\n".to_owned());
    }
    let text = format!(
        "not live: no progress for {} s in {}\n",
        WEDGED_AFTER.as_secs(),
        wedged.join(", ")
    );
    (StatusCode::SERVICE_UNAVAILABLE, text)
}

async fn readyz(State(admin): State<Admin>) -> (StatusCode, String) {
    let (unready, now) = (admin.status.unready(), admin.clock.now());
    let (status, mut text) = match unready.is_empty() {
        true => {
            let parts = admin.status.parts().join(", ");
            (StatusCode::OK, format!("ready: {parts}\n"))
        }
        false => (StatusCode::SERVICE_UNAVAILABLE, "not ready\n".to_owned()),
    };
    // Writing to a String cannot fail.
    for part in unready {
        let since = now.since(part.since).as_secs();
        let _ = writeln!(text, "{}: {} (for {since} s)", part.part, part.reason);
    }
    for (part, withheld) in admin.status.withheld_for(WITHHELD_AFTER, now) {
        let since = now.since(withheld.since).as_secs();
        let _ = writeln!(text, "commits of {part} wait at {withheld} (for {since} s)");
    }
    (status, text)
}
