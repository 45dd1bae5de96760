//! listen: heartbeats and beats that came → whose silence is a gap (promise P2).

use std::sync::Arc;

use freshet_core::gap::GapCause;
use freshet_core::position::{Steady, StreamId};
use freshet_core::registry::Registry;

use crate::intake::open::{BeatOn, Gap, Noticed};
use crate::intake::streams::Partition;
use crate::watch::beacon::{Beacons, Reader};
use crate::watch::heartbeat::{Heard, Heartbeats, database_of, tables_of};
use crate::watch::status::Status;

/// The connectors and beacons that an intake listens to.
#[derive(Debug)]
pub(crate) struct Listen {
    heartbeats: Heartbeats,
    heard: Heard,
    beacons: Beacons,
    status: Status,
}

impl Listen {
    pub(crate) fn new(heartbeats: Heartbeats, beacons: Beacons, status: Status) -> Self {
        Self {
            heartbeats,
            heard: Heard::default(),
            beacons,
            status,
        }
    }

    /// A partition is read here from now on; a heartbeat or a beat may be expected of it.
    pub(crate) fn assigned(&mut self, intake: &str, stream: StreamId, at: &Partition, now: Steady) {
        self.heard.note(&at.topic, now);
        let reader = Reader::new(intake, stream);
        self.beacons.assigned(reader, &at.topic, at.partition, now);
    }

    /// Another process reads it now.
    pub(crate) fn revoked(&mut self, intake: &str, stream: StreamId, topic: &str) {
        self.heard.forget(topic);
        self.beacons.revoked(&Reader::new(intake, stream), topic);
    }

    /// Notes what came. A heartbeat that stopped is a gap in all of its database's tables.
    pub(crate) fn listen(&mut self, noticed: &mut Noticed, registry: &Registry, now: Steady) {
        for BeatOn { topic, partition } in noticed.beats.drain(..) {
            self.beacons.heard(&topic, partition, now);
        }
        for topic in noticed.heartbeats.drain(..) {
            if self.heard.note(&topic, now) == Some(true)
                && let Some(database) = database_of(&topic)
            {
                let part = format!("source {database}");
                self.status.ready(&part);
                tracing::info!(
                    event = "heartbeat",
                    part,
                    "the connector sends heartbeats again"
                );
            }
        }
        for (database, silence) in self.heard.gone_silent(&self.heartbeats, now) {
            let seconds = silence.as_secs();
            let reason = format!(
                "no heartbeat for {seconds} s: its connector has stopped, or cannot reach the database or the brokers; its \
                 changes may be missing"
            );
            self.status
                .not_ready(&format!("source {database}"), &reason, now);
            tracing::error!(event = "heartbeat", database = %database, reason, "the connector sends no heartbeat");
            let gaps = tables_of(&database, registry).map(|topic| Gap {
                topic: Arc::from(topic),
                cause: GapCause::HeartbeatSilent,
                detail: format!("no heartbeat of {database} for {seconds} s"),
            });
            noticed.gaps.extend(gaps);
        }
    }
}

#[cfg(test)]
mod tests;
