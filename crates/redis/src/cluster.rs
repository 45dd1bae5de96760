//! Redis Cluster: a slot table over links. The table is refreshed when a node redirects or fails, and at every ping.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use freshet_core::purge::PurgeOutcome;
use futures_util::future::join_all;
use futures_util::stream::{FuturesUnordered, StreamExt};
use redis::{ErrorKind, RedisError, ServerErrorKind, Value};

use crate::identity::Seat;
use crate::link::{Dialler, Link, Peer};
use crate::nodes::Nodes;
use crate::outcome::{outcome_of, reason_of};
use crate::slots::{SlotTable, address, redirected};

/// Number of nodes that are asked for their table at the same time.
const ASKED_AT_ONCE: usize = 3;

/// A reshard moves slots one by one; this avoids a refresh for each slot.
const REFRESH_PAUSE: Duration = Duration::from_millis(50);

/// The longest pause while no node answers.
const REFRESH_PAUSE_MAX: Duration = Duration::from_millis(500);

/// Maximum redirections of one command. If a slot moves more often, the purge is retried later.
pub(crate) const REDIRECTIONS_MAX: usize = 8;

/// Route to the owner of a slot.
pub(crate) struct ClusterRoute {
    seeds: Vec<Arc<str>>,
    dialler: Dialler,
    /// `redis` or `rediss`.
    scheme: &'static str,
    takeovers: Arc<AtomicU64>,
    known: Mutex<Known>,
    refreshing: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Known {
    table: Option<SlotTable>,
    links: HashMap<Arc<str>, Arc<Link>>,
    /// Nodes without an answer to their last request: asked for a table last.
    troubled: BTreeSet<Arc<str>>,
    /// Breaker of each node.
    nodes: Nodes,
    is_stale: bool,
    attempts: u64,
    failures: u32,
    refresh_not_before: Option<Instant>,
}

impl Known {
    fn fail(&mut self, node: &Arc<str>, began: Instant) {
        if self.nodes.failed(node, began, Instant::now()) {
            tracing::warn!(%node, "a node of a redis cluster is considered down, its purges go to the backlog");
        }
    }
}

impl std::fmt::Debug for ClusterRoute {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("ClusterRoute")
    }
}

