//! A running `freshet` before a real Redis Cluster of which one node and its replica freeze: what that costs, and what
//! it does not.

mod support;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use freshet_testbed::{RedisCluster, TopicReader, TopicRecord, TopicWriter};
use freshet_wire::PurgeRequest;
use redis::Commands;
use support::deployment::Deployment;
use support::registry::SHOP;

const ITEMS: &str = "shop.public.items";
const BACKLOG: &str = "freshet.backlog.main";
/// The last slot of the node that freezes.
const LAST_SLOT: u16 = 5460;
/// Generous for a purge that takes milliseconds, and less than what waiting for the frozen node in each round adds up to.
const BOUND: Duration = Duration::from_secs(3);

fn key(id: u64) -> String {
    format!("shop:v1:item:{id}")
}

/// Asked of node 1: where a name belongs is the same everywhere.
fn slot(cluster: &RedisCluster, name: &[u8]) -> u16 {
    let mut ask = redis::cmd("CLUSTER");
    ask.arg("KEYSLOT").arg(name);
    ask.query(&mut node(cluster, 1)).expect("a slot")
}

fn node(cluster: &RedisCluster, at: usize) -> redis::Connection {
    let client = redis::Client::open(cluster.node(at).url()).expect("url");
    client.get_connection().expect("node answers")
}

/// A connection to the node that owns the name now.
fn owner(cluster: &RedisCluster, name: &str) -> redis::Connection {
    let slot = slot(cluster, name.as_bytes());
    node(cluster, cluster.owner(slot, 1).expect("an owner"))
}

fn fill(cluster: &RedisCluster, ids: &[u64]) {
    for id in ids {
        let () = owner(cluster, &key(*id))
            .set(key(*id), "cached")
            .expect("set");
    }
}

fn is_gone(cluster: &RedisCluster, id: u64) -> bool {
    let present = owner(cluster, &key(id)).exists::<_, bool>(key(id));
    present.is_ok_and(|present| !present)
}

/// Some items at the node that freezes, and some elsewhere.
struct Items {
    frozen: Vec<u64>,
    others: Vec<u64>,
}

fn items(cluster: &RedisCluster) -> Items {
    let is_there = |id: &u64| slot(cluster, key(*id).as_bytes()) <= LAST_SLOT;
    let (mut frozen, mut others): (Vec<u64>, Vec<u64>) = (1..200).partition(is_there);
    frozen.truncate(10);
    others.truncate(20);
    Items { frozen, others }
}

