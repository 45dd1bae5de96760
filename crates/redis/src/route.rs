//! Finds the server of a name: one address, the primary of Sentinel, or the owner of its slot.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use freshet_core::purge::PurgeReport;
use redis::{Cmd, ErrorKind, FromRedisValue, RedisError, ServerErrorKind};

use crate::by_slot::unlink_by_slot;
use crate::cluster::{ClusterRoute, REDIRECTIONS_MAX, ask_target, node_of};
use crate::identity::Seat;
use crate::link::{Dialler, Link, Peer};
use crate::outcome::reason_of;
use crate::sentinel::{Primaries, SentinelRoute};
use crate::slots::slot_of;
use crate::target::{RedisConfigError, RedisTarget, Topology};
use crate::unlink::{failed, unlink_at};

/// Route to the servers of a target.
#[derive(Debug)]
pub(crate) enum Route {
    /// One address.
    Single(Arc<Link>),
    /// The primary of Sentinel.
    Sentinel(Box<SentinelRoute>),
    /// The owners of slots.
    Cluster(Box<ClusterRoute>),
}

impl Route {
    pub(crate) fn new(
        target: &RedisTarget,
        takeovers: &Arc<AtomicU64>,
    ) -> Result<Self, RedisConfigError> {
        let unusable = |error: RedisError| RedisConfigError::Unusable(error.to_string());
        let dialler = Dialler::new(target)?;
        let seat = Arc::new(Seat::new(Arc::clone(takeovers)));
        match &target.topology {
            Topology::Standalone { url } => {
                let link = dialler.link(url, Peer::Any(seat)).map_err(unusable)?;
                Ok(Self::Single(Arc::new(link)))
            }
            Topology::Sentinel {
                nodes,
                master,
                database,
                username,
                password,
            } => {
                let primaries = Primaries {
                    scheme: scheme_of(nodes, "sentinel")?,
                    database: *database,
                    seat,
                    dialler: dialler.clone(),
                };
                let to_sentinels = dialler.as_user(username.as_ref(), password.as_ref());
                let sentinels: Result<Vec<Link>, RedisError> = nodes
                    .iter()
                    .map(|url| to_sentinels.link(url, Peer::Sentinel))
                    .collect();
                let sentinels = sentinels.map_err(unusable)?;
                let route = SentinelRoute::new(sentinels, master.clone(), primaries);
                Ok(Self::Sentinel(Box::new(route)))
            }
            Topology::Cluster { nodes } => {
                let scheme = scheme_of(nodes, "cluster node")?;
                for url in nodes {
                    dialler
                        .link(url, Peer::Any(Arc::clone(&seat)))
                        .map_err(unusable)?;
                }
                let seeds = nodes.iter().map(|url| node_of(url)).collect();
                let route = ClusterRoute::new(seeds, dialler, scheme, Arc::clone(takeovers));
                Ok(Self::Cluster(Box::new(route)))
            }
        }
    }

    /// Sends a command to the server of `name`.
    pub(crate) async fn ask<T: FromRedisValue>(
        &self,
        name: &[u8],
        command: &Cmd,
    ) -> Result<T, RedisError> {
        match self {
            Self::Single(link) => link.ask(command).await,
            Self::Sentinel(route) => {
                let answer = match route.primary().await {
                    Ok(link) => link.ask(command).await,
                    Err(error) => Err(error),
                };
                if answer.is_err() {
                    route.doubt();
                }
                answer
            }
            Self::Cluster(route) => ask_owner(route, name, command).await,
        }
    }

    /// Removes `names`; the report has one outcome for each.
    pub(crate) async fn unlink(&self, target: &RedisTarget, names: &[&[u8]]) -> PurgeReport {
        match self {
            Self::Single(link) => unlink_at(link, target, names).await,
            Self::Sentinel(route) => {
                let report = match route.primary().await {
                    Ok(link) => unlink_at(&link, target, names).await,
                    Err(error) => failed(names.len(), &error),
                };
                if !report.is_settled() {
                    route.doubt();
                }
                report
            }
            Self::Cluster(route) => {
                let mut report = unlink_by_slot(route, target, names).await;
                report.nodes_down = route.silent();
                report
            }
        }
    }

    /// Pings every server and compares their identities.
    pub(crate) async fn check(&self) -> Result<(), String> {
        match self {
            Self::Single(link) => link.check().await.map_err(|error| reason_of(&error)),
            Self::Sentinel(route) => route.check().await.map_err(|error| reason_of(&error)),
            Self::Cluster(route) => route.check().await,
        }
    }
}

async fn ask_owner<T: FromRedisValue>(
    route: &ClusterRoute,
    name: &[u8],
    command: &Cmd,
) -> Result<T, RedisError> {
    let mut asking = None;
    let mut redirections = 0;
    loop {
        route.refresh_if_stale().await?;
        let node = match &asking {
            Some(node) => Arc::clone(node),
            None => route.owner(slot_of(name))?,
        };
        let began = Instant::now();
        let answer = ask_node(&*route.link(&node)?, command, asking.is_some()).await;
        route.note(&node, began, answer.as_ref().err());
        let Err(error) = answer else {
            return answer;
        };
        asking = match error.kind() {
            ErrorKind::Server(ServerErrorKind::Ask) => ask_target(&error, &node),
            ErrorKind::Server(ServerErrorKind::Moved) => None,
            _ => return Err(error),
        };
        redirections += 1;
        if redirections > REDIRECTIONS_MAX {
            return Err(error);
        }
    }
}

async fn ask_node<T: FromRedisValue>(
    link: &Link,
    command: &Cmd,
    asking: bool,
) -> Result<T, RedisError> {
    if !asking {
        return link.ask(command).await;
    }
    let borrowed = link.borrow().await?;
    let mut both = redis::pipe();
    both.cmd("ASKING").ignore();
    both.add_command(command.clone());
    both.ignore_errors();
    let (answer,): (Result<T, RedisError>,) = link.ask_all(&borrowed, &both).await?;
    answer
}

fn scheme_of(nodes: &[String], what: &'static str) -> Result<&'static str, RedisConfigError> {
    let with_tls = nodes
        .iter()
        .filter(|url| url.starts_with("rediss://"))
        .count();
    match with_tls {
        _ if nodes.is_empty() => Err(RedisConfigError::NoNode(what)),
        0 => Ok("redis"),
        all if all == nodes.len() => Ok("rediss"),
        _ => Err(RedisConfigError::MixedSchemes),
    }
}
