//! The purger against a real Redis Cluster: every slot, slots on the move, and nodes that die or freeze.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use freshet_core::ports::{Observation, Probe, Purger};
use freshet_core::purge::PurgeOutcome;
use freshet_core::registry::Scope;
use freshet_redis::{RedisPurger, RedisTarget, Topology};
use freshet_testbed::RedisCluster;
use redis::Commands;
use redis::cluster::{ClusterClient, ClusterConnection};

use support::{DEADLINE, batch, eventually, purge_until_settled};

const ANSWER_TIMEOUT: Duration = Duration::from_millis(300);

/// In the slots of node 0.
const SLOT: u16 = 100;

fn purger(cluster: &RedisCluster) -> RedisPurger {
    let nodes = cluster.urls();
    let mut target = RedisTarget::at(Topology::Cluster { nodes });
    target.answer_timeout = ANSWER_TIMEOUT;
    target.connect_timeout = ANSWER_TIMEOUT;
    RedisPurger::connect(target).expect("usable")
}

fn reader(cluster: &RedisCluster) -> ClusterConnection {
    let client = ClusterClient::builder(cluster.urls())
        .retries(50)
        .build()
        .expect("urls");
    client.get_connection().expect("the cluster answers")
}

/// A hash tag in `slot`, and names with it.
fn names_in(slot: u16, count: usize) -> Vec<Vec<u8>> {
    let of =
        |tag: &String| crc16::State::<crc16::XMODEM>::calculate(tag.as_bytes()) % 16_384 == slot;
    let tag = (0..).map(|at| format!("t{at}")).find(of).expect("some tag");
    (0..count)
        .map(|at| format!("p:{{{tag}}}:{at}").into_bytes())
        .collect()
}

fn keys_left(cluster: &RedisCluster, nodes: impl IntoIterator<Item = usize>) -> u64 {
    let size = |at: usize| {
        let client = redis::Client::open(cluster.node(at).url()).expect("url");
        let mut connection = client.get_connection().expect("node answers");
        redis::cmd("DBSIZE")
            .query::<u64>(&mut connection)
            .expect("size")
    };
    nodes.into_iter().map(size).sum()
}

#[tokio::test]
async fn exact_names_go_over_all_slots_and_all_others_stay() {
    let cluster = RedisCluster::start().expect("cluster");
    let mut reader = reader(&cluster);
    let mut names: Vec<Vec<u8>> = (0..6_000)
        .map(|at| format!("k:{at}").into_bytes())
        .collect();
    names.extend(names_in(SLOT, 600));
    names.extend([
        b"a{}b{c}".to_vec(),
        b"{".to_vec(),
        b"}{x}".to_vec(),
        b"{a}{b}".to_vec(),
    ]);
    for name in &names {
        let () = reader.set(name, "v").expect("set");
    }
    let others = ["k:other", "p:{t0}x"];
    for name in others {
        let () = reader.set(name, "v").expect("set");
    }
    let purger = purger(&cluster);
    let report = purger.purge(&batch(Scope::Keys, &names)).await;
    assert!(
        report.outcomes.iter().all(|it| *it == PurgeOutcome::Purged),
        "{:?}",
        report.reason
    );
    assert_eq!((report.removed, report.reason), (names.len() as u64, None));
    assert_eq!(keys_left(&cluster, 0..3), 2);
    let again = purger.purge(&batch(Scope::Keys, &names)).await;
    assert!(again.is_settled() && again.removed == 0);
    purger.ping().await.expect("all nodes answer");
    assert_eq!(purger.takeovers(), 0);
    assert!(matches!(
        purger.observe(b"k:other", None).await,
        Observation::Present { .. }
    ));
    assert_eq!(purger.observe(b"k:1", None).await, Observation::Absent);
}

