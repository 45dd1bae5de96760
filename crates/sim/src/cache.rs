//! A target that can be away, slow, silent, throttled, forgetful, or of the opinion that a name is none.

use std::time::Duration;

use freshet_core::ports::Purger;
use freshet_core::purge::{PurgeBatch, PurgeOutcome, PurgeReport, Refusal};
use freshet_core::registry::Scope;
use rand::Rng;

use crate::faults::Mode;
use crate::oracle::Shared;

/// How an adapter of ours bounds a request.
const ADAPTER_TIMEOUT: Duration = Duration::from_secs(1);

/// A target behind the purger port.
#[derive(Clone)]
pub(crate) struct SimCache {
    pub(crate) shared: Shared,
    pub(crate) target: &'static str,
}

impl SimCache {
    fn carry_out(&self, batch: &PurgeBatch, up_to: usize) {
        let mut state = self.shared.lock();
        for (purge, name) in batch.iter().take(up_to) {
            state.purged(self.target, purge.scope == Scope::Family, name);
        }
    }

    fn refuses(&self, batch: &PurgeBatch) -> bool {
        let state = self.shared.lock();
        state.refuse && batch.iter().any(|(_, name)| name.ends_with(b"13"))
    }
}

impl Purger for SimCache {
    async fn purge(&self, batch: &PurgeBatch) -> PurgeReport {
        let (mode, pause, dice) = {
            let mut state = self.shared.lock();
            let pause = state.chance.random_range(100..2_000);
            let dice: f64 = state.chance.random();
            (state.mode(self.target), Duration::from_micros(pause), dice)
        };
        tokio::time::sleep(pause).await;
        let all = |outcome| PurgeReport::all(outcome, batch.len());
        match mode {
            Mode::Well | Mode::Slow => {
                if mode == Mode::Slow {
                    tokio::time::sleep(ADAPTER_TIMEOUT / 2).await;
                }
                if self.refuses(batch) {
                    return all(PurgeOutcome::Refused(Refusal::OfPurge));
                }
                self.carry_out(batch, batch.len());
                all(PurgeOutcome::Purged)
            }
            Mode::Away => all(PurgeOutcome::Unreachable),
            Mode::Throttling => all(PurgeOutcome::Throttled {
                retry_after_ms: (dice * 2_000.0) as u32,
            }),
            Mode::Silent => {
                tokio::time::sleep(ADAPTER_TIMEOUT).await;
                if dice < 0.3 {
                    self.carry_out(batch, batch.len());
                }
                all(PurgeOutcome::Unreachable)
            }
            Mode::Careless => {
                let done = (batch.len() as f64 * dice) as usize;
                self.carry_out(batch, done);
                let mut report = all(PurgeOutcome::Forgotten);
                // It owns up to less than it did.
                for outcome in report.outcomes.iter_mut().take(done / 2) {
                    *outcome = PurgeOutcome::Purged;
                }
                report
            }
        }
    }

    fn takeovers(&self) -> u64 {
        let state = self.shared.lock();
        if self.target == "main" {
            state.takeovers
        } else {
            0
        }
    }

    async fn ping(&self) -> Result<(), String> {
        match self.shared.lock().mode(self.target) {
            Mode::Well | Mode::Careless | Mode::Slow => Ok(()),
            mode => Err(format!("{mode:?}")),
        }
    }
}
