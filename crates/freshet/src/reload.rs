//! SIGHUP: reads the registry again. A bad one is refused and the one in force stays (promise P9).

use std::path::PathBuf;
use std::sync::Arc;

use freshet_core::registry::{Registry, Target};
use freshet_pipeline::metrics::registry_refused;
use freshet_pipeline::rules::RulesInForce;
use tokio::signal::unix::Signal;

use crate::config::{CanaryConfig, add_canaries};
use crate::own_topics::OwnTopics;
use crate::run::check_bound;
use crate::telemetry::MetricsPage;

/// Where the registry is and who goes by it.
pub(crate) struct Reload {
    /// The objectives of a new registry get buckets before its handles are made.
    pub(crate) metrics: MetricsPage,
    pub(crate) folder: PathBuf,
    pub(crate) rules: RulesInForce,
    /// They join every registry.
    pub(crate) canaries: Arc<[CanaryConfig]>,
    /// Targets that have a lane since the start.
    pub(crate) served: Vec<Target>,
    /// Topics that no registry may read.
    pub(crate) own_topics: OwnTopics,
}

impl Reload {
    /// Reads the registry at every signal, for as long as the process runs.
    pub(crate) async fn at_every(self, mut hang_up: Signal) {
        while hang_up.recv().await.is_some() {
            let folder = self.folder.clone();
            let read = tokio::task::spawn_blocking(move || freshet_registry::load(&folder)).await;
            match read {
                Ok(Ok(loaded)) => match add_canaries(&self.canaries, loaded.registry) {
                    Ok(registry) => self.put_in_force(registry),
                    Err(faults) => refuse(&faults.render()),
                },
                Ok(Err(faults)) => refuse(&faults.render()),
                Err(error) => refuse(&error.to_string()),
            }
        }
    }

    fn put_in_force(&self, registry: Registry) {
        let now = self.rules.current();
        if now.registry.revision.content_hash == registry.revision.content_hash {
            tracing::info!(revision = %registry.revision.content_hash, "registry unchanged");
            return;
        }
        if let Err(fault) = check_bound(&registry) {
            refuse(&fault);
            return;
        }
        if let Some(new) = unserved(&self.served, &registry) {
            refuse(&format!(
                "error: target `{}` has no lane in this process\n  help: targets are read at start; restart to serve it",
                new.name
            ));
            return;
        }
        if let Err(faults) = self.own_topics.check(&registry) {
            refuse(&faults);
            return;
        }
        let (before, after) = (
            Arc::clone(&now.registry.revision.content_hash),
            Arc::clone(&registry.revision.content_hash),
        );
        let families = registry.families.len();
        self.metrics.measure(&registry);
        self.rules.swap(registry);
        tracing::info!(%before, %after, families, "registry in force");
    }
}

fn unserved<'a>(served: &[Target], registry: &'a Registry) -> Option<&'a Target> {
    let is_served = |target: &Target| {
        served
            .iter()
            .any(|it| it.name == target.name && it.tier == target.tier)
    };
    registry.targets.iter().find(|target| !is_served(target))
}

/// Counted and told whole: the diagnostics name file, line and column.
fn refuse(faults: &str) {
    registry_refused();
    tracing::error!(faults = %faults.trim_end(), "registry refused, the one before stays in force");
}
