//! The purger against a real redis-server: exact names go, all others stay, and a silent peer is replaced.

use std::io::Read;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use freshet_core::ports::{Observation, Probe, Purger};
use freshet_core::position::WallMicros;
use freshet_core::purge::{PurgeBatch, PurgeOutcome, Refusal, WantedPurge};
use freshet_core::registry::{EntryVersion, FamilyId, PurgeMode, Scope, TargetId};
use freshet_redis::{RedisPurger, RedisTarget};
use freshet_testbed::RedisServer;
use redis::Commands;

fn batch(scope: Scope, names: &[&[u8]]) -> PurgeBatch {
    let mut batch = PurgeBatch::new(TargetId(0));
    for name in names {
        let (family, mode, committed) = (FamilyId(0), PurgeMode::Hard, WallMicros(1));
        batch.add(WantedPurge {
            family,
            scope,
            mode,
            committed,
            name,
            cause: None,
        });
    }
    batch
}

fn filled(server: &RedisServer, names: &[&[u8]]) -> redis::Connection {
    let client = redis::Client::open(server.url()).expect("url");
    let mut connection = client.get_connection().expect("redis answers");
    for name in names {
        let () = connection.set(*name, "v").expect("set");
    }
    connection
}

fn purger(server: &RedisServer) -> RedisPurger {
    RedisPurger::connect(RedisTarget::new(server.url())).expect("a usable target")
}

#[tokio::test]
async fn exact_names_go_and_all_others_stay() {
    let server = RedisServer::start().expect("redis");
    let long = vec![b'x'; 1024];
    let odd: [&[u8]; 5] = [b"a b", b"line\nbreak", "größe".as_bytes(), b"a*", &long];
    let mut connection = filled(&server, &odd);
    let () = connection.set("ab", "v").expect("set");
    let purger = purger(&server);
    let report = purger.purge(&batch(Scope::Keys, &odd)).await;
    assert!(
        report.outcomes.iter().all(|it| *it == PurgeOutcome::Purged),
        "{report:?}"
    );
    assert_eq!(report.removed, 5);
    assert_eq!(
        connection.keys::<_, Vec<String>>("*").expect("keys"),
        ["ab"]
    );
    // What is not there is as good as purged.
    let report = purger.purge(&batch(Scope::Keys, &odd)).await;
    assert!(report.is_settled());
    assert_eq!(report.removed, 0);
}

#[tokio::test]
async fn thousands_of_names_go_in_one_batch() {
    let server = RedisServer::start().expect("redis");
    let names: Vec<Vec<u8>> = (0..5_000)
        .map(|at| format!("k:{at}").into_bytes())
        .collect();
    let names: Vec<&[u8]> = names.iter().map(Vec::as_slice).collect();
    let mut connection = filled(&server, &names);
    let report = purger(&server).purge(&batch(Scope::Keys, &names)).await;
    assert_eq!((report.removed, report.outcomes.len()), (5_000, 5_000));
    assert_eq!(
        redis::cmd("DBSIZE")
            .query::<u64>(&mut connection)
            .expect("size"),
        0
    );
}

#[tokio::test]
async fn a_family_scope_takes_literals_for_themselves() {
    let server = RedisServer::start().expect("redis");
    let names: [&[u8]; 4] = [b"a:[x]:1", b"a:[x]:2", b"a:x:1", b"b:1"];
    let mut connection = filled(&server, &names);
    let report = purger(&server)
        .purge(&batch(Scope::Family, &[b"a:[x]:*"]))
        .await;
    assert_eq!(
        (report.outcomes[0], report.removed),
        (PurgeOutcome::Purged, 2)
    );
    let mut left = connection.keys::<_, Vec<String>>("*").expect("keys");
    left.sort();
    assert_eq!(left, ["a:x:1", "b:1"]);
    let report = purger(&server)
        .purge(&batch(Scope::Family, &[b"none:*"]))
        .await;
    assert_eq!(report.outcomes, [PurgeOutcome::NothingCached]);
}

