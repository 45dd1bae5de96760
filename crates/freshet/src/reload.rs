//! SIGHUP: reloads the registry. A bad one is rejected and the current one stays in force (promise P9).

use std::sync::Arc;
use std::time::Duration;

use freshet_core::registry::{Registry, Target};
use freshet_pipeline::metrics::{registry_overdue, registry_refused};
use freshet_pipeline::rules::RulesInForce;
use tokio::signal::unix::Signal;
use tokio::task::AbortHandle;

use crate::rules::RegistryFolder;
use crate::telemetry::MetricsPage;

/// Time limit for reading and checking a registry. 10 000 families take about a second.
const READ_WITHIN: Duration = Duration::from_secs(30);
/// Maximum number of overdue reads; no further one is started then.
const OVERDUE_MAX: usize = 4;

/// Directory of the registry, and its users.
pub(crate) struct Reload {
    /// The objectives of a new registry get buckets before its handles are made.
    pub(crate) metrics: MetricsPage,
    pub(crate) folder: Arc<RegistryFolder>,
    pub(crate) rules: RulesInForce,
    /// Targets that have a lane since the start.
    pub(crate) served: Vec<Target>,
}

impl Reload {
    /// Reads the registry at every signal, for as long as the process runs.
    pub(crate) async fn at_every(self, mut hang_up: Signal) {
        let mut readings = Readings::default();
        while hang_up.recv().await.is_some() {
            let folder = Arc::clone(&self.folder);
            let read = readings.within(READ_WITHIN, move || folder.read());
            match read.await.flatten() {
                Ok(loaded) => self.put_in_force(loaded.registry),
                Err(faults) => refuse(&faults),
            }
        }
    }

    fn put_in_force(&self, registry: Registry) {
        let now = self.rules.current();
        if now.registry.revision.content_hash == registry.revision.content_hash {
            tracing::info!(revision = %registry.revision.content_hash, "registry unchanged");
            return;
        }
        if let Some(new) = unserved(&self.served, &registry) {
            refuse(&format!(
                "error: target `{}` has no lane in this process\n  help: targets are read at start; restart to serve it",
                new.name
            ));
            return;
        }
        let (before, after) = (
            Arc::clone(&now.registry.revision.content_hash),
            Arc::clone(&registry.revision.content_hash),
        );
        let families = registry.families.len();
        self.metrics.measure(&registry);
        self.rules.swap(registry);
        tracing::info!(%before, %after, families, "registry reloaded");
    }
}

/// Readings of the registry. One whose file system does not answer cannot be ended: it keeps its thread until it does.
#[derive(Default)]
struct Readings(Vec<AbortHandle>);

impl Readings {
    /// What `read` returns on a thread of its own, if it does so in time.
    async fn within<T: Send + 'static>(
        &mut self,
        limit: Duration,
        read: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, String> {
        self.0.retain(|it| !it.is_finished());
        if self.0.len() >= OVERDUE_MAX {
            registry_overdue();
            return Err(format!(
                "error: {OVERDUE_MAX} earlier reads of the registry are still running\n  help: check why its file system does not respond"
            ));
        }
        let reading = tokio::task::spawn_blocking(read);
        let handle = reading.abort_handle();
        match tokio::time::timeout(limit, reading).await {
            Ok(answer) => answer.map_err(|error| error.to_string()),
            Err(_) => {
                self.0.push(handle);
                registry_overdue();
                Err(format!(
                    "error: the registry could not be read within {} s\n  help: check why its file system does not respond, then send SIGHUP again",
                    limit.as_secs()
                ))
            }
        }
    }
}

fn unserved<'a>(served: &[Target], registry: &'a Registry) -> Option<&'a Target> {
    let is_served = |target: &Target| {
        served
            .iter()
            .any(|it| it.name == target.name && it.names == target.names)
    };
    registry.targets.iter().find(|target| !is_served(target))
}

/// Counts and logs a rejected registry with all diagnostics.
fn refuse(faults: &str) {
    registry_refused();
    tracing::error!(faults = %faults.trim_end(), "registry rejected, the previous one stays in force");
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const SOON: Duration = Duration::from_millis(20);

    /// Four readings hang; each is given up in time, and no fifth is begun. When they end, the next one is heard.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn p9_a_reading_that_hangs_is_given_up_and_a_later_one_is_heard() {
        let mut readings = Readings::default();
        let mut hanging = Vec::new();
        for _ in 0..OVERDUE_MAX {
            let (release, hangs) = mpsc::channel::<()>();
            hanging.push(release);
            let read = readings.within(SOON, move || hangs.recv().is_ok());
            let reason = read.await.expect_err("overdue");
            assert!(reason.contains("could not be read within"), "{reason}");
            if hanging.len() < OVERDUE_MAX {
                let read = readings.within(Duration::from_secs(60), || 7);
                assert_eq!(
                    read.await,
                    Ok(7),
                    "heard beside {} that hang",
                    hanging.len()
                );
            }
        }
        let reason = readings.within(SOON, || 7).await.expect_err("too many");
        assert!(reason.contains("are still running"), "{reason}");
        drop(hanging);
        let begun = std::time::Instant::now();
        while readings.within(Duration::from_secs(60), || 7).await != Ok(7) {
            assert!(
                begun.elapsed() < Duration::from_secs(60),
                "never heard again"
            );
            tokio::task::yield_now().await;
        }
    }
}
