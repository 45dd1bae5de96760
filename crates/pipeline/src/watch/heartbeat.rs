//! A stopped connector looks like an idle database; only its heartbeat distinguishes them (promise P2).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use freshet_core::position::Steady;
use freshet_core::registry::Registry;

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

/// The heartbeats whose partitions this intake reads.
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
        let database = database_of(topic)?;
        let alive = Beat {
            last: now,
            silent: false,
        };
        let before = self.0.insert(Arc::from(database), alive);
        Some(before.is_some_and(|beat| beat.silent))
    }

    /// Another process reads it from now on.
    pub(crate) fn forget(&mut self, topic: &str) {
        if let Some(database) = database_of(topic) {
            self.0.remove(database);
        }
    }

    /// Databases that have been silent for longer than they may, each returned once, with the time of silence.
    pub(crate) fn gone_silent(
        &mut self,
        limits: &Heartbeats,
        now: Steady,
    ) -> Vec<(Arc<str>, Duration)> {
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

/// The database whose connector writes to this topic of heartbeats.
pub(crate) fn database_of(topic: &str) -> Option<&str> {
    topic.strip_prefix(PREFIX)
}

/// The topics of a database's tables.
pub(crate) fn tables_of<'a>(
    database: &str,
    registry: &'a Registry,
) -> impl Iterator<Item = &'a str> {
    let tables = format!("{database}.");
    registry
        .topics()
        .filter(move |topic| topic.starts_with(&tables))
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
