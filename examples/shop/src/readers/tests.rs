use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use freshet_testbed::RedisServer;

use super::*;
use crate::rules::Rule;
use crate::store::{Product, Step, Tables};

const ENTRY: Entry = Entry::Product(1);

/// Rows in memory.
struct Memory(Mutex<Tables>);

impl Memory {
    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.0.lock().expect("nobody panicked")
    }

    fn change(&self) {
        let mut tables = self.tables();
        let product = tables.product(1).expect("in stock").clone();
        let price_cents = product.price_cents + 1;
        tables.apply(&[Step::Put(Product {
            price_cents,
            ..product
        })]);
    }
}

impl Rows for Memory {
    async fn read(&self, entry: Entry) -> Result<String> {
        Ok(self.tables().body(entry))
    }
}

struct Shop {
    _server: RedisServer,
    redis: MultiplexedConnection,
    rows: Arc<Memory>,
    readers: CacheAside<Memory>,
}

impl Shop {
    async fn open() -> Self {
        let server = tokio::task::spawn_blocking(RedisServer::start)
            .await
            .expect("no panic")
            .expect("redis starts");
        let client = redis::Client::open(server.url()).expect("an address");
        let redis = client.get_multiplexed_async_connection().await;
        let redis = redis.expect("answers");
        let rows = Arc::new(Memory(Mutex::new(Tables::stocked(2, 2, 0))));
        let rule = Rule {
            max_ttl: Duration::from_secs(3_600),
            within: Duration::from_secs(1),
        };
        let rules = Rules {
            product: rule,
            category: rule,
            listing: rule,
        };
        Self {
            readers: CacheAside::new(redis.clone(), Arc::clone(&rows), rules),
            _server: server,
            redis,
            rows,
        }
    }

    async fn ask<T: redis::FromRedisValue>(&self, words: &[&str]) -> T {
        let mut command = redis::cmd(words[0]);
        for word in &words[1..] {
            command.arg(*word);
        }
        let mut redis = self.redis.clone();
        command.query_async(&mut redis).await.expect("answers")
    }

    async fn read(&self) -> (String, AnswerFrom) {
        self.readers.read(ENTRY).await.expect("reads")
    }

    async fn take_lease(&self) -> Option<String> {
        let lease = self.readers.take_lease(&ENTRY.to_string()).await;
        lease.expect("asks")
    }

    fn fresh(&self) -> String {
        self.rows.tables().body(ENTRY)
    }
}

#[tokio::test]
async fn a_miss_fills_for_exactly_the_longest_life() {
    let shop = Shop::open().await;
    assert_eq!(shop.read().await, (shop.fresh(), AnswerFrom::Filled));
    assert_eq!(shop.read().await, (shop.fresh(), AnswerFrom::Cache));
    let left: u64 = shop.ask(&["PTTL", &ENTRY.to_string()]).await;
    assert!(left <= 3_600_000 && left > 3_590_000, "{left}");
}

#[tokio::test]
async fn a_purge_between_read_and_fill_refuses_the_old_row() {
    let shop = Shop::open().await;
    let lease = shop.take_lease().await.expect("taken");
    let old = shop.fresh();
    shop.rows.change();
    let () = shop.ask(&["UNLINK", &ENTRY.to_string()]).await;
    assert!(!shop.readers.fill(ENTRY, &lease, &old).await.expect("asks"));
    assert_eq!(shop.read().await, (shop.fresh(), AnswerFrom::Filled));
}

#[tokio::test]
async fn a_late_reader_does_not_fill_under_the_lease_of_another() {
    let shop = Shop::open().await;
    let late = shop.take_lease().await.expect("taken");
    let () = shop.ask(&["UNLINK", &ENTRY.to_string()]).await;
    let lease = shop.take_lease().await.expect("taken anew");
    assert!(!shop.readers.fill(ENTRY, &late, "old").await.expect("asks"));
    assert!(shop.readers.fill(ENTRY, &lease, "new").await.expect("asks"));
    let held: String = shop.ask(&["GET", &ENTRY.to_string()]).await;
    assert_eq!(held, "new");
}

#[tokio::test]
async fn who_gets_no_lease_reads_through_and_stores_nothing() {
    let shop = Shop::open().await;
    let lease = shop.take_lease().await.expect("taken");
    assert_eq!(shop.take_lease().await, None);
    assert_eq!(shop.read().await, (shop.fresh(), AnswerFrom::Through));
    let held: String = shop.ask(&["GET", &ENTRY.to_string()]).await;
    assert_eq!(held, lease);
    let left: u64 = shop.ask(&["PTTL", &ENTRY.to_string()]).await;
    assert!(
        left <= 5_000,
        "the lease of a reader that is gone expires: {left}"
    );
}
