//! The purger against a real Redis Cluster of which one node is silent, and nobody takes over.

mod support;

use std::time::{Duration, Instant};

use freshet_core::ports::Purger;
use freshet_core::purge::PurgeOutcome::{NodeDown, Purged, Unreachable};
use freshet_core::registry::Scope;
use freshet_redis::{RedisPurger, RedisTarget, Topology};
use freshet_testbed::RedisCluster;

use support::{DEADLINE, batch, eventually, purge_until_settled};

const ANSWER_TIMEOUT: Duration = Duration::from_millis(300);

/// Names in the slots of node 2, of node 0, of node 2.
const NAMES: [&[u8]; 3] = [b"foo", b"p:{t7}", b"foo{foo}"];

/// Answers in long enough a time, so that only patience bounds how long a purge waits.
fn purger(cluster: &RedisCluster, patience: Duration) -> RedisPurger {
    let nodes = cluster.urls();
    let mut target = RedisTarget::at(Topology::Cluster { nodes });
    target.answer_timeout = ANSWER_TIMEOUT;
    target.connect_timeout = ANSWER_TIMEOUT;
    target.node_patience = patience;
    RedisPurger::connect(target).expect("usable")
}

#[tokio::test]
async fn p6_a_silent_node_of_a_cluster_is_waited_for_no_longer() {
    let cluster = RedisCluster::start_with_replicas().expect("cluster");
    let patience = ANSWER_TIMEOUT / 3;
    let purger = purger(&cluster, patience);
    let all = batch(Scope::Keys, &NAMES);
    assert_eq!(slots_of_node_0(), [false, true, false]);
    purge_until_settled(&purger, &all).await;
    purger.ping().await.expect("all nodes answer");
    // The replica first: it must not take over.
    cluster.node(3).pause().expect("pause");
    cluster.node(0).pause().expect("pause");
    let begun = Instant::now();
    let report = purger.purge(&all).await;
    assert_eq!(report.outcomes, [Purged, Unreachable, Purged], "{report:?}");
    assert_eq!(report.nodes_down, 1);
    assert!(begun.elapsed() < ANSWER_TIMEOUT, "{:?}", begun.elapsed());
    eventually("the node to be taken for down", || async {
        let report = purger.purge(&all).await;
        assert_eq!((report.outcomes[0], report.outcomes[2]), (Purged, Purged));
        assert_eq!(report.nodes_down, 1);
        report.outcomes[1] == NodeDown
    })
    .await;
    nobody_waits(&purger, patience).await;
    // A family needs all nodes.
    let report = purger.purge(&batch(Scope::Family, &[b"p:*"])).await;
    assert_eq!(report.outcomes, [NodeDown], "{report:?}");
    cluster.node(0).resume().expect("resume");
    cluster.node(3).resume().expect("resume");
    eventually("all to answer", || async { purger.ping().await.is_ok() }).await;
    let report = purger.purge(&all).await;
    assert_eq!(report.outcomes, [Purged; 3], "{report:?}");
    assert_eq!((report.nodes_down, report.reason), (0, None));
    let report = purger.purge(&batch(Scope::Family, &[b"p:*"])).await;
    assert!(report.is_settled(), "{report:?}");
}

/// While pings ask the node that is down, no purge does.
async fn nobody_waits(purger: &RedisPurger, patience: Duration) {
    let begun = Instant::now();
    let pinging = async {
        // Longer than a node that nobody pings is left alone.
        while begun.elapsed() < Duration::from_secs(7) {
            assert!(purger.ping().await.is_err(), "told all the time");
        }
    };
    let purging = async {
        let (mut purges, mut slow) = (0, 0);
        while begun.elapsed() < Duration::from_secs(7) {
            let asked = Instant::now();
            let report = purger.purge(&batch(Scope::Keys, &NAMES)).await;
            assert_eq!(report.outcomes, [Purged, NodeDown, Purged], "{report:?}");
            let told = report.reason.unwrap_or_default();
            assert!(told.contains("is considered down"), "{told}");
            slow += usize::from(asked.elapsed() >= patience);
            purges += 1;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        (purges, slow)
    };
    let ((), (purges, slow)) = tokio::join!(pinging, purging);
    assert!(begun.elapsed() < DEADLINE);
    assert!(slow * 4 < purges, "{slow} of {purges} purges waited");
}

fn slots_of_node_0() -> [bool; 3] {
    NAMES.map(|name| {
        let text = String::from_utf8_lossy(name);
        let tag = text.split(['{', '}']).nth(1).unwrap_or(&text);
        crc16::State::<crc16::XMODEM>::calculate(tag.as_bytes()) % 16_384 <= 5_460
    })
}
