//! A Redis primary with a replica, watched by three sentinels.

use std::collections::HashMap;
use std::fs;
use std::time::Duration;

use anyhow::{Result, anyhow};

use crate::port::lease_port;
use crate::process::{Launch, START_DEADLINE, server_folder, wait_until};
use crate::redis::{RedisServer, answers};
use crate::resp::ask;
use crate::server::Server;

const SENTINELS: usize = 3;

/// What the sentinels call the primary.
const MASTER: &str = "main";

/// A primary that is silent for so long counts as down, for the first sentinel; the others see it later.
const DOWN_AFTER_MS: usize = 500;

/// Sentinels that stand for election at the same time get a vote each, and try again seconds later. So one is
/// earlier than the next, and needs no other to see what it sees, only the others' votes.
const LATER_MS: usize = 300;

/// A primary, its replica, and three sentinels of which two must vote for a failover.
#[derive(Debug)]
pub struct RedisSentinel {
    /// The first primary, then its replica.
    servers: Vec<RedisServer>,
    sentinels: Vec<Server>,
}

impl RedisSentinel {
    /// Starts all of them and waits until they know each other.
    ///
    /// # Errors
    /// When one of them is not ready in time.
    pub fn start() -> Result<RedisSentinel> {
        let quick = ["--repl-diskless-sync-delay", "0"];
        let primary = RedisServer::start_with(&quick)?;
        let of = format!("127.0.0.1 {}", primary.port());
        let replica = RedisServer::start_with(&[quick[0], quick[1], "--replicaof", &of])?;
        wait_until("the replica to have copied", START_DEADLINE, || {
            let info = ask(&replica.address(), &["INFO", "replication"])?.text()?;
            Ok(info.contains("master_link_status:up"))
        })?;
        let sentinels: Result<Vec<Server>> = (0..SENTINELS)
            .map(|at| sentinel(primary.port(), DOWN_AFTER_MS + at * LATER_MS))
            .collect();
        let started = RedisSentinel {
            servers: vec![primary, replica],
            sentinels: sentinels?,
        };
        started.wait_until_acquainted()?;
        Ok(started)
    }

    fn wait_until_acquainted(&self) -> Result<()> {
        for sentinel in &self.sentinels {
            wait_until("the sentinels to know all", START_DEADLINE, || {
                let told = told(sentinel)?;
                let is = |field: &str, value: &str| told.get(field).is_some_and(|it| it == value);
                Ok(
                    is("num-slaves", "1")
                        && is("num-other-sentinels", "2")
                        && is("flags", "master"),
                )
            })?;
        }
        Ok(())
    }

    /// What the sentinels call the primary.
    pub fn master(&self) -> &'static str {
        MASTER
    }

    /// `redis://127.0.0.1:PORT` of every sentinel.
    pub fn urls(&self) -> Vec<String> {
        self.sentinels
            .iter()
            .map(|it| format!("redis://{}", it.address()))
            .collect()
    }

    /// The number of the server that most sentinels name: 0 is the first primary, 1 its replica.
    ///
    /// # Errors
    /// When no server is named by most of them.
    pub fn primary(&self) -> Result<usize> {
        let mut votes = vec![0; self.servers.len()];
        for sentinel in &self.sentinels {
            // A sentinel that is gone names nobody.
            let Ok(told) = told(sentinel) else { continue };
            let named = self
                .servers
                .iter()
                .position(|it| told.get("port") == Some(&it.port().to_string()));
            if let Some(named) = named {
                votes[named] += 1;
            }
        }
        let most = votes.iter().position(|&votes| 2 * votes > SENTINELS);
        most.ok_or_else(|| anyhow!("the sentinels name no primary: {votes:?}"))
    }

    /// A server by its number.
    pub fn server(&self, at: usize) -> &RedisServer {
        &self.servers[at]
    }

    /// The same, to kill it or start it again.
    pub fn server_mut(&mut self, at: usize) -> &mut RedisServer {
        &mut self.servers[at]
    }

    /// Kills a sentinel.
    pub fn kill_sentinel(&mut self, at: usize) {
        self.sentinels[at].stop();
    }

    /// Has the sentinels promote the replica although the primary is well, and waits until they name it.
    ///
    /// # Errors
    /// When they refuse, or do not agree in time.
    pub fn failover(&self) -> Result<usize> {
        let old = self.primary()?;
        ask(
            &self.sentinels[0].address(),
            &["SENTINEL", "FAILOVER", MASTER],
        )?;
        self.wait_for_takeover(old)
    }

    /// Waits until most sentinels name another server than `old`; its number.
    ///
    /// # Errors
    /// When that does not happen in time.
    pub fn wait_for_takeover(&self, old: usize) -> Result<usize> {
        let mut primary = old;
        wait_until("another primary", Duration::from_secs(30), || {
            primary = self.primary().unwrap_or(old);
            Ok(primary != old)
        })?;
        Ok(primary)
    }
}

fn sentinel(primary: u16, down_after: usize) -> Result<Server> {
    let folder = server_folder("sentinel")?;
    let port = lease_port()?;
    let config = folder.path().join("sentinel.conf");
    fs::write(
        &config,
        format!(
            "port {}
bind 127.0.0.1
sentinel monitor {MASTER} 127.0.0.1 {primary} 1
sentinel down-after-milliseconds {MASTER} {down_after}
sentinel failover-timeout {MASTER} 2000
",
            port.port()
        ),
    )?;
    let launch = Launch {
        name: "redis-sentinel",
        program: "redis-server".into(),
        args: vec![config.display().to_string(), "--sentinel".to_owned()],
        user: None,
        folder: folder.path().to_owned(),
        quits_politely: false,
    };
    let address = port.address();
    let asked = address.clone();
    let server = Server::start(launch, port, folder, move || Ok(answers(&asked)))?;
    // Sentinels greet each other every two seconds and look at the primary every ten: long for a test. The leader of a
    // failover looks at the replica each second. It wants to have seen it within five pings, and another sentinel undoes
    // the promotion when it was not greeted by the leader for four greetings: both must take longer than a second.
    let periods = "PUBLISH-PERIOD 500 INFO-PERIOD 200 ASK-PERIOD 100 PING-PERIOD 300";
    let debug: Vec<&str> = ["SENTINEL", "DEBUG"]
        .into_iter()
        .chain(periods.split(' '))
        .collect();
    ask(&address, &debug)?;
    Ok(server)
}

fn told(sentinel: &Server) -> Result<HashMap<String, String>> {
    let fields = ask(&sentinel.address(), &["SENTINEL", "MASTER", MASTER])?.texts()?;
    let pairs = fields
        .chunks_exact(2)
        .map(|pair| (pair[0].clone(), pair[1].clone()));
    Ok(pairs.collect())
}