fn write(writer: &TopicWriter, id: u64) {
    let value = format!(
        r#"{{"before":null,"after":{{"id":{id},"category_id":999,"tenant":1,"name":"n","body":null}},
"source":{{"connector":"postgresql","ts_ms":1700000000000,"lsn":10,"table":"items"}},"op":"c","ts_ms":1700000000001}}"#
    );
    let record = TopicRecord {
        topic: ITEMS.to_owned(),
        key: Some(format!(r#"{{"id":{id}}}"#).into_bytes()),
        value: Some(value.into_bytes()),
        ..TopicRecord::default()
    };
    writer.write(&record).expect("written");
}

fn is_metric(deployment: &Deployment, series: &str, value: f64) -> bool {
    deployment.metric(series) == Some(value)
}

const NODES_DOWN: &str = "freshet_target_nodes_down{target=\"main\"}";
const NOT_ASKED: &str =
    "freshet_purges_total{family=\"shop.item\",target=\"main\",outcome=\"node_down\"}";
const SPILLED: &str = "freshet_spilled_purges_total{target=\"main\"}";

#[test]
fn p6_one_frozen_node_of_a_cluster_costs_only_its_own_names() {
    let cluster = RedisCluster::start_with_replicas().expect("cluster");
    let mut deployment = Deployment::new(&[SHOP], None);
    deployment.on_cluster(&cluster.urls());
    deployment.kafka.create_topic(ITEMS, 1).expect("topic");
    let items = items(&cluster);
    let Items { frozen, others } = &items;
    fill(&cluster, frozen);
    fill(&cluster, others);
    deployment.start_ready();
    let writer = TopicWriter::new(&deployment.kafka.bootstrap()).expect("writer");
    // The replica first: it must not take over.
    cluster.node(3).pause().expect("pause");
    cluster.node(0).pause().expect("pause");
    frozen.iter().for_each(|id| write(&writer, *id));
    deployment.until("the node is taken for down", || {
        deployment.log().contains("is considered down, its purges")
    });
    others_stay_fresh(&cluster, &deployment, &writer, &items);
    only_names_of_the_node_wait(&cluster, &deployment);
    cluster.node(0).resume().expect("resume");
    cluster.node(3).resume().expect("resume");
    deployment.until("everything is purged", || {
        frozen.iter().all(|id| is_gone(&cluster, *id))
    });
    all_is_inline_again(&cluster, &deployment, &writer, frozen);
    let (code, _) = deployment.terminate();
    assert_eq!(code, Some(0), "{}", deployment.log_tail());
}

/// Changes of both kinds in turn: those of other nodes are as fresh as ever.
fn others_stay_fresh(
    cluster: &RedisCluster,
    deployment: &Deployment,
    writer: &TopicWriter,
    Items { frozen, others }: &Items,
) {
    for (at, id) in others.iter().enumerate() {
        write(writer, frozen[at % frozen.len()]);
        write(writer, *id);
        let begun = Instant::now();
        deployment.until("a name elsewhere is gone", || is_gone(cluster, *id));
        assert!(begun.elapsed() < BOUND, "{:?}", begun.elapsed());
    }
    let not_asked = deployment.metric(NOT_ASKED).unwrap_or_default();
    assert!(not_asked >= others.len() as f64, "{not_asked}: waited for");
    assert!(is_metric(deployment, NODES_DOWN, 1.0));
    let (code, text) = deployment.get("/readyz").expect("answers");
    assert!(code == 503 && text.contains("target main"), "loud: {text}");
    assert!(
        !deployment.log().contains("target is considered down"),
        "{}",
        deployment.log_tail()
    );
    let open = "freshet_breaker_open{target=\"main\"}";
    assert!(is_metric(deployment, open, 0.0));
}

/// Everything else was purged inline.
fn only_names_of_the_node_wait(cluster: &RedisCluster, deployment: &Deployment) {
    let mut reader = TopicReader::new(&deployment.kafka.bootstrap()).expect("reader");
    let ours = |record: &&TopicRecord| record.topic == BACKLOG;
    let spilled = |seen: &[TopicRecord]| -> BTreeSet<Vec<u8>> {
        seen.iter()
            .filter(ours)
            .filter_map(|it| PurgeRequest::decode(it.value.as_deref()?).ok())
            .flat_map(|it| it.purges.into_iter().map(|purge| purge.name))
            .collect()
    };
    let records = reader.read_until(Duration::from_secs(30), |seen| spilled(seen).len() >= 10);
    for name in spilled(&records.expect("the backlog")) {
        let text = String::from_utf8_lossy(&name).into_owned();
        assert!(slot(cluster, &name) <= LAST_SLOT, "{text} waits");
    }
}

/// The names of the node that was frozen: gone by an inline purge, and the backlog has nothing to do.
fn all_is_inline_again(
    cluster: &RedisCluster,
    deployment: &Deployment,
    writer: &TopicWriter,
    frozen: &[u64],
) {
    deployment.until("well again", || {
        is_metric(deployment, NODES_DOWN, 0.0)
            && deployment.get("/readyz").is_some_and(|it| it.0 == 200)
    });
    let before = deployment.metric(SPILLED);
    fill(cluster, frozen);
    frozen.iter().for_each(|id| write(writer, *id));
    deployment.until("purged", || frozen.iter().all(|id| is_gone(cluster, *id)));
    assert_eq!(deployment.metric(SPILLED), before, "inline");
}
