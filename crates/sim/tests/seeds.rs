//! Random trouble, replayable by its seed: promises P1, P3, P4, P6, P7 and P10 for the pipeline as it is.

use std::time::Duration;

use freshet_sim::{Fault, Scenario, Schedule, Summary, play};

fn kept(scenario: &Scenario) -> Summary {
    play(scenario).unwrap_or_else(|violation| panic!("{violation}"))
}

fn seeds(range: std::ops::Range<u64>) {
    let mut kills = 0;
    for seed in range {
        kills += kept(&Scenario::random(seed)).kills;
    }
    assert!(kills > 0, "trouble was had");
}

// Four tests, so that all cores play.
#[test]
fn p1_p3_p4_nothing_is_lost_seeds_0_to_124() {
    seeds(0..125);
}

#[test]
fn p1_p3_p4_nothing_is_lost_seeds_125_to_249() {
    seeds(125..250);
}

#[test]
fn p1_p3_p4_nothing_is_lost_seeds_250_to_374() {
    seeds(250..375);
}

#[test]
fn p1_p3_p4_nothing_is_lost_seeds_375_to_499() {
    seeds(375..500);
}

#[test]
fn the_same_seed_plays_the_same() {
    for seed in [3, 14, 21] {
        let scenario = Scenario::random(seed);
        assert_eq!(kept(&scenario), kept(&scenario), "seed {seed}");
    }
    assert_ne!(
        kept(&Scenario::random(1)).trace,
        kept(&Scenario::random(3)).trace
    );
}

/// One hour without Redis: nothing piles up in memory, nobody is rebalanced, the edge goes on, and afterwards the
/// backlog is worked off at its pace.
#[test]
fn p6_p7_an_hour_without_redis() {
    let hour = Duration::from_secs(3_600);
    let away = (Duration::from_secs(10), hour, Fault::Silent("main"));
    let scenario = Scenario {
        seed: 6,
        changes_per_second: 5.0,
        trouble: hour + Duration::from_secs(20),
        heal_within: Duration::from_secs(120),
        schedule: Schedule(vec![away]),
        backlog_purges_per_second: 500,
        members: 2,
    };
    let summary = kept(&scenario);
    assert_eq!(summary.assignments, 6, "no rebalance after the start");
    assert!(summary.spilled > 10_000, "{summary:?}");
    assert!(summary.open_max < 300, "{summary:?}");
}

/// Somebody sets the wall clock back by two hours while a target is away and its breaker is open: what waits goes by
/// a clock that nobody sets.
#[test]
fn p6_nothing_waits_for_a_wall_clock_that_was_set() {
    let seconds = Duration::from_secs;
    for jump in [-7_200, 7_200] {
        let scenario = Scenario {
            seed: 11,
            changes_per_second: 20.0,
            trouble: seconds(60),
            heal_within: seconds(60),
            schedule: Schedule(vec![
                (seconds(10), seconds(20), Fault::Away("main")),
                (seconds(20), seconds(600), Fault::ClockJump(jump)),
            ]),
            backlog_purges_per_second: 500,
            members: 2,
        };
        assert!(kept(&scenario).spilled > 100);
    }
}
