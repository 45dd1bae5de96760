//! A Redis target: one address, a primary that sentinels know, or a cluster.

use std::path::Path;

use freshet_redis::{RedisTarget, Topology};
use serde_saphyr::Spanned;

use super::faults::{Faults, UrlRule};
use super::ranges::{DATABASE, KEYS_PER_COMMAND, SCAN_KEYS_PER_SECOND, TIMEOUT};
use super::values::AddressWritten;
use super::written::{ClusterWritten, RedisWritten, SentinelWritten};

const URL: UrlRule = UrlRule {
    schemes: &["redis", "rediss"],
    credentials: "give `username:` and `password: { env: NAME }` or `{ file: PATH }` instead",
};

/// What was decided; none when it is not even clear what kind of Redis it is.
pub(crate) fn decide(
    redis: &Spanned<RedisWritten>,
    base: &Path,
    faults: &mut Faults<'_>,
) -> Option<RedisTarget> {
    let written = &redis.value;
    let mut target = RedisTarget::at(decide_topology(redis, base, faults)?);
    target.username = written.username.clone();
    target.password = written
        .password
        .as_ref()
        .map(|secret| faults.secret(secret, base));
    let authorities = written.ca_file.as_ref();
    target.authorities = authorities.and_then(|file| faults.authorities(file, base));
    let timeout = TIMEOUT.usually(target.connect_timeout);
    target.connect_timeout = faults.duration(written.connect_timeout.as_ref(), &timeout);
    let timeout = TIMEOUT.usually(target.answer_timeout);
    target.answer_timeout = faults.duration(written.answer_timeout.as_ref(), &timeout);
    let keys = faults.number(written.keys_per_command.as_ref(), &KEYS_PER_COMMAND);
    target.keys_per_command = keys as usize;
    let keys = faults.number(written.scan_keys_per_second.as_ref(), &SCAN_KEYS_PER_SECOND);
    target.scan_keys_per_second = keys;
    Some(target)
}

fn decide_topology(
    redis: &Spanned<RedisWritten>,
    base: &Path,
    faults: &mut Faults<'_>,
) -> Option<Topology> {
    const ONE: &str = "a redis target is exactly one of url, sentinel, cluster";
    let written = &redis.value;
    match (&written.url, &written.sentinel, &written.cluster) {
        (Some(url), None, None) => {
            faults.url(url, &URL);
            Some(Topology::Standalone {
                url: url.value.0.clone(),
            })
        }
        (None, Some(sentinel), None) => Some(decide_sentinel(sentinel, base, faults)),
        (None, None, Some(cluster)) => Some(decide_cluster(cluster, faults)),
        (None, None, None) => {
            let help = "give one of `url:`, `sentinel:`, `cluster:`";
            faults.add(redis, ONE, help);
            None
        }
        (_, _, Some(cluster)) => {
            faults.add(cluster, ONE, "remove one of them");
            None
        }
        (_, Some(sentinel), _) => {
            faults.add(sentinel, ONE, "remove one of them");
            None
        }
    }
}

fn decide_sentinel(
    sentinel: &Spanned<SentinelWritten>,
    base: &Path,
    faults: &mut Faults<'_>,
) -> Topology {
    let written = &sentinel.value;
    if written.nodes.is_empty() {
        faults.add(
            sentinel,
            "has no sentinel",
            "give the URLs of all of them in `nodes:`",
        );
    }
    if written.master.value.is_empty() {
        let help = "give the name in `sentinel monitor` of the sentinels' config";
        faults.add(&written.master, "has no name of a primary", help);
    }
    check_nodes(&written.nodes, "give it as `database:`", faults);
    Topology::Sentinel {
        nodes: values(&written.nodes),
        master: written.master.value.clone(),
        database: faults.number(written.database.as_ref(), &DATABASE),
        username: written.username.clone(),
        password: written
            .password
            .as_ref()
            .map(|secret| faults.secret(secret, base)),
    }
}

fn decide_cluster(cluster: &Spanned<ClusterWritten>, faults: &mut Faults<'_>) -> Topology {
    let nodes = &cluster.value.nodes;
    if nodes.is_empty() {
        let help = "give the URLs of some nodes in `nodes:`; the others are discovered";
        faults.add(cluster, "has no node", help);
    }
    check_nodes(nodes, "a cluster has only database 0; remove it", faults);
    Topology::Cluster {
        nodes: values(nodes),
    }
}

fn values(nodes: &[Spanned<AddressWritten>]) -> Vec<String> {
    nodes.iter().map(|node| node.value.0.clone()).collect()
}

/// Nodes share a scheme, since that of the first is used for those that are learned from them.
fn check_nodes(nodes: &[Spanned<AddressWritten>], database: &str, faults: &mut Faults<'_>) {
    let scheme =
        |node: &Spanned<AddressWritten>| node.value.0.split("://").next().map(str::to_owned);
    for node in nodes {
        faults.url(node, &URL);
        let rest = node.value.0.split_once("://").map_or("", |(_, rest)| rest);
        if rest.trim_end_matches('/').contains('/') {
            faults.add(node, "contains a database", database);
        }
        if nodes
            .first()
            .is_some_and(|first| scheme(first) != scheme(node))
        {
            let help = "all of them `redis://`, or all of them `rediss://`";
            faults.add(node, "has a different scheme than the first node", help);
        }
    }
}