/// Families whose names begin alike, purged in one batch by one walk: each gets its own answer, and what a third family
/// has beneath them stays.
#[tokio::test]
async fn p13_a_family_scope_takes_what_its_templates_can_produce() {
    let server = RedisServer::start().expect("redis");
    let gone: [&[u8]; 6] = [
        b"shop:v1:item:7",
        b"shop:v1:item:",
        b"shop:v1:item:%C3%A9~",
        b"shop:v1:item:7:reviews",
        b"shop:v1:item:8:reviews",
        b"shop:v1:item:featured",
    ];
    let kept: [&[u8]; 5] = [
        b"shop:v1:item:7:prices",
        b"shop:v1:item:7:reviews:2",
        b"shop:v1:item:7 8",
        b"shop:v1:items:7",
        b"shop:v1:item",
    ];
    let all = [&gone[..], &kept[..]].concat();
    let mut connection = filled(&server, &all);
    let mut target = RedisTarget::new(server.url());
    target.scan_count = 3;
    let purger = RedisPurger::connect(target).expect("usable");
    let shapes: [&[u8]; 3] = [
        b"shop:v1:item:*:reviews",
        b"shop:v1:item:*",
        b"shop:v1:item:*:stock",
    ];
    let report = purger.purge(&batch(Scope::Family, &shapes)).await;
    let nothing = PurgeOutcome::NothingCached;
    assert_eq!(
        report.outcomes,
        [PurgeOutcome::Purged, PurgeOutcome::Purged, nothing]
    );
    assert_eq!(report.removed, gone.len() as u64);
    let mut left = connection.keys::<_, Vec<Vec<u8>>>("*").expect("keys");
    left.sort();
    let mut kept = kept.map(<[u8]>::to_vec);
    kept.sort();
    assert_eq!(left, kept);
}

#[tokio::test]
async fn a_server_that_comes_back_is_found_again() {
    let mut server = RedisServer::start().expect("redis");
    let purger = purger(&server);
    purger.ping().await.expect("answers");
    server.stop();
    let report = purger.purge(&batch(Scope::Keys, &[b"k"])).await;
    assert_eq!(report.outcomes, [PurgeOutcome::Unreachable]);
    assert!(report.reason.is_some());
    server.restart().expect("redis");
    let deadline = Instant::now() + Duration::from_secs(10);
    while !purger
        .purge(&batch(Scope::Keys, &[b"k"]))
        .await
        .is_settled()
    {
        assert!(Instant::now() < deadline, "not healed");
    }
}

#[tokio::test]
async fn p11_a_peer_that_accepts_and_stays_silent_is_replaced() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    let (seen, accepted) = std::sync::mpsc::sync_channel(16);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let seen = seen.clone();
            // Reads and never answers, until the other side gives up.
            std::thread::spawn(move || {
                let _ = seen.try_send(());
                let mut sink = [0; 1024];
                while stream.read(&mut sink).is_ok_and(|count| count > 0) {}
            });
        }
    });
    let mut target = RedisTarget::new(format!("redis://{address}"));
    target.answer_timeout = Duration::from_millis(50);
    target.connect_timeout = Duration::from_millis(200);
    let purger = RedisPurger::connect(target).expect("usable");
    for _ in 0..3 {
        let report = purger.purge(&batch(Scope::Keys, &[b"k"])).await;
        assert_eq!(report.outcomes, [PurgeOutcome::Unreachable]);
    }
    assert!(
        accepted.try_iter().count() >= 2,
        "a new connection within three timeouts"
    );
}

