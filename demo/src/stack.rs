//! `shop stack`: Postgres, Debezium, Kafka, Redis, Varnish, Prometheus and Freshet, all real, on free ports.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};
use freshet_shop::{CacheAside, PostgresRows, Rules, Tables, origin};
use freshet_testbed::{
    Connect, Freshet, KafkaBroker, PgConnector, Postgres, Prometheus, PrometheusOptions,
    RedisServer, Varnish,
};
use redis::aio::MultiplexedConnection;
use reqwest::Client;
use tokio::task::{JoinHandle, block_in_place, spawn_blocking};

use crate::clock::now_us;
use crate::database::{Backend, Database};
use crate::demo::{serve, traffic_text};
use crate::envelope::TOPICS;
use crate::freshet::FreshetConfig;
use crate::report::{introduce, say};
use crate::site::{CATEGORIES, PRODUCTS_EACH, Pace, Site};
use crate::tally::Tally;
use crate::traffic::run;

const PARTITIONS: i32 = 3;
const TABLES: [&str; 4] = [
    "public.products",
    "public.categories",
    "public.product_categories",
    "public.freshet_beacon",
];
const CONFIG: &str = "\
outbox: { partitions: 3, create_topics: true }
beacons: { shop: { table: shop.public.freshet_beacon, within: 10s } }
";
/// The row that Debezium moves, so that freshness is known also while nobody writes.
const BEACON: &str = "shop.public.freshet_beacon";
const MOVES_BEACON: &str = "INSERT INTO freshet_beacon VALUES (1, now()) ON CONFLICT (id) DO UPDATE SET beat = excluded.beat";

/// The servers. They end when this is dropped, or with this process.
struct Servers {
    postgres: Arc<Postgres>,
    redis: RedisServer,
    kafka: Arc<KafkaBroker>,
}

/// Runs the stack; true when all was well.
///
/// # Errors
/// When a part cannot be started.
pub(crate) async fn stack(shop: &Path, registry: &Path, pace: Pace) -> Result<bool> {
    let rules = Rules::load(registry)?;
    say("\nstarting (the first time fetches Kafka and Debezium, which takes a while)");
    let servers = Servers::start().await?;
    let tables = Tables::stocked(CATEGORIES, PRODUCTS_EACH, now_us());
    let schema = std::fs::read_to_string(shop.join("schema.sql")).context("schema.sql")?;
    let rows = PostgresRows::create(&servers.postgres.url(), &schema, &tables).await?;
    let connect = servers.start_connect().await?;
    let database = Database::new(tables, Backend::Postgres(Box::new(rows)));
    let redis = servers.redis_connection().await?;
    let readers = Arc::new(CacheAside::new(redis.clone(), Arc::clone(&database), rules));
    let client = Client::new();
    let origin_url = serve(origin::router(Arc::clone(&readers))).await?;
    let varnish = start("varnish", {
        let origin = origin_url.trim_start_matches("http://").to_owned();
        move || Varnish::start(&origin)
    })
    .await?;
    let shop_url = varnish.url();
    let begun = Instant::now();
    let config = FreshetConfig {
        registry,
        brokers: &servers.kafka.bootstrap(),
        redis_url: &servers.redis.url(),
        edge_url: &shop_url,
        more: CONFIG,
    };
    let (freshet, folder) = block_in_place(|| config.start())?;
    said_ready("freshet", begun);
    let prometheus = start_prometheus(shop, freshet.address()).await?;
    servers.introduce(&Shown {
        shop_url: &shop_url,
        connect: &connect,
        prometheus: &prometheus,
        freshet: &freshet,
        pace,
    });
    let tally = Arc::new(Tally::new(rules));
    let site = Site {
        database,
        readers,
        redis,
        redis_url: servers.redis.url(),
        shop_url,
        client,
        tally,
        freshet,
        folder,
        has_beacon: true,
    };
    run(site, pace).await
}

/// What stands in the introduction beside the servers.
struct Shown<'a> {
    shop_url: &'a str,
    connect: &'a Connect,
    prometheus: &'a Prometheus,
    freshet: &'a Freshet,
    pace: Pace,
}

