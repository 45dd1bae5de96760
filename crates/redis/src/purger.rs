//! Purges exact names, and whole families by rate-limited `SCAN`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use freshet_core::ports::Purger;
use freshet_core::purge::{PurgeBatch, PurgeOutcome, PurgeReport};
use freshet_core::registry::Scope;
use redis::{ErrorKind, RedisError, ServerErrorKind};

use crate::cluster::ClusterRoute;
use crate::family_scan::FamilyScan;
use crate::link::Link;
use crate::outcome::{outcome_of, reason_of};
use crate::route::Route;
use crate::target::{RedisConfigError, RedisTarget};

/// One Redis behind the [`Purger`] and [`Probe`](freshet_core::ports::Probe) ports.
#[derive(Debug)]
pub struct RedisPurger {
    target: RedisTarget,
    pub(crate) route: Route,
    takeovers: Arc<AtomicU64>,
}

/// Why a family purge failed.
struct Left {
    outcome: PurgeOutcome,
    reason: Option<String>,
}

impl From<RedisError> for Left {
    fn from(error: RedisError) -> Self {
        Self {
            outcome: outcome_of(&error),
            reason: Some(reason_of(&error)),
        }
    }
}

impl RedisPurger {
    /// A purger; the server need not be available.
    ///
    /// # Errors
    /// The config of the target is invalid.
    pub fn connect(target: RedisTarget) -> Result<Self, RedisConfigError> {
        let takeovers = Arc::default();
        let route = Route::new(&target, &takeovers)?;
        Ok(Self {
            target,
            route,
            takeovers,
        })
    }

    async fn unlink(&self, batch: &PurgeBatch, report: &mut PurgeReport) {
        let is_name = |scope: Scope| scope != Scope::Family;
        let names: Vec<&[u8]> = batch
            .iter()
            .filter_map(|(purge, name)| is_name(purge.scope).then_some(name))
            .collect();
        if names.is_empty() {
            return;
        }
        let answered = self.route.unlink(&self.target, &names).await;
        let places = batch
            .iter()
            .enumerate()
            .filter_map(|(place, (purge, _))| is_name(purge.scope).then_some(place));
        for (place, outcome) in places.zip(answered.outcomes) {
            report.outcomes[place] = outcome;
        }
        report.removed += answered.removed;
        report.reason = answered.reason;
    }

    /// Removes all entries of the scan's families, on every server. If a server is replaced during the scan, it
    /// has not been scanned, and cursors are not valid on another one: then all purges are retried.
    async fn remove_families(&self, scan: &mut FamilyScan) -> Result<u64, Left> {
        let before = self.takeovers();
        let removed = match &self.route {
            Route::Single(link) => self.remove_matching(link, scan).await?,
            Route::Sentinel(route) => {
                let link = route.primary().await?;
                let removed = self.remove_matching(&link, scan).await;
                removed.inspect_err(|_| route.doubt())?
            }
            Route::Cluster(route) => self.remove_everywhere(route, scan).await?,
        };
        if self.takeovers() == before {
            Ok(removed)
        } else {
            let kind = ErrorKind::Server(ServerErrorKind::TryAgain);
            Err(RedisError::from((kind, "a server was replaced during a family purge")).into())
        }
    }

    /// On every primary of a cluster. A key that migrates during the scan from an unscanned node to a scanned one
    /// is found by a second pass.
    async fn remove_everywhere(
        &self,
        route: &ClusterRoute,
        scan: &mut FamilyScan,
    ) -> Result<u64, Left> {
        route.refresh().await?;
        let before = (route.table(), route.is_resharding().await?);
        let mut removed = self.one_pass(route, scan).await?;
        route.refresh().await?;
        let after = (route.table(), route.is_resharding().await?);
        if before.1 || after != before {
            removed += self.one_pass(route, scan).await?;
        }
        Ok(removed)
    }

    async fn one_pass(&self, route: &ClusterRoute, scan: &mut FamilyScan) -> Result<u64, Left> {
        let mut removed = 0;
        for node in route.primaries() {
            let link = route.link(&node)?;
            let began = Instant::now();
            let found = self.remove_matching(&link, scan).await;
            removed += found.inspect_err(|left| match left.outcome {
                PurgeOutcome::Unreachable => route.miss(&node, began),
                _ => route.doubt(&node),
            })?;
        }
        Ok(removed)
    }

    /// Report for families while a node of a cluster is down: the scan is not started.
    fn node_down(&self, report: &mut PurgeReport) -> Option<PurgeOutcome> {
        let Route::Cluster(route) = &self.route else {
            return None;
        };
        let node = route.down()?;
        route.doubt(&node);
        report.reason = Some(format!("{node} is considered down"));
        Some(PurgeOutcome::NodeDown)
    }

    async fn remove_matching(&self, link: &Link, families: &mut FamilyScan) -> Result<u64, Left> {
        let rate = f64::from(self.target.scan_keys_per_second.max(1));
        let pause = Duration::from_secs_f64(self.target.scan_count as f64 / rate);
        let pattern = families.pattern();
        let (mut removed, mut cursor) = (0, 0_u64);
        loop {
            let mut scan = redis::cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg(&pattern);
            scan.arg("COUNT").arg(self.target.scan_count);
            let (next, found): (u64, Vec<Vec<u8>>) = link.ask(&scan).await?;
            let names = families.select(&found);
            if !names.is_empty() {
                let report = self.route.unlink(&self.target, &names).await;
                removed += report.removed;
                let unsettled = |it: &&PurgeOutcome| **it != PurgeOutcome::Purged;
                if let Some(&outcome) = report.outcomes.iter().find(unsettled) {
                    let reason = report.reason;
                    return Err(Left { outcome, reason });
                }
            }
            cursor = next;
            if cursor == 0 {
                return Ok(removed);
            }
            tokio::time::sleep(pause).await;
        }
    }
}

impl Purger for RedisPurger {
    async fn purge(&self, batch: &PurgeBatch) -> PurgeReport {
        let mut report = PurgeReport::all(PurgeOutcome::Forgotten, batch.len());
        self.unlink(batch, &mut report).await;
        // At most one timeout per batch. A family needs all servers.
        let held_up = |outcome: &PurgeOutcome| {
            matches!(outcome, PurgeOutcome::Unreachable | PurgeOutcome::NodeDown)
        };
        let mut held = report.outcomes.iter().copied().find(held_up);
        for mut scan in FamilyScan::all_of(batch) {
            held = held.or_else(|| self.node_down(&mut report));
            let failed = match held {
                Some(outcome) => Some(outcome),
                None => match self.remove_families(&mut scan).await {
                    Ok(removed) => {
                        report.removed += removed;
                        None
                    }
                    Err(left) => {
                        report.reason = left.reason;
                        Some(left.outcome)
                    }
                },
            };
            for (place, is_found) in scan.places() {
                report.outcomes[place] = failed.unwrap_or(match is_found {
                    true => PurgeOutcome::Purged,
                    false => PurgeOutcome::NothingCached,
                });
            }
            held = failed.filter(held_up);
        }
        if let Route::Cluster(route) = &self.route {
            report.nodes_down = route.silent();
        }
        report
    }

    async fn ping(&self) -> Result<(), String> {
        self.route.check().await
    }

    fn takeovers(&self) -> u64 {
        self.takeovers.load(Ordering::Acquire)
    }
}
