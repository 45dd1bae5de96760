//! Rounds of a case: every participant once a round, in alternating order, the first round not counted.

use anyhow::Context;

use crate::bed::Bed;
use crate::case::Case;
use crate::drain::{self, Drained};
use crate::limit::Limit;
use crate::load::Load;
use crate::paced::{self, Pace};
use crate::participant::Participant;
use crate::report::{CaseReport, DrainOf, PacedOf};
use crate::safety;

/// A naive consumer needs minutes for what the others do in seconds.
const SLOW_SHARE: u32 = 50;

/// How a drain is measured.
#[derive(Debug, Clone, Copy)]
pub struct DrainPlan {
    /// Events of the case.
    pub events: u32,
    /// Rounds that count; one more goes before.
    pub rounds: u32,
    /// How often the stage costs are measured; zero leaves the limit out.
    pub limits: u32,
}

/// The events of a case, and those for participants who would take too long.
#[derive(Debug)]
pub struct Loads {
    case: Case,
    events: u32,
    full: Load,
    slow: Option<Load>,
}

impl Loads {
    /// Fills the topics.
    ///
    /// # Errors
    /// When the broker refuses.
    pub fn produce(
        bed: &Bed,
        case: &Case,
        events: u32,
        participants: &[Participant],
    ) -> anyhow::Result<Self> {
        let slow = participants.iter().any(Participant::is_slow);
        let slow_events = (events / SLOW_SHARE).max(1000);
        Ok(Self {
            case: case.clone(),
            events,
            full: Load::produce(bed, case, events)?,
            slow: slow
                .then(|| Load::produce(bed, case, slow_events))
                .transpose()?,
        })
    }

    /// Whether they serve this case too.
    pub fn serve(&self, case: &Case, events: u32, participants: &[Participant]) -> bool {
        let slow = participants.iter().any(Participant::is_slow);
        self.case.shares_load_with(case) && self.events == events && (!slow || self.slow.is_some())
    }

    /// The events that this participant gets.
    ///
    /// # Errors
    /// When none were made for it.
    pub fn of(&self, participant: &Participant) -> anyhow::Result<&Load> {
        if participant.is_slow() {
            self.slow.as_ref().context("events for slow participants")
        } else {
            Ok(&self.full)
        }
    }

    /// Deletes the topics.
    ///
    /// # Errors
    /// When the broker refuses.
    pub fn delete(self, bed: &Bed) -> anyhow::Result<()> {
        for load in std::iter::once(self.full).chain(self.slow) {
            load.delete(bed)?;
        }
        Ok(())
    }
}

/// The participants that a case compares, and the servers that they share.
#[derive(Debug, Clone, Copy)]
pub struct Comparison<'a> {
    /// The servers.
    pub bed: &'a Bed,
    /// The case.
    pub case: &'a Case,
    /// In the order of the table.
    pub participants: &'a [Participant],
}

impl Comparison<'_> {
    /// Runs the rounds of a drain; `say` prints the progress.
    ///
    /// # Errors
    /// When a participant does not start, or purges nothing.
    pub fn drain(
        &self,
        plan: DrainPlan,
        loads: &Loads,
        say: &mut dyn FnMut(String),
    ) -> anyhow::Result<CaseReport> {
        let Self { bed, case, .. } = *self;
        let mut found: Vec<DrainOf> = Vec::new();
        for participant in self.participants {
            found.push(DrainOf {
                name: participant.name.clone(),
                events: loads.of(participant)?.rows.len(),
                rounds: Vec::new(),
                safety: None,
            });
        }
        for round in 0..=plan.rounds {
            for at in order(round, self.participants.len()) {
                let participant = &self.participants[at];
                let load = loads.of(participant)?;
                let drained = drain::run(bed, load, participant, case.families())
                    .with_context(|| format!("{case}, {}", participant.name))?;
                say(progress(round, &participant.name, &drained));
                if round > 0 {
                    found[at].rounds.push(drained);
                }
            }
        }
        let limit = match plan.limits {
            0 => None,
            times => {
                let mut limit = Limit::measure(bed, &loads.full, case, times)?;
                for of in &found {
                    let median = |figure: fn(&Drained) -> f64| of.spread(figure).median;
                    let seen = [
                        median(|used| used.own_us),
                        median(|used| used.broker_us),
                        median(|used| used.redis_us),
                    ];
                    limit.lower(seen);
                }
                Some(limit)
            }
        };
        Ok(CaseReport::Drain {
            case: case.clone(),
            limit,
            participants: found,
        })
    }

    /// Checks whether a crash loses purges, and adds to the report of the drain what was found.
    ///
    /// # Errors
    /// When a participant does not start.
    pub fn check_safety(
        &self,
        report: &mut CaseReport,
        loads: &Loads,
        say: &mut dyn FnMut(String),
    ) -> anyhow::Result<()> {
        let CaseReport::Drain {
            participants: found,
            ..
        } = report
        else {
            return Ok(());
        };
        let Self { bed, case, .. } = *self;
        for participant in self.participants {
            let load = loads.of(participant)?;
            let safety = safety::check(bed, load, participant, case.families())
                .with_context(|| format!("{case}, {}, crash", participant.name))?;
            say(format!("crash of {}: {safety}", participant.name));
            if let Some(of) = found.iter_mut().find(|of| of.name == participant.name) {
                of.safety = Some(safety);
            }
        }
        Ok(())
    }

    /// Runs the rounds of a paced case.
    ///
    /// # Errors
    /// When a participant does not start.
    pub fn paced(
        &self,
        rounds: u32,
        pace: Pace,
        say: &mut dyn FnMut(String),
    ) -> anyhow::Result<CaseReport> {
        let Self { bed, case, .. } = *self;
        let mut found: Vec<PacedOf> = self
            .participants
            .iter()
            .map(|participant| PacedOf {
                name: participant.name.clone(),
                rounds: Vec::new(),
            })
            .collect();
        for round in 0..rounds {
            for at in order(round, self.participants.len()) {
                let participant = &self.participants[at];
                let paced = paced::run(bed, case, participant, pace)
                    .with_context(|| format!("{case}, {}", participant.name))?;
                say(format!(
                    "round {}: {} p50 {:.2} ms, p99 {:.2} ms",
                    round + 1,
                    participant.name,
                    paced::at(&paced.total, 0.5),
                    paced::at(&paced.total, 0.99)
                ));
                found[at].rounds.push(paced);
            }
        }
        Ok(CaseReport::Paced {
            case: case.clone(),
            rate: pace.rate,
            participants: found,
        })
    }
}

fn progress(round: u32, name: &str, drained: &Drained) -> String {
    let note = if round == 0 { " (warm-up)" } else { "" };
    format!(
        "round {round}{note}: {name} {:.0} events/s, {:.2} µs own",
        drained.rate, drained.own_us
    )
}

/// A B C, then C B A: whoever goes after a heavy one does so only every second round.
fn order(round: u32, count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    if round % 2 == 1 {
        order.reverse();
    }
    order
}

#[cfg(test)]
mod tests {
    use super::order;

    #[test]
    fn every_second_round_goes_backwards() {
        assert_eq!(order(0, 3), [0, 1, 2]);
        assert_eq!(order(1, 3), [2, 1, 0]);
    }
}