#[tokio::test]
async fn a_family_scope_takes_its_names_on_every_primary() {
    let cluster = RedisCluster::start().expect("cluster");
    let mut reader = reader(&cluster);
    for at in 0..3_000 {
        let () = reader.set(format!("f:{at}"), "v").expect("set");
        let () = reader.set(format!("g:{at}"), "v").expect("set");
    }
    let purger = purger(&cluster);
    let report = purger.purge(&batch(Scope::Family, &[b"f:*"])).await;
    assert_eq!(
        (report.outcomes[0], report.removed),
        (PurgeOutcome::Purged, 3_000),
        "{report:?}"
    );
    assert_eq!(keys_left(&cluster, 0..3), 3_000);
    // With a slot half handed over, keys of one family are at two nodes, and one of them is not the owner.
    let names = names_in(SLOT, 250);
    for name in &names {
        let () = reader.set(name, "v").expect("set");
    }
    cluster.open_slot(SLOT, 0, 1).expect("open");
    assert_eq!(cluster.hand_over_keys(SLOT, 0, 1).expect("hand over"), 100);
    let report = purger.purge(&batch(Scope::Family, &[b"p:{*}:*"])).await;
    assert_eq!(
        (report.outcomes[0], report.removed),
        (PurgeOutcome::Purged, 250),
        "{report:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_family_scope_finds_keys_that_move_behind_its_back() {
    let cluster = Arc::new(RedisCluster::start().expect("cluster"));
    let mut reader = reader(&cluster);
    let (hidden, filler) = (names_in(16_000, 50), names_in(8_000, 400));
    for name in hidden.iter().chain(&filler) {
        let () = reader.set(name, "v").expect("set");
    }
    let nodes = cluster.urls();
    let mut target = RedisTarget::at(Topology::Cluster { nodes });
    // Node 1 takes a second: node 0 has been looked through by then, and node 2 has not.
    (target.scan_count, target.scan_keys_per_second) = (10, 400);
    let purger = RedisPurger::connect(target).expect("usable");
    let moving = {
        let cluster = Arc::clone(&cluster);
        std::thread::spawn(move || {
            let client = redis::Client::open(cluster.node(1).url()).expect("url");
            let mut node = client.get_connection().expect("answers");
            let begun = Instant::now();
            let is_scanned = |stats: String| stats.contains("cmdstat_scan:");
            while !is_scanned(
                redis::cmd("INFO")
                    .arg("commandstats")
                    .query(&mut node)
                    .expect("info"),
            ) {
                assert!(begun.elapsed() < DEADLINE, "node 1 is not looked through");
            }
            cluster.move_slot(16_000, 2, 0).expect("move")
        })
    };
    let report = purger.purge(&batch(Scope::Family, &[b"p:{*}:*"])).await;
    assert_eq!(
        moving.join().expect("moved"),
        50,
        "moved before they were purged"
    );
    assert_eq!(report.outcomes, [PurgeOutcome::Purged], "{report:?}");
    assert_eq!((report.removed, keys_left(&cluster, 0..3)), (450, 0));
}

#[tokio::test]
async fn names_of_a_slot_that_is_half_handed_over_are_found_at_both_nodes() {
    let cluster = RedisCluster::start().expect("cluster");
    let mut reader = reader(&cluster);
    let names = names_in(SLOT, 250);
    for name in &names {
        let () = reader.set(name, "v").expect("set");
    }
    let purger = purger(&cluster);
    purger.ping().await.expect("answers");
    cluster.open_slot(SLOT, 0, 1).expect("open");
    assert_eq!(cluster.hand_over_keys(SLOT, 0, 1).expect("hand over"), 100);
    let report = purger.purge(&batch(Scope::Keys, &names)).await;
    assert!(report.is_settled(), "{report:?}");
    assert_eq!((report.removed, report.reason), (250, None));
    assert_eq!(keys_left(&cluster, 0..3), 0);
    let seen = purger.observe(&names[0], None).await;
    assert_eq!(seen, Observation::Absent, "asked for at the importing node");
    // The table is old now: the node redirects.
    cluster.close_slot(SLOT, 0, 1).expect("close");
    let () = reader.set(&names[0], "v").expect("set");
    assert_eq!(
        purger.purge(&batch(Scope::Keys, &names[..1])).await.removed,
        1
    );
    assert_eq!(
        purger.takeovers(),
        0,
        "a slot that moves takes its keys along"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p8_a_reshard_under_continuous_purging_loses_nothing() {
    let cluster = Arc::new(RedisCluster::start().expect("cluster"));
    let slots: Vec<u16> = (SLOT..SLOT + 30).collect();
    let names: Vec<Vec<u8>> = slots.iter().flat_map(|slot| names_in(*slot, 20)).collect();
    let (done, rounds) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
    );
    let moving = {
        let (cluster, done, rounds) =
            (Arc::clone(&cluster), Arc::clone(&done), Arc::clone(&rounds));
        std::thread::spawn(move || {
            let begun = Instant::now();
            while rounds.load(Ordering::Acquire) < 15 && begun.elapsed() < DEADLINE {
                for (from, to) in [(0, 1), (1, 2), (2, 0)] {
                    for slot in &slots {
                        cluster.move_slot(*slot, from, to).expect("move");
                    }
                }
            }
            done.store(true, Ordering::Release);
        })
    };
    let mut reader = reader(&cluster);
    let purger = purger(&cluster);
    let mut at = 0;
    while !done.load(Ordering::Acquire) {
        let some: Vec<&[u8]> = (0..97)
            .map(|step| names[(at + step * 7) % names.len()].as_slice())
            .collect();
        at += 13;
        for name in &some {
            let () = reader.set(*name, "old").expect("set");
        }
        purge_until_settled(&purger, &batch(Scope::Keys, &some)).await;
        for name in &some {
            let left: bool = reader.exists(*name).expect("exists");
            assert!(!left, "{} is back", String::from_utf8_lossy(name));
        }
        rounds.fetch_add(1, Ordering::AcqRel);
    }
    moving.join().expect("slots moved");
    let rounds = rounds.load(Ordering::Acquire);
    assert!(rounds >= 15, "only {rounds} rounds under load");
    assert_eq!(keys_left(&cluster, 0..3), 0);
    assert_eq!(purger.takeovers(), 0);
}

#[tokio::test]
async fn p8_a_killed_primary_is_replaced_and_that_is_told() {
    let mut cluster = RedisCluster::start_with_replicas().expect("cluster");
    let purger = purger(&cluster);
    let names = names_in(SLOT, 3);
    purge_until_settled(&purger, &batch(Scope::Keys, &names)).await;
    assert_eq!(purger.takeovers(), 0);
    cluster.node_mut(0).stop();
    let report = purger.purge(&batch(Scope::Keys, &names)).await;
    assert_eq!(
        report.outcomes,
        vec![PurgeOutcome::Unreachable; 3],
        "{:?}",
        report.reason
    );
    purge_until_settled(&purger, &batch(Scope::Keys, &names)).await;
    let owner = cluster.wait_for_takeover(SLOT, 0, 1);
    assert_eq!((owner.expect("an owner"), purger.takeovers()), (3, 1));
    // The old one comes back as a replica, is promoted by hand, and an idle purger learns of it by its ping.
    let before = purger.takeovers();
    cluster.node_mut(0).restart().expect("restart");
    let failover = || async {
        let client = redis::Client::open(cluster.node(0).url()).expect("url");
        let mut connection = client.get_connection().expect("answers");
        // Refused until it has copied, and when it is on its way.
        let _refused = redis::cmd("CLUSTER")
            .arg("FAILOVER")
            .query::<()>(&mut connection);
        cluster.owner(SLOT, 1).is_ok_and(|owner| owner == 0)
    };
    eventually("a failover by hand", failover).await;
    eventually("the takeover to be told", || async {
        let _ = purger.ping().await;
        purger.takeovers() > before
    })
    .await;
    let (report, _) = purge_until_settled(&purger, &batch(Scope::Keys, &names)).await;
    assert_eq!(report.removed, 0);
}

#[tokio::test]
async fn p11_a_frozen_primary_is_replaced_within_three_timeouts() {
    let cluster = RedisCluster::start_with_replicas().expect("cluster");
    let purger = purger(&cluster);
    let names = names_in(SLOT, 3);
    let mut elsewhere = names_in(16_000, 2);
    elsewhere.extend_from_slice(&names);
    purge_until_settled(&purger, &batch(Scope::Keys, &elsewhere)).await;
    cluster.node(0).pause().expect("pause");
    let begun = Instant::now();
    let report = purger.purge(&batch(Scope::Keys, &elsewhere)).await;
    assert!(
        begun.elapsed() < 2 * ANSWER_TIMEOUT,
        "{:?}",
        begun.elapsed()
    );
    let settled = [PurgeOutcome::Purged; 2];
    assert_eq!(report.outcomes[..2], settled, "other nodes are not held up");
    assert_eq!(report.outcomes[2..], [PurgeOutcome::Unreachable; 3]);
    // Purging goes on, so that there is a connection to the frozen node all the time.
    let purging = async {
        loop {
            let report = purger.purge(&batch(Scope::Keys, &elsewhere)).await;
            assert_eq!(report.outcomes[..2], settled);
            if report.is_settled() {
                return;
            }
            assert!(begun.elapsed() < DEADLINE, "not replaced: {report:?}");
        }
    };
    let replaced = async {
        eventually("another owner", || async {
            cluster.owner(SLOT, 1).is_ok_and(|it| it == 3)
        })
        .await;
        Instant::now()
    };
    let (replaced, ()) = tokio::join!(replaced, purging);
    assert!(
        replaced.elapsed() < 3 * ANSWER_TIMEOUT,
        "{:?}",
        replaced.elapsed()
    );
    assert!(purger.takeovers() >= 1);
    cluster.node(0).resume().expect("resume");
    eventually("all to answer again", || async {
        purger.ping().await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn the_documented_rights_are_enough() {
    let cluster = RedisCluster::start().expect("cluster");
    let rights = "on >secret ~* +unlink +scan +ping +info +pttl +get +hget +asking +cluster|slots +cluster|nodes";
    for at in 0..3 {
        let client = redis::Client::open(cluster.node(at).url()).expect("url");
        let () = redis::cmd("ACL")
            .arg(&["SETUSER", "freshet"])
            .arg(rights.split(' ').collect::<Vec<_>>())
            .query(&mut client.get_connection().expect("node answers"))
            .expect("acl");
    }
    let nodes = cluster.urls();
    let mut target = RedisTarget::at(Topology::Cluster { nodes });
    target.username = Some("freshet".to_owned());
    target.password = Some("secret".to_owned().into());
    let purger = RedisPurger::connect(target).expect("usable");
    purger.ping().await.expect("may ping");
    let names = names_in(SLOT, 2);
    cluster.open_slot(SLOT, 0, 1).expect("open");
    let mut reader = reader(&cluster);
    let () = reader.set(&names[0], "v").expect("set");
    let report = purger.purge(&batch(Scope::Keys, &names)).await;
    assert_eq!(
        (report.is_settled(), report.removed),
        (true, 1),
        "{report:?}"
    );
    let report = purger.purge(&batch(Scope::Family, &[b"p:{*}:*"])).await;
    assert_eq!(report.outcomes, [PurgeOutcome::NothingCached], "{report:?}");
    assert_eq!(purger.observe(&names[0], None).await, Observation::Absent);
}

#[tokio::test]
async fn a_cluster_that_is_down_is_asked_again_and_nothing_is_given_up() {
    let mut cluster = RedisCluster::start().expect("cluster");
    let purger = purger(&cluster);
    let names = names_in(16_000, 1);
    let mut all = names_in(SLOT, 1);
    all.extend(names.clone());
    // Every node has to be known before: one that nothing was ever asked of cannot be missed.
    purge_until_settled(&purger, &batch(Scope::Keys, &all)).await;
    cluster.node_mut(0).stop();
    // Without a replica for node 0, the others refuse: not every slot has an owner that lives.
    eventually("CLUSTERDOWN", || async {
        let report = purger.purge(&batch(Scope::Keys, &names)).await;
        let told = report.reason.is_some_and(|it| it.contains("CLUSTERDOWN"));
        told && matches!(report.outcomes[0], PurgeOutcome::Throttled { .. })
    })
    .await;
    assert!(purger.ping().await.is_err());
    let before = purger.takeovers();
    cluster.node_mut(0).restart().expect("restart");
    purge_until_settled(&purger, &batch(Scope::Keys, &all)).await;
    assert!(purger.takeovers() > before, "node 0 has started anew");
}
