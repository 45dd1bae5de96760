//! What Freshet's beacon has measured, by Freshet's own word.

use crate::site::Site;

const TARGETS: [&str; 2] = ["main", "edge"];

/// Beats that took effect up to a moment.
#[derive(Debug, Clone, Copy, Default)]
struct Beats {
    count: f64,
    seconds: f64,
    failures: f64,
}

/// The beacon at each target at a moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measured([Beats; TARGETS.len()]);

impl Measured {
    pub(crate) fn so_far(site: &Site) -> Self {
        let mut all = [Beats::default(); TARGETS.len()];
        for (beats, target) in all.iter_mut().zip(TARGETS) {
            let label = format!("target=\"{target}\"");
            let of = |metric| site.metric(metric, &[&label]).unwrap_or_default();
            *beats = Beats {
                count: of("freshet_beacon_seconds_count"),
                seconds: of("freshet_beacon_seconds_sum"),
                failures: of("freshet_beacon_failures_total"),
            };
        }
        Self(all)
    }

    /// What was measured since, in words. None at all, or a failure, is a reason for it not to be good.
    pub(crate) fn compared(&self, site: &Site, reasons: &mut Vec<String>) -> String {
        let now = Self::so_far(site);
        let mut told = Vec::new();
        for ((before, now), target) in self.0.iter().zip(now.0).zip(TARGETS) {
            let count = now.count - before.count;
            let mean_ms = (now.seconds - before.seconds) / count.max(1.0) * 1e3;
            if count < 1.0 || now.failures > before.failures {
                let failures = now.failures - before.failures;
                reasons.push(format!(
                    "the beacon took effect {count} times at {target}, with {failures} failures"
                ));
            }
            told.push(format!("{count} at {target} after {mean_ms:.1} ms"));
        }
        format!("beats proven to take effect: {} (mean)", told.join(", "))
    }
}
