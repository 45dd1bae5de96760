//! What goes wrong and when, from a seed.

use std::time::Duration;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// One thing that goes wrong for a while.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fault {
    /// A process is killed and started again afterwards.
    Kill {
        /// Which of them, counted from zero.
        member: usize,
    },
    /// A process is asked to stop and started again afterwards.
    Stop {
        /// Which of them, counted from zero.
        member: usize,
    },
    /// Somebody takes all partitions away, as a coordinator does that lost a heartbeat.
    Fence,
    /// Brokers do not answer.
    BrokersAway,
    /// A share of the appends is not acknowledged; half of these are stored all the same.
    LosingAppends(f64),
    /// Nobody listens at a target.
    Away(&'static str),
    /// A target takes requests and does not answer.
    Silent(&'static str),
    /// A target turns everything away.
    Throttling(&'static str),
    /// A target forgets to answer for a part of what it was asked.
    Careless(&'static str),
    /// A target takes half a second.
    Slow(&'static str),
    /// Everything in the bound topics is removed, read or not.
    Truncated,
    /// A replica takes the store over that has not seen the purges of the last second.
    Failover,
    /// The store is away, and what comes back is a replica that has not seen the purges of its last second.
    Replaced,
    /// Targets refuse some names for good.
    Refusing,
    /// This many changes at once, as a bulk update brings them.
    Burst(usize),
    /// Somebody sets the wall clock by so many seconds, and back again.
    ClockJump(i64),
}

/// Faults with their begin and duration.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Schedule(pub Vec<(Duration, Duration, Fault)>);

const TARGETS: [&str; 2] = ["main", "edge"];

impl Schedule {
    /// Up to a dozen faults within `trouble`, overlapping as chance will have it.
    pub fn random(seed: u64, trouble: Duration) -> Self {
        // Another stream than the world's, so that one more fault does not change everything else.
        let mut chance = ChaCha8Rng::seed_from_u64(seed ^ 0x5eed_fa17);
        let count = chance.random_range(0..12);
        let faults = (0..count).map(|_| {
            let begin = trouble.mul_f64(chance.random_range(0.0..0.8));
            let lasts = trouble.mul_f64(chance.random_range(0.005..0.2));
            (begin, lasts, any_fault(&mut chance))
        });
        let mut faults: Vec<_> = faults.collect();
        if chance.random_bool(0.25) {
            let begin = trouble.mul_f64(chance.random_range(0.0..0.8));
            let seconds = chance.random_range(-7_200..7_200);
            faults.push((begin, trouble.mul_f64(0.2), Fault::ClockJump(seconds)));
        }
        // A process keeps the last purges for a failover in its memory: one that dies in the same seconds takes them
        // with it. That is said in the documentation, and not played here.
        let undoes = |fault: &Fault| matches!(fault, Fault::Failover | Fault::Replaced);
        if faults.iter().any(|(.., fault)| undoes(fault)) {
            faults.retain(|(.., fault)| !matches!(fault, Fault::Kill { .. } | Fault::Stop { .. }));
        }
        Self(faults)
    }
}

fn any_fault(chance: &mut ChaCha8Rng) -> Fault {
    let target = TARGETS[chance.random_range(0..TARGETS.len())];
    match chance.random_range(0..17) {
        0 | 1 => Fault::Kill {
            member: chance.random_range(0..2),
        },
        2 => Fault::Stop {
            member: chance.random_range(0..2),
        },
        3 => Fault::Fence,
        4 => Fault::BrokersAway,
        5 | 6 => Fault::LosingAppends(chance.random_range(0.1..0.9)),
        7 => Fault::Away(target),
        8 => Fault::Silent(target),
        9 => Fault::Throttling(target),
        10 => Fault::Careless(target),
        11 => Fault::Slow(target),
        12 => Fault::Failover,
        13 => Fault::Truncated,
        14 => Fault::Replaced,
        15 => Fault::Burst(chance.random_range(300..1_500)),
        _ => Fault::Refusing,
    }
}

/// How a target behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Mode {
    #[default]
    Well,
    /// Nobody listens.
    Away,
    /// It takes requests and does not answer; some of them it carries out.
    Silent,
    /// It turns everything away.
    Throttling,
    /// It carries out and the answer gets lost, or half of the batch is carried out.
    Careless,
    /// It takes a second.
    Slow,
}
