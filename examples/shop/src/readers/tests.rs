use freshet_testbed::RedisServer;

use super::*;
use crate::database::{Backend, ChangeLog};
use crate::store::{Product, Step, Tables};

const ENTRY: Entry = Entry::Product(1);
const HOUR: Duration = Duration::from_secs(3_600);

struct Shop {
    _redis: RedisServer,
    connection: MultiplexedConnection,
    database: Arc<Database>,
    readers: CacheAside,
}

impl Shop {
    async fn open() -> Self {
        let redis = tokio::task::spawn_blocking(RedisServer::start)
            .await
            .expect("no panic")
            .expect("redis starts");
        let client = redis::Client::open(redis.url()).expect("an address");
        let connection = client
            .get_multiplexed_async_connection()
            .await
            .expect("answers");
        // Nobody commits through it here, so no broker needs to be there.
        let log = ChangeLog::new("127.0.0.1:1").expect("a producer");
        let backend = Backend::Memory(Box::new(log));
        let database = Database::new(Tables::stocked(2, 2, 0), backend);
        let ttls = MaxTtls {
            product: HOUR,
            category: HOUR,
            listing: HOUR,
        };
        let readers = CacheAside::new(connection.clone(), Arc::clone(&database), ttls, 1);
        Self {
            _redis: redis,
            connection,
            database,
            readers,
        }
    }

    async fn ask<T: redis::FromRedisValue>(&self, words: &[&str]) -> T {
        let mut command = redis::cmd(words[0]);
        for word in &words[1..] {
            command.arg(*word);
        }
        command
            .query_async(&mut self.connection.clone())
            .await
            .expect("redis answers")
    }

    fn change(&self) {
        let mut tables = self.database.tables();
        let product = tables.product(1).expect("in stock").clone();
        tables.apply(&[Step::Put(Product {
            price_cents: 1,
            ..product
        })]);
    }
}

#[tokio::test]
async fn a_miss_fills_for_exactly_the_longest_life() {
    let shop = Shop::open().await;
    let fresh = shop.database.tables().body(ENTRY);
    assert_eq!(
        shop.readers.read(ENTRY).await.expect("reads"),
        (fresh.clone(), AnswerFrom::Filled)
    );
    assert_eq!(
        shop.readers.read(ENTRY).await.expect("reads"),
        (fresh, AnswerFrom::Cache)
    );
    let left: u64 = shop.ask(&["PTTL", &ENTRY.to_string()]).await;
    assert!(left <= 3_600_000 && left > 3_590_000, "{left}");
}

#[tokio::test]
async fn a_purge_between_read_and_fill_refuses_the_old_row() {
    let shop = Shop::open().await;
    let lease = shop
        .readers
        .take_lease(&ENTRY.to_string())
        .await
        .expect("asks")
        .expect("taken");
    let old = shop.database.tables().body(ENTRY);
    shop.change();
    let () = shop.ask(&["UNLINK", &ENTRY.to_string()]).await;
    assert!(!shop.readers.fill(ENTRY, &lease, &old).await.expect("asks"));
    let (body, from) = shop.readers.read(ENTRY).await.expect("reads");
    assert_eq!(
        (body, from),
        (shop.database.tables().body(ENTRY), AnswerFrom::Filled)
    );
}

#[tokio::test]
async fn a_late_reader_does_not_fill_under_the_lease_of_another() {
    let shop = Shop::open().await;
    let redis_key = ENTRY.to_string();
    let late = shop
        .readers
        .take_lease(&redis_key)
        .await
        .expect("asks")
        .expect("taken");
    let () = shop.ask(&["UNLINK", &redis_key]).await;
    let lease = shop
        .readers
        .take_lease(&redis_key)
        .await
        .expect("asks")
        .expect("taken anew");
    assert!(!shop.readers.fill(ENTRY, &late, "old").await.expect("asks"));
    assert!(shop.readers.fill(ENTRY, &lease, "new").await.expect("asks"));
    let held: String = shop.ask(&["GET", &redis_key]).await;
    assert_eq!(held, "new");
}

#[tokio::test]
async fn who_gets_no_lease_reads_through_and_stores_nothing() {
    let shop = Shop::open().await;
    let redis_key = ENTRY.to_string();
    let lease = shop
        .readers
        .take_lease(&redis_key)
        .await
        .expect("asks")
        .expect("taken");
    assert!(
        shop.readers
            .take_lease(&redis_key)
            .await
            .expect("asks")
            .is_none()
    );
    let (body, from) = shop.readers.read(ENTRY).await.expect("reads");
    assert_eq!(
        (body, from),
        (shop.database.tables().body(ENTRY), AnswerFrom::Through)
    );
    let held: String = shop.ask(&["GET", &redis_key]).await;
    assert_eq!(held, lease);
    let left: u64 = shop.ask(&["PTTL", &redis_key]).await;
    assert!(
        left <= 5_000,
        "a lease of a reader that is gone ends by itself: {left}"
    );
}
