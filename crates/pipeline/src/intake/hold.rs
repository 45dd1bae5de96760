//! hold: streams whose records wait for something else than a round → the source, which gives nothing more of them.

use std::time::Duration;

use freshet_core::ports::{Reading, Source};

use crate::intake::Intake;
use crate::intake::taking::Take;

/// While an answer is on its way, the intake looks for it this often.
const LOOK_EVERY: Duration = Duration::from_millis(5);

impl<S: Source, T: Take> Intake<S, T> {
    /// Tells the source which streams to hold, when that has changed.
    pub(crate) fn hold_streams(&mut self) {
        if let Some(streams) = self.take.held() {
            let held = self.source.follow(Reading::Without(&streams));
            if let Err(error) = held {
                tracing::warn!(intake = %self.name, error = %error, "streams that wait cannot be held");
            }
        }
    }

    /// The longest wait for records.
    pub(crate) fn idle_wait(&self) -> Duration {
        match self.take.is_asking() {
            true => LOOK_EVERY.min(self.bounds.idle_wait),
            false => self.bounds.idle_wait,
        }
    }
}
