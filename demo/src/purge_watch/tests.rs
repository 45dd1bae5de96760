use std::time::Duration;

use freshet_testbed::RedisServer;

use super::*;
use crate::clock::now_us;

#[test]
fn only_a_purge_is_taken_for_one() {
    let purge = r#"1795406543.000156 [0 127.0.0.1:5] "UNLINK" "catalog:v1:product:7" "x" "catalog:v1:listing:2""#;
    let entries = vec![Entry::Product(7), Entry::Listing(2)];
    assert_eq!(parse(purge), Some((1_795_406_543_000_156, entries)));
    for other in [
        r#"1795406543.000156 [0 127.0.0.1:5] "SET" "catalog:v1:product:7" "unlink""#,
        r#"1795406543.000156 [0 lua] "unlink" "catalog:v1:product:7""#,
        "OK",
        "",
    ] {
        assert_eq!(parse(other), None, "{other}");
    }
}

#[tokio::test]
async fn purges_are_seen_with_the_time_of_the_server() {
    let server = tokio::task::spawn_blocking(RedisServer::start)
        .await
        .expect("no panic")
        .expect("redis starts");
    let mut purges = purges_of(&server.url()).await.expect("watches");
    let client = redis::Client::open(server.url()).expect("an address");
    let mut redis = client
        .get_multiplexed_async_connection()
        .await
        .expect("answers");
    let before_us = now_us();
    let () = redis::cmd("SET")
        .arg("a")
        .arg("b\" \"c")
        .query_async(&mut redis)
        .await
        .expect("sets");
    let mut unlink = redis::cmd("UNLINK");
    unlink
        .arg(Entry::Listing(3).to_string())
        .arg(Entry::Product(1).to_string());
    let () = unlink.query_async(&mut redis).await.expect("purges");
    let seen = tokio::time::timeout(Duration::from_secs(10), purges.next()).await;
    let (at_us, entries) = seen.expect("in time").expect("watches on");
    assert_eq!(entries, [Entry::Listing(3), Entry::Product(1)]);
    assert!(
        (before_us..=now_us()).contains(&at_us),
        "{before_us} {at_us}"
    );
}
