//! The purger against a real primary under real sentinels: it follows them, and tells of each takeover.

mod support;

use std::time::{Duration, Instant};

use freshet_core::ports::{Observation, Probe, Purger};
use freshet_core::purge::{PurgeOutcome, Refusal};
use freshet_core::registry::Scope;
use freshet_redis::{RedisPurger, RedisTarget, Topology};
use freshet_testbed::RedisSentinel;
use redis::Commands;

use support::{batch, eventually, purge_until_settled};

const ANSWER_TIMEOUT: Duration = Duration::from_millis(300);

const NAMES: [&[u8]; 2] = [b"a", b"b"];

fn target(redis: &RedisSentinel, master: &str) -> RedisTarget {
    let mut target = RedisTarget::at(Topology::Sentinel {
        nodes: redis.urls(),
        master: master.to_owned(),
        database: 0,
        username: None,
        password: None,
    });
    target.answer_timeout = ANSWER_TIMEOUT;
    target.connect_timeout = ANSWER_TIMEOUT;
    target
}

fn purger(redis: &RedisSentinel) -> RedisPurger {
    RedisPurger::connect(target(redis, redis.master())).expect("usable")
}

fn connection(redis: &RedisSentinel, at: usize) -> redis::Connection {
    let client = redis::Client::open(redis.server(at).url()).expect("url");
    client.get_connection().expect("redis answers")
}

#[tokio::test]
async fn p8_a_failover_by_hand_is_followed_and_told() {
    let redis = RedisSentinel::start().expect("sentinels");
    let purger = purger(&redis);
    let () = connection(&redis, 0)
        .mset(&[("a", 1), ("c", 2)])
        .expect("set");
    let report = purger.purge(&batch(Scope::Keys, &NAMES)).await;
    assert_eq!(
        (report.is_settled(), report.removed),
        (true, 1),
        "{report:?}"
    );
    assert!(matches!(
        purger.observe(b"c", None).await,
        Observation::Present { .. }
    ));
    let report = purger.purge(&batch(Scope::Family, &[b"c*"])).await;
    assert_eq!(report.outcomes, [PurgeOutcome::Purged]);
    assert_eq!(purger.takeovers(), 0);
    assert_eq!(redis.failover().expect("a failover"), 1);
    let () = connection(&redis, 1).set("a", 1).expect("set");
    // The old primary is well and goes on answering for a while; the sentinels are asked at each ping.
    purger.ping().await.expect("answers");
    assert_eq!(purger.takeovers(), 1);
    purge_until_settled(&purger, &batch(Scope::Keys, &NAMES)).await;
    assert_eq!(purger.takeovers(), 1);
    let left: bool = connection(&redis, 1).exists("a").expect("exists");
    assert!(!left, "purged at the new primary");
}

#[tokio::test]
async fn p8_a_killed_primary_is_replaced_and_an_idle_purger_learns_it_by_its_ping() {
    let mut redis = RedisSentinel::start().expect("sentinels");
    let purger = purger(&redis);
    purger.ping().await.expect("answers");
    redis.server_mut(0).stop();
    let report = purger.purge(&batch(Scope::Keys, &NAMES)).await;
    assert_eq!(report.outcomes, [PurgeOutcome::Unreachable; 2]);
    assert_eq!(purger.takeovers(), 0, "nobody has taken over yet");
    eventually("the replica to answer", || async {
        purger.ping().await.is_ok()
    })
    .await;
    assert_eq!(redis.primary().expect("a primary"), 1);
    assert_eq!(purger.takeovers(), 1);
    // One sentinel less: more than half is enough.
    redis.kill_sentinel(0);
    purge_until_settled(&purger, &batch(Scope::Keys, &NAMES)).await;
    purger.ping().await.expect("answers");
}

/// What the port is for: an answered purge is lost with the primary that answered it.
#[tokio::test]
async fn p8_a_purge_that_the_replica_missed_is_undone_by_the_failover_and_that_is_told() {
    let mut redis = RedisSentinel::start().expect("sentinels");
    let purger = purger(&redis);
    let mut primary = connection(&redis, 0);
    let () = primary.set("a", "old").expect("set");
    let copied: u32 = redis::cmd("WAIT")
        .arg(&[1, 5_000])
        .query(&mut primary)
        .expect("wait");
    assert_eq!(copied, 1);
    redis.server(1).pause().expect("pause");
    let cut = ["KILL", "TYPE", "replica"];
    let count: u32 = redis::cmd("CLIENT")
        .arg(&cut)
        .query(&mut primary)
        .expect("cut off");
    assert_eq!(count, 1, "the replica is cut off");
    let report = purger.purge(&batch(Scope::Keys, &NAMES)).await;
    assert_eq!((report.is_settled(), report.removed), (true, 1));
    redis.server_mut(0).stop();
    redis.server(1).resume().expect("resume");
    eventually("the takeover to be told", || async {
        let _down = purger.ping().await;
        purger.takeovers() > 0
    })
    .await;
    let back: bool = connection(&redis, 1).exists("a").expect("exists");
    assert!(back, "the purge was undone");
    let (report, _) = purge_until_settled(&purger, &batch(Scope::Keys, &NAMES)).await;
    assert_eq!(report.removed, 1);
}

