//! unproven: a gap → its table's families are unproven until they are purged, once. Nothing is committed meanwhile.

use std::sync::Arc;

use freshet_core::cause::{Cause, Reason};
use freshet_core::intent::{Asked, Intent};
use freshet_core::position::Steady;
use freshet_core::registry::{FreshnessClass, Registry};

use crate::clock::Clock;
use crate::intake::gaps::{DueGap, Gaps, Unproven};
use crate::intake::open::Gap;
use crate::metrics;
use crate::round::Round;
use crate::watch::status::Status;
use crate::watch::withheld::{Hold, WaitsFor};

/// The families of an intake that are unproven, and what is done about it.
#[derive(Debug)]
pub(crate) struct UnprovenFamilies {
    gaps: Gaps,
    /// Commits wait for it since then.
    since: Option<Steady>,
    status: Status,
}

impl UnprovenFamilies {
    pub(crate) fn new(status: Status) -> Self {
        Self {
            gaps: Gaps::default(),
            since: None,
            status,
        }
    }

    /// Notes a gap, for which `asked` is to be purged: it is reported and counted at once, and purged as soon as its
    /// neighbours are gathered.
    pub(crate) fn note(&mut self, gap: Gap, asked: Asked, registry: &Registry, now: Steady) {
        let Gap {
            topic,
            cause,
            detail,
        } = &gap;
        metrics::gap(*cause);
        let families = asked.families(registry);
        tracing::error!(
            event = "gap",
            topic = %topic,
            cause = cause.name(),
            detail,
            families = ?families,
            "changes may be lost; the families of the table are unproven and will be purged completely, once"
        );
        if families.is_empty() {
            // Heartbeats and the like: there is nothing to purge, and nothing to hold commits back for.
            return;
        }
        for family in &families {
            metrics::family_unproven(family, true);
            let reason = format!(
                "unproven: changes of {topic} may be lost ({detail}); its entries are being purged"
            );
            self.status
                .not_ready(&format!("family {family}"), &reason, now);
        }
        let due = DueGap {
            gap,
            asked,
            families,
        };
        self.gaps.note(due, now);
    }

    /// Puts the scopes of due gaps into the open round.
    pub(crate) fn purge_due(&mut self, round: &mut Round, clock: &Clock, now: Steady) {
        while let Some(DueGap {
            gap,
            asked,
            families,
        }) = self.gaps.take_due(now)
        {
            let Gap {
                topic,
                cause,
                detail,
            } = gap;
            let detail = format!("{}, {topic}: {detail}", cause.name());
            let intent = Intent {
                cause: Arc::new(Cause::own(Reason::Gap, detail)),
                asked,
                class: FreshnessClass::Strict,
                since: clock.wall(),
            };
            round.submit(&intent, None, now);
            let unproven = Unproven { topic, families };
            self.gaps.purging(intent.cause, unproven);
        }
    }

    /// A round with these causes is done: what readers see from now on was read after the gaps that it purged for.
    pub(crate) fn settle(&mut self, causes: &[Arc<Cause>]) {
        for Unproven { topic, families } in self.gaps.proven(causes) {
            tracing::info!(event = "gap purged", topic = %topic, "the families of the table are purged and proven again");
            for family in families {
                metrics::family_unproven(&family, false);
                self.status.ready(&format!("family {family}"));
            }
        }
    }

    /// Whether commits wait.
    pub(crate) fn holds_commits(&self) -> bool {
        self.gaps.is_open()
    }

    /// Why commits wait, whatever is settled.
    pub(crate) fn hold(&mut self, now: Steady) -> Option<Hold> {
        if !self.holds_commits() {
            self.since = None;
            return None;
        }
        Some(Hold {
            since: *self.since.get_or_insert(now),
            waits_for: WaitsFor::Gaps,
        })
    }
}