impl Servers {
    async fn start() -> Result<Self> {
        let postgres = start("postgres", Postgres::start);
        let kafka = start("kafka", || {
            let kafka = KafkaBroker::start()?;
            for topic in TOPICS {
                kafka.create_topic(topic, PARTITIONS)?;
            }
            kafka.create_topic(BEACON, 1)?;
            Ok(kafka)
        });
        let redis = start("redis", RedisServer::start);
        Ok(Self {
            postgres: Arc::new(postgres.await?),
            redis: redis.await?,
            kafka: Arc::new(kafka.await?),
        })
    }

    /// Debezium tuned for freshness: it looks for new changes every 5 ms and hands them on at once.
    async fn start_connect(&self) -> Result<Connect> {
        let (postgres, kafka) = (Arc::clone(&self.postgres), Arc::clone(&self.kafka));
        let mut connector = PgConnector::new("shop", &TABLES);
        connector.heartbeat_ms = Some(1_000);
        let tuned = [
            ("poll.interval.ms", "5"),
            ("producer.override.linger.ms", "0"),
            ("snapshot.mode", "no_data"),
            ("heartbeat.action.query", MOVES_BEACON),
        ];
        connector.extra = tuned
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec();
        start("debezium", move || {
            Connect::builder(&kafka)
                .postgres_connector("shop", &postgres, &connector)
                .start()
        })
        .await
    }

    async fn redis_connection(&self) -> Result<MultiplexedConnection> {
        Ok(redis::Client::open(self.redis.url())?
            .get_multiplexed_async_connection()
            .await?)
    }

    fn introduce(&self, shown: &Shown<'_>) {
        let redis_address = self.redis.address();
        let redis_port = redis_address.rsplit(':').next().unwrap_or_default();
        let shop_url = shown.shop_url;
        let (freshet, log) = (shown.freshet.url(), shown.freshet.log_file());
        introduce(
            "the shop on the real stack",
            &[
                ("database", format!("psql {}", self.postgres.url())),
                (
                    "debezium",
                    format!("{}/connectors/shop/status", shown.connect.url()),
                ),
                (
                    "kafka",
                    format!("kcat -b {} -C -t {}", self.kafka.bootstrap(), TOPICS[0]),
                ),
                ("redis", format!("redis-cli -p {redis_port}")),
                (
                    "varnish",
                    format!("curl -i {shop_url}/p/1    curl -i {shop_url}/c/1"),
                ),
                (
                    "freshet",
                    format!("{freshet}/readyz, {freshet}/metrics, log {}", log.display()),
                ),
                ("prometheus", format!("{}/graph", shown.prometheus.url())),
                (
                    "traffic",
                    traffic_text(shown.pace, CATEGORIES * PRODUCTS_EACH),
                ),
            ],
        );
    }
}

/// Starts a server beside the others; says when it is ready.
fn start<T: Send + 'static>(
    name: &'static str,
    start: impl FnOnce() -> Result<T> + Send + 'static,
) -> impl Future<Output = Result<T>> {
    let begun = Instant::now();
    let starting: JoinHandle<Result<T>> = spawn_blocking(start);
    async move {
        let started = starting.await?.with_context(|| format!("start {name}"))?;
        said_ready(name, begun);
        Ok(started)
    }
}

fn said_ready(name: &str, begun: Instant) {
    say(&format!(
        "  {name:<10} ready after {:>4.1} s",
        begun.elapsed().as_secs_f64()
    ));
}

/// With the rules of the dashboards, where they are.
async fn start_prometheus(shop: &Path, freshet: String) -> Result<Prometheus> {
    let dashboards = shop.join("../../dashboards");
    let mut rule_files: Vec<PathBuf> = std::fs::read_dir(&dashboards)
        .map(|files| {
            files
                .filter_map(|file| file.ok().map(|file| file.path()))
                .collect()
        })
        .unwrap_or_default();
    rule_files.retain(|file| file.to_string_lossy().ends_with(".rules.yml"));
    rule_files.iter_mut().for_each(|file| {
        if let Ok(whole) = file.canonicalize() {
            *file = whole;
        }
    });
    rule_files.sort();
    let options = PrometheusOptions {
        targets: vec![("freshet".to_owned(), freshet)],
        rule_files,
    };
    start("prometheus", move || Prometheus::start(&options)).await
}
