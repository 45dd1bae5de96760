//! A Redis Cluster on free ports.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};

use crate::port::{PortLease, lease_port};
use crate::process::{START_DEADLINE, wait_until};
use crate::redis::RedisServer;
use crate::resp::{Reply, ask};

const PRIMARIES: usize = 3;

/// A node that is silent for so long is replaced by its replica, if it has one.
const NODE_TIMEOUT_MS: &str = "1000";

/// Keys handed over by one command.
const KEYS_AT_ONCE: &str = "100";

/// Three primaries with a third of the slots each; a replica for each of them if wished.
#[derive(Debug)]
pub struct RedisCluster {
    /// The primaries as they were at the start, then their replicas in the same order.
    nodes: Vec<RedisServer>,
    ids: Vec<String>,
    _bus_ports: Vec<PortLease>,
}

impl RedisCluster {
    /// Three primaries without replicas. When one is gone, the others refuse to serve.
    ///
    /// # Errors
    /// When a node does not start or the nodes do not find each other.
    pub fn start() -> Result<RedisCluster> {
        Self::with_nodes(PRIMARIES)
    }

    /// Three primaries with a replica each: node 3 is the replica of node 0, and so on. When one is gone, the others go
    /// on serving.
    ///
    /// # Errors
    /// When a node does not start or the nodes do not find each other.
    pub fn start_with_replicas() -> Result<RedisCluster> {
        Self::with_nodes(2 * PRIMARIES)
    }

    fn with_nodes(count: usize) -> Result<RedisCluster> {
        let (mut nodes, mut bus_ports, mut ids) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..count {
            let bus = lease_port()?;
            let node = RedisServer::start_with(&[
                "--cluster-enabled",
                "yes",
                "--cluster-node-timeout",
                NODE_TIMEOUT_MS,
                "--cluster-port",
                &bus.port().to_string(),
                // A test that kills a node twice must not wait for the replica to be fresh enough.
                "--cluster-require-full-coverage",
                if count > PRIMARIES { "no" } else { "yes" },
                "--cluster-replica-validity-factor",
                "0",
                "--repl-diskless-sync-delay",
                "0",
            ])?;
            ids.push(ask(&node.address(), &["CLUSTER", "MYID"])?.text()?);
            nodes.push(node);
            bus_ports.push(bus);
        }
        let cluster = RedisCluster {
            nodes,
            ids,
            _bus_ports: bus_ports,
        };
        cluster.join()?;
        Ok(cluster)
    }

    fn join(&self) -> Result<()> {
        for (at, node) in self.nodes.iter().enumerate() {
            // Without epochs of their own, nodes that meet would have to settle who is newer.
            let epoch = (at + 1).to_string();
            ask(&node.address(), &["CLUSTER", "SET-CONFIG-EPOCH", &epoch])?;
        }
        for (at, (first, last)) in [(0, 5460), (5461, 10_922), (10_923, 16_383)]
            .into_iter()
            .enumerate()
        {
            let (first, last) = (first.to_string(), last.to_string());
            self.ask(at, &["CLUSTER", "ADDSLOTSRANGE", &first, &last])?;
        }
        for (node, bus) in self.nodes.iter().zip(&self._bus_ports).skip(1) {
            let (port, bus) = (node.port().to_string(), bus.port().to_string());
            self.ask(0, &["CLUSTER", "MEET", "127.0.0.1", &port, &bus])?;
        }
        self.wait_for("every node to know all others", |it, at| {
            let known: BTreeSet<String> = it
                .node_lines(at)?
                .into_iter()
                .map(|it| it[0].clone())
                .collect();
            Ok(it.ids.iter().all(|id| known.contains(id)))
        })?;
        for at in PRIMARIES..self.nodes.len() {
            let primary = self.ids[at - PRIMARIES].clone();
            self.ask(at, &["CLUSTER", "REPLICATE", &primary])?;
        }
        self.wait_for("the cluster to be up", |it, at| {
            let info = it.ask(at, &["CLUSTER", "INFO"])?.text()?;
            let replicas = it
                .node_lines(at)?
                .iter()
                .filter(|it| it[2].contains("slave"))
                .count();
            Ok(info.contains("cluster_state:ok") && replicas == it.nodes.len() - PRIMARIES)
        })?;
        self.wait_for("the replicas to have copied", |it, at| {
            let info = it.ask(at, &["INFO", "replication"])?.text()?;
            Ok(at < PRIMARIES || info.contains("master_link_status:up"))
        })
    }

    /// Waits until `condition` holds at every node.
    fn wait_for(&self, what: &str, condition: impl Fn(&Self, usize) -> Result<bool>) -> Result<()> {
        for at in 0..self.nodes.len() {
            wait_until(what, START_DEADLINE, || condition(self, at))?;
        }
        Ok(())
    }

    fn ask(&self, at: usize, command: &[&str]) -> Result<Reply> {
        let asked = ask(&self.nodes[at].address(), command);
        asked.with_context(|| format!("ask node {at}: {}", command.join(" ")))
    }