/// Many commands and scans, and one timeout.
#[tokio::test]
async fn a_frozen_server_holds_a_large_batch_up_once() {
    let server = RedisServer::start().expect("redis");
    let mut target = RedisTarget::new(server.url());
    target.connect_timeout = Duration::from_secs(1);
    target.answer_timeout = Duration::from_secs(1);
    let purger = RedisPurger::connect(target).expect("usable");
    let mut large = batch(Scope::Keys, &[]);
    for (scope, count) in [(Scope::Keys, 10_000), (Scope::Family, 20)] {
        for at in 0..count {
            let (family, mode, committed) = (FamilyId(0), PurgeMode::Hard, WallMicros(1));
            let name = format!("k:{at}:*");
            let name = name.as_bytes();
            large.add(WantedPurge {
                family,
                scope,
                mode,
                committed,
                name,
                cause: None,
            });
        }
    }
    for _ in 0..2 {
        server.pause().expect("running");
        let begun = Instant::now();
        let report = purger.purge(&large).await;
        assert_eq!(report.outcomes, [PurgeOutcome::Unreachable; 10_020]);
        assert!(
            begun.elapsed() < Duration::from_secs(4),
            "{:?}",
            begun.elapsed()
        );
        server.resume().expect("running");
        let deadline = Instant::now() + Duration::from_secs(10);
        while !purger.purge(&large).await.is_settled() {
            assert!(Instant::now() < deadline, "not healed");
        }
    }
}

#[tokio::test]
async fn a_user_without_rights_is_told_of_and_nothing_is_given_up() {
    let server = RedisServer::start().expect("redis");
    let mut connection = filled(&server, &[b"k"]);
    let rule = [
        "ACL", "SETUSER", "reader", "on", ">secret", "~*", "+ping", "+get",
    ];
    let () = redis::cmd(rule[0])
        .arg(&rule[1..])
        .query(&mut connection)
        .expect("acl");
    let mut target = RedisTarget::new(server.url());
    target.username = Some("reader".to_owned());
    target.password = Some("secret".to_owned().into());
    let purger = RedisPurger::connect(target.clone()).expect("usable");
    purger.ping().await.expect("may ping");
    let report = purger.purge(&batch(Scope::Keys, &[b"k"])).await;
    assert_eq!(report.outcomes, [PurgeOutcome::Refused(Refusal::OfCaller)]);
    assert!(report.reason.expect("a reason").contains("NOPERM"));
    // The least that a purger needs, as the documentation names it.
    let rule = ["ACL", "SETUSER", "reader", "+unlink", "+scan", "+pttl"];
    let () = redis::cmd(rule[0])
        .arg(&rule[1..])
        .query(&mut connection)
        .expect("acl");
    assert_eq!(purger.purge(&batch(Scope::Keys, &[b"k"])).await.removed, 1);
    target.password = Some("wrong".to_owned().into());
    let purger = RedisPurger::connect(target).expect("usable");
    let told = purger.ping().await.expect_err("wrong password");
    assert!(
        !told.contains("wrong") || !told.contains("secret"),
        "{told}"
    );
}

#[tokio::test]
async fn an_entry_is_seen_as_a_reader_would() {
    let server = RedisServer::start().expect("redis");
    let mut connection = filled(&server, &[b"forever"]);
    let () = connection
        .set_ex("json", r#"{"rev": 7, "name": "x"}"#, 60)
        .expect("set");
    let () = connection.hset("hash", "rev", "8").expect("hset");
    let () = connection.set_ex("lease", "lease:abc", 60).expect("set");
    let purger = purger(&server);
    let field = |hash| EntryVersion {
        field: "rev".into(),
        hash,
    };
    assert_eq!(purger.observe(b"gone", None).await, Observation::Absent);
    let forever = Observation::Present {
        remaining_ttl: None,
        version: None,
    };
    assert_eq!(purger.observe(b"forever", None).await, forever);
    let seen = |found: Observation| match found {
        Observation::Present { version, .. } => version,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        seen(purger.observe(b"json", Some(&field(false))).await).as_deref(),
        Some("7")
    );
    assert_eq!(
        seen(purger.observe(b"hash", Some(&field(true))).await).as_deref(),
        Some("8")
    );
    assert_eq!(
        seen(purger.observe(b"lease", Some(&field(false))).await),
        None
    );
}
