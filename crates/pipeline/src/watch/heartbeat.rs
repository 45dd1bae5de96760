//! A connector that has stopped looks like a database at rest; only its heartbeat tells them apart (promise P2).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use freshet_core::gap::GapCause;
use freshet_core::ports::Source;
use freshet_core::position::Steady;

use crate::intake::taking::Take;
use crate::intake::{Intake, Progress};

/// Debezium's default for `topic.heartbeat.prefix`.
const PREFIX: &str = "__debezium-heartbeat.";

/// How long each connector may be silent, by the name of its database (Debezium's `topic.prefix`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Heartbeats(pub BTreeMap<Arc<str>, Duration>);

impl Heartbeats {
    /// The topics to read for them.
    pub fn topics(&self) -> impl Iterator<Item = String> {
        self.0.keys().map(|database| format!("{PREFIX}{database}"))
    }
}

/// The heartbeats that this intake hears, because it reads their partition.
#[derive(Debug, Default)]
pub(crate) struct Heard(BTreeMap<Arc<str>, Beat>);

#[derive(Debug)]
struct Beat {
    last: Steady,
    silent: bool,
}

impl Heard {
    /// Notes a sign of life of the database behind `topic`; an assignment counts as one. True when it was silent.
    pub(crate) fn note(&mut self, topic: &str, now: Steady) -> Option<bool> {
        let database = topic.strip_prefix(PREFIX)?;
        let alive = Beat {
            last: now,
            silent: false,
        };
        let before = self.0.insert(Arc::from(database), alive);
        Some(before.is_some_and(|beat| beat.silent))
    }

    /// Somebody else hears it from now on.
    pub(crate) fn forget(&mut self, topic: &str) {
        if let Some(database) = topic.strip_prefix(PREFIX) {
            self.0.remove(database);
        }
    }

    /// Databases that have been silent for longer than they may, each told once, with the time of silence.
    fn gone_silent(&mut self, limits: &Heartbeats, now: Steady) -> Vec<(Arc<str>, Duration)> {
        let mut gone = Vec::new();
        for (database, beat) in &mut self.0 {
            let silence = now.since(beat.last);
            if !beat.silent && limits.0.get(database).is_some_and(|limit| silence > *limit) {
                beat.silent = true;
                gone.push((Arc::clone(database), silence));
            }
        }
        gone
    }
}

impl<S: Source, T: Take> Intake<S, T> {
    /// Notes what was heard, and takes a heartbeat that stopped for a gap in all of its database's tables.
    pub(crate) fn listen(&self, progress: &mut Progress) {
        let now = self.clock.now();
        for (topic, partition) in progress.open.beats.drain(..) {
            self.beacons.heard(&topic, partition, now);
        }
        for topic in std::mem::take(&mut progress.open.heartbeats) {
            if progress.heard.note(&topic, now) == Some(true) {
                let part = format!("source {}", &topic[PREFIX.len()..]);
                self.status.ready(&part);
                tracing::info!(event = "heartbeat", part, "the connector is heard again");
            }
        }
        for (database, silence) in progress.heard.gone_silent(&self.heartbeats, now) {
            let seconds = silence.as_secs();
            let reason = format!(
                "no heartbeat for {seconds} s: its connector has stopped, or cannot reach the database or the brokers; what \
                 changes there is not seen"
            );
            self.status
                .not_ready(&format!("source {database}"), &reason, now);
            tracing::error!(event = "heartbeat", database = %database, reason, "the connector is silent");
            let tables = format!("{database}.");
            let registry = Arc::clone(&progress.open.rules.registry);
            for topic in registry.topics().filter(|topic| topic.starts_with(&tables)) {
                let detail = format!("no heartbeat of {database} for {seconds} s");
                self.note_gap(
                    progress,
                    &Arc::from(topic),
                    (GapCause::HeartbeatSilent, detail),
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p2_silence_is_told_once_and_so_is_its_end() {
        let limits = Heartbeats(BTreeMap::from([(
            Arc::from("shop"),
            Duration::from_secs(30),
        )]));
        assert_eq!(
            limits.topics().collect::<Vec<_>>(),
            ["__debezium-heartbeat.shop"]
        );
        let (mut heard, topic) = (Heard::default(), "__debezium-heartbeat.shop");
        let at = |seconds: u64| Steady(seconds * 1_000_000);
        assert!(
            heard.gone_silent(&limits, at(99)).is_empty(),
            "not heard here"
        );
        assert_eq!(heard.note(topic, at(100)), Some(false));
        assert!(heard.gone_silent(&limits, at(130)).is_empty());
        let gone = heard.gone_silent(&limits, at(131));
        assert_eq!(gone, [(Arc::from("shop"), Duration::from_secs(31))]);
        assert!(heard.gone_silent(&limits, at(200)).is_empty(), "told once");
        assert_eq!(heard.note(topic, at(201)), Some(true));
        assert_eq!(heard.note(topic, at(202)), Some(false));
        heard.forget(topic);
        assert!(
            heard.gone_silent(&limits, at(900)).is_empty(),
            "somebody else's"
        );
        assert_eq!(heard.note("shop.public.items", at(901)), None);
    }
}