    fn node_lines(&self, at: usize) -> Result<Vec<Vec<String>>> {
        let text = self.ask(at, &["CLUSTER", "NODES"])?.text()?;
        let words = |line: &str| line.split(' ').map(str::to_owned).collect();
        Ok(text.lines().map(words).collect())
    }

    /// `redis://127.0.0.1:PORT` of every node.
    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(RedisServer::url).collect()
    }

    /// A node by its number.
    pub fn node(&self, at: usize) -> &RedisServer {
        &self.nodes[at]
    }

    /// The same, to kill it or start it again.
    pub fn node_mut(&mut self, at: usize) -> &mut RedisServer {
        &mut self.nodes[at]
    }

    /// The number of the node that owns a slot, as `asked` knows it.
    ///
    /// # Errors
    /// When that node does not answer, or knows no owner.
    pub fn owner(&self, slot: u16, asked: usize) -> Result<usize> {
        let Reply::List(ranges) = self.ask(asked, &["CLUSTER", "SLOTS"])? else {
            return Err(anyhow!("no list of slots"));
        };
        for range in ranges {
            let Reply::List(parts) = range else { continue };
            let [Reply::Int(first), Reply::Int(last), Reply::List(node), ..] = parts.as_slice()
            else {
                continue;
            };
            if (*first..=*last).contains(&i64::from(slot)) {
                let id = node.get(2).cloned().unwrap_or(Reply::Nil).text()?;
                let at = self.ids.iter().position(|it| *it == id);
                return at.ok_or_else(|| anyhow!("slot {slot} has an unknown owner"));
            }
        }
        Err(anyhow!("slot {slot} has no owner"))
    }

    /// Waits until `asked` says that another node than `old` owns the slot; the number of the new owner.
    ///
    /// # Errors
    /// When that does not happen in time.
    pub fn wait_for_takeover(&self, slot: u16, old: usize, asked: usize) -> Result<usize> {
        let mut owner = old;
        wait_until("another owner of the slot", Duration::from_secs(30), || {
            owner = self.owner(slot, asked)?;
            Ok(owner != old)
        })?;
        Ok(owner)
    }

    /// Begins to hand a slot over: new names go to the new owner, and keys are still at the old one.
    ///
    /// # Errors
    /// When a node refuses.
    pub fn open_slot(&self, slot: u16, from: usize, to: usize) -> Result<()> {
        let slot = slot.to_string();
        self.ask(
            to,
            &["CLUSTER", "SETSLOT", &slot, "IMPORTING", &self.ids[from]],
        )?;
        self.ask(
            from,
            &["CLUSTER", "SETSLOT", &slot, "MIGRATING", &self.ids[to]],
        )?;
        Ok(())
    }

    /// Hands over some keys of an open slot; how many there were.
    ///
    /// # Errors
    /// When a node refuses.
    pub fn hand_over_keys(&self, slot: u16, from: usize, to: usize) -> Result<usize> {
        let slot = slot.to_string();
        let keys = self
            .ask(from, &["CLUSTER", "GETKEYSINSLOT", &slot, KEYS_AT_ONCE])?
            .texts()?;
        if keys.is_empty() {
            return Ok(0);
        }
        let port = self.nodes[to].port().to_string();
        let mut migrate = vec!["MIGRATE", "127.0.0.1", &port, "", "0", "5000", "KEYS"];
        migrate.extend(keys.iter().map(String::as_str));
        // A key that is removed meanwhile is no fault: NOKEY.
        self.ask(from, &migrate)?;
        Ok(keys.len())
    }

    /// Ends the handing over: every node is told who owns the slot, the new owner first.
    ///
    /// # Errors
    /// When a node refuses, or they do not agree in time.
    pub fn close_slot(&self, slot: u16, from: usize, to: usize) -> Result<()> {
        let mut told: Vec<usize> = (0..PRIMARIES).collect();
        told.sort_by_key(|at| (*at != to, *at != from));
        let number = slot.to_string();
        let tell = |at: usize| {
            let set = ["CLUSTER", "SETSLOT", &number, "NODE", &self.ids[to]];
            self.ask(at, &set)
        };
        for &at in &told {
            tell(at)?;
        }
        // A greeting that was on its way may claim the slot for the old owner again.
        wait_until("all to agree on the owner", START_DEADLINE, || {
            let disagree = |at: &usize| self.owner(slot, *at).map_or(true, |owner| owner != to);
            let Some(&at) = told.iter().find(|at| disagree(at)) else {
                return Ok(true);
            };
            tell(at)?;
            Ok(false)
        })
    }

    /// Moves a slot with its keys, as `redis-cli --cluster reshard` does. How many keys there were.
    ///
    /// # Errors
    /// When a node refuses.
    pub fn move_slot(&self, slot: u16, from: usize, to: usize) -> Result<usize> {
        self.open_slot(slot, from, to)?;
        let mut moved = 0;
        loop {
            match self.hand_over_keys(slot, from, to)? {
                0 => break,
                keys => moved += keys,
            }
        }
        self.close_slot(slot, from, to)?;
        Ok(moved)
    }
}
