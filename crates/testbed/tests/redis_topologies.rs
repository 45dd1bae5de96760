//! Redis in company: a cluster and a primary under sentinels come up, and change hands.

use anyhow::{Result, ensure};
use freshet_testbed::{RedisCluster, RedisSentinel};

#[test]
fn a_cluster_moves_slots_and_replaces_a_killed_primary() -> Result<()> {
    let mut cluster = RedisCluster::start_with_replicas()?;
    ensure!(cluster.owner(0, 2)? == 0 && cluster.owner(16_383, 0)? == 2);
    cluster.move_slot(0, 0, 1)?;
    ensure!(cluster.owner(0, 2)? == 1);
    cluster.node_mut(2).stop();
    ensure!(cluster.wait_for_takeover(16_383, 2, 0)? == 5);
    Ok(())
}

#[test]
fn sentinels_promote_the_replica_when_asked_and_when_the_primary_dies() -> Result<()> {
    let mut redis = RedisSentinel::start()?;
    ensure!(redis.primary()? == 0);
    redis.server_mut(0).stop();
    ensure!(redis.wait_for_takeover(0)? == 1);
    let asked = RedisSentinel::start()?;
    ensure!(asked.failover()? == 1);
    Ok(())
}
