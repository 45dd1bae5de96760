//! A gap → its table's families are unproven until their scope is purged, once. Nothing is committed meanwhile.

use std::sync::Arc;

use freshet_core::cause::{Cause, Reason};
use freshet_core::gap::GapCause;
use freshet_core::intent::Intent;
use freshet_core::ports::Source;
use freshet_core::registry::FreshnessClass;

use crate::intake::gaps::DueGap;
use crate::intake::taking::Take;
use crate::intake::{Intake, Progress};
use crate::metrics;
use crate::round::Round;

impl<S: Source, T: Take> Intake<S, T> {
    /// Notes a gap: told and counted at once, purged as soon as its neighbours are gathered.
    pub(crate) fn note_gap(
        &self,
        progress: &mut Progress,
        topic: &Arc<str>,
        (cause, detail): (GapCause, String),
    ) {
        metrics::gap(cause);
        let registry = &progress.open.rules.registry;
        let families = self.take.asked_when_lost(topic).families(registry);
        tracing::error!(
            event = "gap",
            topic = %topic,
            cause = cause.name(),
            detail,
            families = ?families,
            "changes may be lost; the families of the table are unproven and will be purged as a whole, once"
        );
        if families.is_empty() {
            // Heartbeats and the like: there is nothing to purge, and nothing to hold commits back for.
            return;
        }
        for family in families {
            metrics::family_unproven(&family, true);
            let reason = format!(
                "unproven: changes of {topic} may be lost ({detail}); its scope is being purged"
            );
            self.status
                .not_ready(&format!("family {family}"), &reason, self.clock.now());
        }
        progress.gaps.note(topic, (cause, detail), self.clock.now());
    }

    /// Puts the scopes of due gaps into the open round.
    pub(crate) fn purge_gaps(&self, progress: &mut Progress) {
        let noticed = std::mem::take(&mut progress.open.gaps);
        for (topic, cause, detail) in noticed {
            self.note_gap(progress, &topic, (cause, detail));
        }
        let (now, noticed) = (self.clock.now(), self.clock.wall());
        while let Some(DueGap {
            topic,
            cause,
            detail,
        }) = progress.gaps.take_due(now)
        {
            let round = &mut progress.open;
            let detail = format!("{}, {topic}: {detail}", cause.name());
            let intent = Intent {
                cause: Arc::new(Cause::own(Reason::Gap, detail)),
                asked: self.take.asked_when_lost(&topic),
                class: FreshnessClass::Strict,
                since: noticed,
            };
            let asked = round.submit(&intent, None, now);
            let families = asked.families(&round.rules.registry);
            round.unproven.extend(families);
            round.unproven_topics.push(topic);
        }
    }

    /// A round with the scopes of gaps is done: what readers see from now on was read after the gap.
    pub(crate) fn prove(&self, round: &Round) {
        for topic in &round.unproven_topics {
            tracing::info!(event = "gap purged", topic = %topic, "the families of the table are purged and proven again");
        }
        for family in &round.unproven {
            metrics::family_unproven(family, false);
            self.status.ready(&format!("family {family}"));
        }
    }
}