#[tokio::test]
async fn p11_a_frozen_primary_is_replaced_within_three_timeouts() {
    let redis = RedisSentinel::start().expect("sentinels");
    let purger = purger(&redis);
    purge_until_settled(&purger, &batch(Scope::Keys, &NAMES)).await;
    redis.server(0).pause().expect("pause");
    let begun = Instant::now();
    let report = purger.purge(&batch(Scope::Keys, &NAMES)).await;
    assert_eq!(report.outcomes, [PurgeOutcome::Unreachable; 2]);
    assert!(begun.elapsed() < 2 * ANSWER_TIMEOUT);
    let replaced = async {
        eventually("another primary", || async {
            redis.primary().is_ok_and(|it| it == 1)
        })
        .await;
        Instant::now()
    };
    let names = batch(Scope::Keys, &NAMES);
    let (replaced, _) = tokio::join!(replaced, purge_until_settled(&purger, &names));
    assert!(
        replaced.elapsed() < 3 * ANSWER_TIMEOUT,
        "{:?}",
        replaced.elapsed()
    );
    assert_eq!(purger.takeovers(), 1);
    // It wakes up as a primary and is made a replica: nobody is led back to it.
    redis.server(0).resume().expect("resume");
    purge_until_settled(&purger, &batch(Scope::Keys, &NAMES)).await;
    assert_eq!(purger.takeovers(), 1);
}

#[tokio::test]
async fn sentinels_that_are_gone_hold_up_no_purge() {
    let mut redis = RedisSentinel::start().expect("sentinels");
    let purger = purger(&redis);
    purge_until_settled(&purger, &batch(Scope::Keys, &NAMES)).await;
    for at in 0..3 {
        redis.kill_sentinel(at);
    }
    assert!(purger.purge(&batch(Scope::Keys, &NAMES)).await.is_settled());
    purger.ping().await.expect("the primary answers");
    // A doubt that nobody can settle: the primary was silent for a moment.
    redis.server(0).pause().expect("pause");
    assert!(!purger.purge(&batch(Scope::Keys, &NAMES)).await.is_settled());
    redis.server(0).resume().expect("resume");
    let report = purger.purge(&batch(Scope::Keys, &NAMES)).await;
    assert!(report.is_settled(), "{report:?}");
    assert_eq!(purger.takeovers(), 0);
}

#[tokio::test]
async fn the_documented_rights_are_enough_and_sentinels_have_credentials_of_their_own() {
    let redis = RedisSentinel::start().expect("sentinels");
    let ours = "on >ours ~* +unlink +scan +ping +info +pttl +get +hget";
    let asked = "on >asked +sentinel|master";
    let mut users = vec![(redis.server(0).url(), ours)];
    users.extend(redis.urls().into_iter().map(|url| (url, asked)));
    for (url, rights) in users {
        let client = redis::Client::open(url).expect("url");
        let () = redis::cmd("ACL")
            .arg(&["SETUSER", "freshet"])
            .arg(rights.split(' ').collect::<Vec<_>>())
            .query(&mut client.get_connection().expect("answers"))
            .expect("acl");
    }
    let with = |at_sentinels: &str| {
        let mut target = target(&redis, redis.master());
        target.username = Some("freshet".to_owned());
        target.password = Some("ours".to_owned().into());
        if let Topology::Sentinel {
            username, password, ..
        } = &mut target.topology
        {
            *username = Some("freshet".to_owned());
            *password = Some(at_sentinels.to_owned().into());
        }
        RedisPurger::connect(target).expect("usable")
    };
    let purger = with("asked");
    purger.ping().await.expect("may ping");
    assert!(purger.purge(&batch(Scope::Keys, &NAMES)).await.is_settled());
    let told = with("ours")
        .ping()
        .await
        .expect_err("wrong at the sentinels");
    assert!(!told.contains("ours"), "{told}");
}

#[tokio::test]
async fn a_name_that_no_sentinel_knows_is_told_and_waited_for() {
    let redis = RedisSentinel::start().expect("sentinels");
    let purger = RedisPurger::connect(target(&redis, "other")).expect("usable");
    let report = purger.purge(&batch(Scope::Keys, &NAMES)).await;
    let refused = PurgeOutcome::Refused(Refusal::OfCaller);
    assert_eq!(report.outcomes, vec![refused; NAMES.len()]);
    let told = purger.ping().await.expect_err("no such master");
    assert!(told.contains("other"), "{told}");
}