impl ClusterRoute {
    pub(crate) fn new(
        seeds: Vec<Arc<str>>,
        dialler: Dialler,
        scheme: &'static str,
        takeovers: Arc<AtomicU64>,
    ) -> Self {
        Self {
            seeds,
            dialler,
            scheme,
            takeovers,
            known: Mutex::default(),
            refreshing: tokio::sync::Mutex::default(),
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The link to a node, created if there is none.
    pub(crate) fn link(&self, node: &Arc<str>) -> Result<Arc<Link>, RedisError> {
        let mut known = self.known();
        if let Some(link) = known.links.get(node) {
            return Ok(Arc::clone(link));
        }
        let seat = Arc::new(Seat::new(Arc::clone(&self.takeovers)));
        let url = format!("{}://{node}", self.scheme);
        let link = Arc::new(self.dialler.link(&url, Peer::Any(seat))?);
        known.links.insert(Arc::clone(node), Arc::clone(&link));
        Ok(link)
    }

    /// The owner of a slot.
    pub(crate) fn owner(&self, slot: u16) -> Result<Arc<str>, RedisError> {
        let known = self.known();
        let owner = known.table.as_ref().and_then(|table| table.owner(slot));
        owner.cloned().ok_or_else(|| {
            let kind = ErrorKind::Server(ServerErrorKind::ClusterDown);
            RedisError::from((kind, "a slot has no owner"))
        })
    }

    /// Every node that owns slots.
    pub(crate) fn primaries(&self) -> Vec<Arc<str>> {
        let known = self.known();
        known
            .table
            .as_ref()
            .map_or_else(Vec::new, |table| table.primaries().to_vec())
    }

    /// The current table, for comparison.
    pub(crate) fn table(&self) -> Option<SlotTable> {
        self.known().table.clone()
    }

    /// Whether purges may be sent to `node`. If not, the table may be outdated: a replica may have taken over.
    pub(crate) fn admit(&self, node: &Arc<str>) -> bool {
        let mut known = self.known();
        let Known { table, nodes, .. } = &mut *known;
        let primaries = table.as_ref().map_or(&[][..], SlotTable::primaries);
        let admitted = nodes.admit(node, primaries, Instant::now());
        known.is_stale |= !admitted;
        admitted
    }

    /// Number of primaries that do not answer while others do; zero if none answers.
    pub(crate) fn silent(&self) -> u32 {
        let known = self.known();
        let table = known.table.as_ref();
        table.map_or(0, |table| known.nodes.silent(table.primaries()))
    }

    /// A primary that is considered down while others answer.
    pub(crate) fn down(&self) -> Option<Arc<str>> {
        let known = self.known();
        known.nodes.down(known.table.as_ref()?.primaries()).cloned()
    }

    /// Updates the state of `node` and the cluster after a response to a request that `began` then.
    pub(crate) fn note(&self, node: &Arc<str>, began: Instant, error: Option<&RedisError>) {
        let mut known = self.known();
        let Some(error) = error else {
            known.troubled.remove(node);
            if known.nodes.answered(node) {
                tracing::info!(%node, "a node of a redis cluster answers again");
            }
            return;
        };
        if is_silence(error) {
            known.fail(node, began);
        }
        match error.kind() {
            ErrorKind::Server(ServerErrorKind::Moved) => {
                known.is_stale = true;
                let target = error.redirect_node();
                if let Some((to, slot)) = target
                    && let Some(to) = redirected(to, node)
                    && let Some(table) = &mut known.table
                {
                    let before = table.primaries().len();
                    table.moved(slot, &to);
                    let is_new = table.primaries().len() > before;
                    self.count_takeovers(usize::from(is_new));
                }
            }
            ErrorKind::Server(
                ServerErrorKind::ClusterDown
                | ServerErrorKind::MasterDown
                | ServerErrorKind::ReadOnly
                | ServerErrorKind::BusyLoading,
            )
            | ErrorKind::Io
            | ErrorKind::Parse => {
                known.is_stale = true;
                known.troubled.insert(Arc::clone(node));
            }
            _ => {}
        }
    }

    /// A node failed in an operation with several responses.
    pub(crate) fn doubt(&self, node: &Arc<str>) {
        let mut known = self.known();
        known.is_stale = true;
        known.troubled.insert(Arc::clone(node));
    }

    /// The same, after a timeout.
    pub(crate) fn miss(&self, node: &Arc<str>, began: Instant) {
        self.doubt(node);
        self.known().fail(node, began);
    }

    fn count_takeovers(&self, new_primaries: usize) {
        if new_primaries > 0 {
            let new = new_primaries as u64;
            let takeovers = self.takeovers.fetch_add(new, Ordering::AcqRel) + new;
            tracing::warn!(takeovers, "a redis cluster node became a primary");
        }
    }

    /// Refreshes the table if there is none or it may be outdated, with a minimum interval.
    pub(crate) async fn refresh_if_stale(&self) -> Result<(), RedisError> {
        {
            let known = self.known();
            let early = known
                .refresh_not_before
                .is_some_and(|not_before| Instant::now() < not_before);
            if known.table.is_some() && (!known.is_stale || early) {
                return Ok(());
            }
        }
        self.refresh().await
    }

    /// Requests the table from nodes. One caller does it, the others use its result.
    pub(crate) async fn refresh(&self) -> Result<(), RedisError> {
        let seen = self.known().attempts;
        let _asking = self.refreshing.lock().await;
        {
            let known = self.known();
            if known.attempts != seen && known.failures == 0 {
                return Ok(());
            }
        }
        let (first, rest) = self.nodes_to_ask();
        let mut answer = self.ask_nodes(&first).await;
        if answer.is_err() {
            answer = self.ask_nodes(&rest).await.or(answer);
        }
        match answer {
            Ok(table) => {
                self.adopt(table);
                Ok(())
            }
            Err(error) => {
                let mut known = self.known();
                known.attempts += 1;
                known.failures = (known.failures + 1).min(8);
                let pause = REFRESH_PAUSE * (1 << known.failures);
                known.refresh_not_before = Some(Instant::now() + pause.min(REFRESH_PAUSE_MAX));
                Err(error)
            }
        }
    }

    /// Order of nodes for a request of the table: nodes with errors last, since an isolated node
    /// may have an old table.
    fn nodes_to_ask(&self) -> (Vec<Arc<str>>, Vec<Arc<str>>) {
        let known = self.known();
        let nodes = known.table.iter().flat_map(SlotTable::nodes);
        let all: BTreeSet<Arc<str>> = nodes.chain(&self.seeds).cloned().collect();
        let is_troubled = |node: &Arc<str>| known.troubled.contains(node);
        let (troubled, mut first): (Vec<_>, Vec<_>) = all.into_iter().partition(is_troubled);
        let turn = known.attempts as usize % first.len().max(1);
        first.rotate_left(turn);
        let mut rest = first.split_off(first.len().min(ASKED_AT_ONCE));
        rest.extend(troubled);
        (first, rest)
    }

    async fn ask_nodes(&self, nodes: &[Arc<str>]) -> Result<SlotTable, RedisError> {
        let mut asked: FuturesUnordered<_> = nodes.iter().map(|node| self.ask_node(node)).collect();
        let mut failure = RedisError::from((ErrorKind::Io, "no node available"));
        while let Some(answer) = asked.next().await {
            match answer {
                Ok(table) => return Ok(table),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    async fn ask_node(&self, node: &Arc<str>) -> Result<SlotTable, RedisError> {
        let link = self.link(node)?;
        let mut ask = redis::cmd("CLUSTER");
        ask.arg("SLOTS");
        let began = Instant::now();
        let answer: Result<Vec<Value>, RedisError> = link.ask(&ask).await;
        match &answer {
            Ok(_) => self.heard(node),
            Err(error) => self.note(node, began, Some(error)),
        }
        SlotTable::read(&answer?, node).ok_or_else(|| {
            let kind = ErrorKind::Server(ServerErrorKind::ClusterDown);
            RedisError::from((kind, "a node reports no slots"))
        })
    }

    fn heard(&self, node: &Arc<str>) {
        let mut known = self.known();
        known.troubled.remove(node);
        known.nodes.heard(node);
    }

    fn adopt(&self, table: SlotTable) {
        let mut known = self.known();
        if let Some(before) = &known.table {
            let is_new = |it: &&Arc<str>| !before.primaries().contains(it);
            self.count_takeovers(table.primaries().iter().filter(is_new).count());
        }
        let kept = |node: &Arc<str>| table.nodes().chain(&self.seeds).any(|it| it == node);
        known.links.retain(|node, _| kept(node));
        known.troubled.retain(|node| kept(node));
        known.nodes.retain(kept);
        known.table = Some(table);
        known.is_stale = false;
        known.failures = 0;
        known.attempts += 1;
        known.refresh_not_before = Some(Instant::now() + REFRESH_PAUSE);
    }

    /// Checks that the table is fresh, every slot has an owner, and every primary answers.
    pub(crate) async fn check(&self) -> Result<(), String> {
        self.refresh().await.map_err(|error| reason_of(&error))?;
        let whole = self.table().is_some_and(|table| table.is_whole());
        let checks = self.primaries().into_iter().map(|node| async move {
            let began = Instant::now();
            self.known().nodes.probing(&node, began);
            let checked = match self.link(&node) {
                Ok(link) => link.check().await,
                Err(error) => Err(error),
            };
            self.note(&node, began, checked.as_ref().err());
            checked.map_err(|error| format!("{node}: {}", reason_of(&error)))
        });
        for checked in join_all(checks).await {
            checked?;
        }
        if whole {
            Ok(())
        } else {
            Err("the cluster has slots without an owner".to_owned())
        }
    }

    /// Whether a primary is migrating slots.
    pub(crate) async fn is_resharding(&self) -> Result<bool, RedisError> {
        for node in self.primaries() {
            let mut ask = redis::cmd("CLUSTER");
            ask.arg("NODES");
            let (began, link) = (Instant::now(), self.link(&node)?);
            let told: Result<String, RedisError> = link.ask(&ask).await;
            let told = told.inspect_err(|error| self.note(&node, began, Some(error)))?;
            // Only a node's own line has its open slots: [93-<-id] and [93->-id].
            if told.contains("->-") || told.contains("-<-") {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Whether the error means that the node does not serve: no response, or it still loads its data.
pub(crate) fn is_silence(error: &RedisError) -> bool {
    outcome_of(error) == PurgeOutcome::Unreachable || is_loading(error)
}

/// Whether a node reports that it is not ready yet.
pub(crate) fn is_loading(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::BusyLoading)
}

/// The node in a redirection.
pub(crate) fn ask_target(error: &RedisError, node: &str) -> Option<Arc<str>> {
    let (to, _) = error.redirect_node()?;
    redirected(to, node).map(Arc::from)
}

/// `host:port` of a URL without credentials.
pub(crate) fn node_of(url: &str) -> Arc<str> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.split(['/', '?']).next().unwrap_or(rest);
    let has_port = rest
        .rsplit_once(':')
        .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    Arc::from(if has_port {
        rest.to_owned()
    } else {
        address(rest, "6379", "")
    })
}
