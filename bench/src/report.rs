//! What a run came to, for programs: `result.json`. Its fields are documented in `docs/performance.md`.

use std::path::Path;

use serde_json::{Value, json};

use crate::case::Case;
use crate::drain::Drained;
use crate::figures::Spread;
use crate::limit::Limit;
use crate::paced::Paced;
use crate::safety::Safety;

/// What one participant did in a drain.
#[derive(Debug)]
pub struct DrainOf {
    /// Its name.
    pub name: String,
    /// Events of a round.
    pub events: usize,
    /// Every counted round.
    pub rounds: Vec<Drained>,
    /// Whether a crash loses purges, where that was tried.
    pub safety: Option<Safety>,
}

/// What one participant did at a fixed rate.
#[derive(Debug)]
pub struct PacedOf {
    /// Its name.
    pub name: String,
    /// Every round.
    pub rounds: Vec<Paced>,
}

/// One case with its participants.
#[derive(Debug)]
pub enum CaseReport {
    /// A drain, with the limit where it was measured.
    Drain {
        /// What was measured.
        case: Case,
        /// How fast anybody could be.
        limit: Option<Limit>,
        /// In the order of the table.
        participants: Vec<DrainOf>,
    },
    /// A paced run.
    Paced {
        /// What was measured.
        case: Case,
        /// Events a second.
        rate: u32,
        /// In the order of the table.
        participants: Vec<PacedOf>,
    },
}

impl DrainOf {
    /// One figure of every round.
    pub fn spread(&self, figure: impl Fn(&Drained) -> f64) -> Spread {
        Spread::of(self.rounds.iter().map(figure))
    }

    /// The most keys that a round left behind.
    pub fn left(&self) -> u64 {
        self.rounds.iter().map(|it| it.left).max().unwrap_or(0)
    }

    fn as_json(&self, limit: Option<&Limit>) -> Value {
        let rate = self.spread(|it| it.rate);
        let rounds: Vec<Value> = self.rounds.iter().map(Drained::as_json).collect();
        json!({
            "name": self.name,
            "events": self.events,
            "events_per_second": rate.as_json(),
            "share_of_limit": limit.map(|limit| rate.median / limit.rate()),
            "own_us_per_event": self.spread(|it| it.own_us).as_json(),
            "broker_us_per_event": self.spread(|it| it.broker_us).as_json(),
            "redis_us_per_event": self.spread(|it| it.redis_us).as_json(),
            "peak_rss_mib": self.spread(|it| it.peak_mib).as_json(),
            "keys_left": self.left(),
            "crash": self.safety.as_ref().map(Safety::as_json),
            "rounds": rounds,
        })
    }
}

impl PacedOf {
    /// One figure of every round.
    pub fn spread(&self, figure: impl Fn(&Paced) -> f64) -> Spread {
        Spread::of(self.rounds.iter().map(figure))
    }

    fn as_json(&self) -> Value {
        let rounds: Vec<Value> = self.rounds.iter().map(Paced::as_json).collect();
        json!({ "name": self.name, "rounds": rounds })
    }
}

impl CaseReport {
    fn as_json(&self) -> Value {
        let case = |case: &Case| {
            json!({
                "case": case.to_string(),
                "form": case.form.name(),
                "partitions": case.partitions,
                "keys": if case.zipf { "zipf" } else { "uniform" },
                "families": case.families,
            })
        };
        let (mut value, rest) = match self {
            Self::Drain {
                case: of,
                limit,
                participants,
            } => {
                let participants: Vec<Value> = participants
                    .iter()
                    .map(|it| it.as_json(limit.as_ref()))
                    .collect();
                let limit = limit.as_ref().map(Limit::as_json);
                let rest = json!({ "mode": "drain", "limit": limit, "participants": participants });
                (case(of), rest)
            }
            Self::Paced {
                case: of,
                rate,
                participants,
            } => {
                let participants: Vec<Value> = participants.iter().map(PacedOf::as_json).collect();
                let rest = json!({ "mode": "paced", "rate": rate, "participants": participants });
                (case(of), rest)
            }
        };
        if let (Value::Object(value), Value::Object(rest)) = (&mut value, rest) {
            value.extend(rest);
        }
        value
    }
}

/// Writes everything measured so far; called after every case, so that a broken run leaves what it had.
///
/// # Errors
/// When the file cannot be written.
pub fn write(path: &Path, machine: &Value, cases: &[CaseReport]) -> anyhow::Result<()> {
    let cases: Vec<Value> = cases.iter().map(CaseReport::as_json).collect();
    let all = json!({ "format": 1, "machine": machine, "cases": cases });
    std::fs::write(path, serde_json::to_string_pretty(&all)?)?;
    Ok(())
}
