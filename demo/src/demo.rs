//! `shop demo`: everything in this process but Redis and Freshet itself.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use axum::Router;
use freshet_kafka::mock::EmbeddedBroker;
use freshet_shop::{CacheAside, Rules, Tables, origin};
use freshet_testbed::{EdgeCache, RedisServer};
use reqwest::Client;
use tokio::net::TcpListener;
use tokio::task::block_in_place;

use crate::clock::now_us;
use crate::database::{Backend, ChangeLog, Database};
use crate::envelope::TOPICS;
use crate::freshet::FreshetConfig;
use crate::report::introduce;
use crate::site::{CATEGORIES, PRODUCTS_EACH, Pace, Site};
use crate::tally::Tally;
use crate::traffic::run;

const PARTITIONS: i32 = 3;
/// The broker in this process answers an empty fetch when the wait is over, and no sooner when something comes.
const CONFIG: &str =
    "  properties: { fetch.wait.max.ms: \"5\" }\noutbox: { partitions: 3, create_topics: false }\n";
/// Freshet's own topics: the broker in this process creates none on demand.
const OUTBOX_TOPICS: [&str; 3] = [
    "freshet.purges.edge",
    "freshet.dead-letters",
    "freshet.positions",
];

/// Runs the demo; true when all was well.
///
/// # Errors
/// When a part cannot be started.
pub(crate) async fn demo(registry: &Path, pace: Pace) -> Result<bool> {
    let rules = Rules::load(registry)?;
    let broker = EmbeddedBroker::start().map_err(|error| anyhow!("kafka: {error}"))?;
    for topic in TOPICS.iter().chain(&OUTBOX_TOPICS) {
        broker
            .create_topic(topic, PARTITIONS)
            .map_err(|error| anyhow!("{topic}: {error}"))?;
    }
    let redis_server = tokio::task::spawn_blocking(RedisServer::start).await??;
    let redis = redis::Client::open(redis_server.url())?
        .get_multiplexed_async_connection()
        .await?;
    let tables = Tables::stocked(CATEGORIES, PRODUCTS_EACH, now_us());
    let log = ChangeLog::new(broker.bootstrap())?;
    let database = Database::new(tables, Backend::Memory(Box::new(log)));
    let readers = Arc::new(CacheAside::new(redis.clone(), Arc::clone(&database), rules));
    let client = Client::new();
    let origin_url = serve(origin::router(Arc::clone(&readers))).await?;
    let shop_url = EdgeCache::start(&origin_url)?;
    let config = FreshetConfig {
        registry,
        brokers: broker.bootstrap(),
        redis_url: &redis_server.url(),
        edge_url: &shop_url,
        more: CONFIG,
    };
    let (freshet, folder) = block_in_place(|| config.start())?;
    let products = CATEGORIES * PRODUCTS_EACH;
    let redis_address = redis_server.address();
    let port = redis_address.rsplit(':').next().unwrap_or_default();
    introduce(
        "the shop, with everything but Redis and Freshet in one process",
        &[
            (
                "database",
                "rows in memory, each commit appended to Kafka as Debezium would".to_owned(),
            ),
            ("kafka", format!("in this process, {}", broker.bootstrap())),
            ("redis", format!("redis-cli -p {port}")),
            ("edge", format!("in this process, curl -i {shop_url}/p/1")),
            (
                "freshet",
                format!(
                    "{}/readyz, log {}",
                    freshet.url(),
                    freshet.log_file().display()
                ),
            ),
            ("traffic", traffic_text(pace, products)),
        ],
    );
    let tally = Arc::new(Tally::new(rules));
    run(
        Site {
            database,
            readers,
            redis,
            redis_url: redis_server.url(),
            shop_url,
            client,
            tally,
            freshet,
            folder,
            has_beacon: false,
        },
        pace,
    )
    .await
}

/// What the traffic is, in words.
pub(crate) fn traffic_text(pace: Pace, products: i64) -> String {
    let until = pace.lasts.map_or("until Ctrl-C".to_owned(), |it| {
        format!("for {} s", it.as_secs())
    });
    let Pace { changes, reads, .. } = pace;
    format!(
        "{changes} changes/s, {reads} reads/s, {products} products in {CATEGORIES} categories, {until}"
    )
}

/// Serves on a free port of this machine; returns `http://host:port`.
pub(crate) async fn serve(router: Router) -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await.context("a port")?;
    let url = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(url)
}
