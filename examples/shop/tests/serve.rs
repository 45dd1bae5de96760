//! The program on a real Postgres and a real Redis: a page has its tags, and shows a change once its entry is purged.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use freshet_testbed::{Postgres, RedisServer, Resp, get};

const SCHEMA: &str = include_str!("../schema.sql");
const ROWS: &str = "INSERT INTO categories VALUES (3, 'Aisle 3');
    INSERT INTO products VALUES (7, 3, 1, 'Tea', 4.99, 'Green')";

struct Shop(Child);

impl Drop for Shop {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _status = self.0.wait();
    }
}

/// The shop and its address, as it says it itself.
fn start(postgres: &Postgres, redis: &RedisServer) -> (Shop, String) {
    let registry = Path::new(env!("CARGO_MANIFEST_DIR")).join("registry");
    let mut shop = Command::new(env!("CARGO_BIN_EXE_shop"));
    shop.args(["--listen", "127.0.0.1:0", "--postgres", &postgres.url()]);
    shop.args(["--redis", &redis.url(), "--registry"]);
    let mut shop = Shop(
        shop.arg(registry)
            .stderr(Stdio::piped())
            .spawn()
            .expect("starts"),
    );
    let mut said = String::new();
    let errors = shop.0.stderr.take().expect("piped");
    BufReader::new(errors).read_line(&mut said).expect("text");
    let (_, url) = said.trim().split_once(" at ").expect("says where it is");
    (shop, url.to_owned())
}

#[test]
fn a_page_carries_its_tags_and_follows_the_purge_of_its_entry() {
    let postgres = Postgres::start().expect("postgres");
    let redis = RedisServer::start().expect("redis");
    postgres.sql(SCHEMA).expect("tables");
    postgres.sql(ROWS).expect("rows");
    let (_shop, url) = start(&postgres, &redis);
    let page = |path: &str| get(&format!("{url}{path}")).expect("answers");
    let first = page("/p/7");
    let tags = Some("product-7 category-3 catalog.product");
    assert_eq!(first.header("xkey"), tags);
    assert!(first.body.contains(r#""price":"4.99""#), "{first:?}");

    let changes = "UPDATE products SET price = 3.5 WHERE id = 7";
    postgres.sql(changes).expect("commits");
    assert_eq!(
        page("/p/7").body,
        first.body,
        "Redis has it until the purge"
    );
    let mut purge = Resp::connect(&redis.address()).expect("redis");
    purge
        .call(&["UNLINK", "catalog:v1:product:7"])
        .expect("purges");
    let second = page("/p/7");
    assert!(second.body.contains(r#""price":"3.50""#), "{second:?}");

    let missing = page("/p/8");
    let tags = Some("product-8 catalog.product");
    assert_eq!((missing.status, missing.header("xkey")), (404, tags));
}
