//! What looks at caches: the auditor at what was purged, the verifier at what snapshots read.

use std::collections::BTreeMap;
use std::sync::Arc;

use freshet_audit::verify::{Cache, VerifyPorts, verify};
use freshet_audit::watch::{LOOK_LABELS, watch};
use freshet_core::registry::{Family, OnSnapshot, Registry, Scope, Target};
use freshet_core::sample::{PurgedSample, ReadSample};
use freshet_kafka::KafkaOutbox;
use freshet_pipeline::clock::Clock;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::config::Config;
use crate::purger::AnyPurger;

/// Rows of snapshots that wait for a look at most; what comes while they do is counted and dropped.
const READS_WAITING_MAX: usize = 4_096;

/// What it takes to look.
#[derive(Debug)]
pub(crate) struct Looks<'a> {
    pub(crate) config: &'a Config,
    pub(crate) registry: &'a Registry,
    pub(crate) clock: &'a Clock,
    /// Caches that can be looked at, by target.
    pub(crate) probes: &'a BTreeMap<Arc<str>, Arc<AnyPurger>>,
}

impl Looks<'_> {
    /// Starts the looks at entries that were purged, where the config asks for them.
    pub(crate) fn start_auditor(
        &self,
        tasks: &mut JoinSet<()>,
    ) -> Option<mpsc::Sender<PurgedSample>> {
        self.config.sample_every?;
        for (family, target) in self.keyed() {
            freshet_audit::metrics::register(&family.name, &target.name, &LOOK_LABELS);
        }
        let (offer, samples) = mpsc::channel(256);
        let (probes, settings) = (self.probes.clone(), self.config.audit);
        let clock = self.clock.clone();
        tasks.spawn(async move { watch(probes, samples, settings, move || clock.wall()).await });
        Some(offer)
    }

    /// Starts the looks at rows that snapshots read. A reloaded registry may have the first family that wants them, so
    /// it is there whatever the families say now.
    pub(crate) fn start_verifier(
        &self,
        outbox: &Arc<KafkaOutbox>,
        tasks: &mut JoinSet<()>,
    ) -> Option<mpsc::Sender<ReadSample>> {
        let rate = self.config.snapshot_looks_per_second?;
        for (family, target) in self.keyed() {
            if family.on_snapshot == OnSnapshot::Verify {
                freshet_audit::metrics::register_reads(&family.name, &target.name);
            }
        }
        let caches = self.probes.iter().map(|(name, probe)| {
            let cache = Cache {
                probe: Arc::clone(probe),
                backlog: self.config.outbox.backlog_topic(name),
            };
            (Arc::clone(name), cache)
        });
        let (offer, rows) = mpsc::channel(READS_WAITING_MAX);
        let ports = VerifyPorts {
            caches: caches.collect(),
            outbox: Arc::clone(outbox),
        };
        let clock = self.clock.clone();
        tasks.spawn(async move { verify(ports, rows, rate, move || clock.wall()).await });
        Some(offer)
    }

    /// The places whose entries can be looked at, since they are known by their keys.
    fn keyed(&self) -> impl Iterator<Item = (&Family, &Target)> {
        self.registry.families.iter().flat_map(move |family| {
            let places = family.places.iter();
            let keyed = places.filter(|place| place.exact == Scope::Keys);
            keyed.filter_map(move |place| Some((family, self.registry.target(place.target)?)))
        })
    }
}
