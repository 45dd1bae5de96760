//! Counting the changes of transactions: what is called missing is missing, whatever else happens.

mod limits;
mod tables;
mod world;

use std::sync::Arc;

use freshet_core::members::{MembersLimits, Missing, Outcomes};
use proptest::prelude::*;
use world::{Data, SETTLED, TOPIC, WITHIN, World};

#[test]
fn p5_a_change_that_never_arrives_is_told_once_and_with_its_numbers() {
    let mut world = World::settled(3);
    let number = world.commit(&[true, false, true]);
    world.commit(&[true; 4]);
    world.read_all();
    world.pass(WITHIN - 1);
    assert_eq!(world.missing, [], "it may still come");
    world.pass(1);
    let told = Missing {
        topic: Arc::from(TOPIC),
        transactions: 1,
        first: World::text(number),
        counted: 3,
        arrived: 2,
    };
    assert_eq!(world.missing, [told]);
    world.pass(10 * WITHIN);
    assert_eq!(world.missing.len(), 1);
    let expected = Outcomes {
        complete: 2,
        missing: 1,
        unjudged: 0,
    };
    assert_eq!(world.outcomes, expected);
}

#[test]
fn p5_many_missing_ones_of_a_table_are_told_together() {
    let mut world = World::settled(1);
    for _ in 0..20 {
        world.commit(&[false, true]);
    }
    world.read_all();
    world.pass(2 * WITHIN);
    let told: Vec<u64> = world.missing.iter().map(|it| it.transactions).collect();
    assert_eq!(told, [20]);
}

#[test]
fn p5_the_first_record_of_a_partition_may_be_its_last() {
    let mut world = World::settled(2);
    world.commit(&[true, false]);
    assert_eq!((world.len(1), world.len(2)), (1, 1));
    world.read_all();
    world.pass(WITHIN);
    assert_eq!(world.missing.len(), 1);
}

#[test]
fn p5_what_begins_before_the_table_was_read_for_long_enough_is_not_judged() {
    for (seconds, missing) in [(SETTLED - 1, 0), (SETTLED, 1)] {
        let mut world = World::new(1, MembersLimits::default());
        world.pass(seconds);
        world.commit(&[true]);
        world.commit(&[true, false]);
        for at in [1, 0] {
            world.read(at, usize::MAX);
        }
        world.pass(2 * WITHIN);
        let outcomes = world.outcomes;
        let expected = (1, missing, 1 - missing);
        let found = (outcomes.complete, outcomes.missing, outcomes.unjudged);
        assert_eq!(found, expected, "after {seconds} s");
    }
}

#[test]
fn p5_what_is_behind_in_reading_is_waited_for() {
    let mut world = World::settled(2);
    world.commit(&[true; 10]);
    world.read(0, usize::MAX);
    world.pass(50 * WITHIN);
    assert_eq!((world.missing.len(), world.outcomes.unjudged), (0, 0));
    world.read_all();
    world.take();
    assert_eq!(world.outcomes.complete, 2);
}

#[test]
fn p5_offsets_of_before_a_truncation_do_not_pass_for_read() {
    let mut world = World::settled(1);
    world.commit(&[true; 10]);
    world.read_all();
    world.truncate(1, 10);
    world.pass(SETTLED);
    world.commit(&[true]);
    world.read_all();
    world.commit(&[true]);
    world.read(0, usize::MAX);
    world.pass(2 * WITHIN);
    assert_eq!(world.missing, []);
    world.read_all();
    world.take();
    assert_eq!((world.outcomes.complete, world.outcomes.unjudged), (4, 0));
}

#[test]
fn p5_changes_that_came_long_before_their_boundaries_are_waited_for() {
    for seconds in 0..3 * WITHIN {
        let mut world = World::settled(2);
        // The transaction topic goes away and comes back, so that everything begins anew.
        world.revoke(0);
        world.assign(0);
        world.commit(&[true]);
        for at in [1, 2, 0] {
            world.read(at, usize::MAX);
        }
        world.pass(seconds);
        // The changes are written at once, and their boundaries only when the time for it is nearly over.
        world.stall(0);
        world.commit(&[true, true]);
        world.pass(WITHIN);
        // Nothing of the table is read.
        world.read(0, usize::MAX);
        world.pass(3 * WITHIN);
        assert_eq!(world.missing, [], "after {seconds} s");
        world.read_all();
        world.commit(&[false, true]);
        world.read_all();
        world.pass(WITHIN);
        assert_eq!(world.missing.len(), 1, "what follows is judged");
    }
}

#[test]
fn p5_what_was_read_before_a_restart_is_not_missed_after_it() {
    let mut world = World::settled(1);
    world.commit(&[true, true]);
    world.read(1, usize::MAX);
    // The process before has committed the changes and not the boundaries.
    let mut after = World::new(1, MembersLimits::default());
    after.boundaries = world.boundaries.clone();
    after.logs = world.logs.clone();
    after.read = vec![2, world.logs[1].len()];
    after.read_all();
    after.pass(10 * WITHIN);
    assert_eq!((after.missing.len(), after.outcomes.unjudged), (0, 1));
}

#[test]
fn p5_a_table_that_is_read_by_several_is_not_judged() {
    let mut world = World::new(2, MembersLimits::default());
    world.revoke(2);
    world.pass(2 * WITHIN);
    for _ in 0..10 {
        world.commit(&[true; 5]);
        world.read_all();
        world.pass(WITHIN);
    }
    assert_eq!((world.missing.len(), world.outcomes.complete), (0, 0));
    assert_eq!(world.outcomes.unjudged, 10);
}

#[test]
fn p5_a_table_of_which_nothing_ever_was_whole_is_not_judged() {
    let mut world = World::new(1, MembersLimits::default());
    world.pass(2 * WITHIN);
    for _ in 0..10 {
        world.commit(&[false, true]);
    }
    world.read_all();
    world.pass(10 * WITHIN);
    assert_eq!((world.missing.len(), world.outcomes.unjudged), (0, 10));
}

#[test]
fn p5_brokers_that_do_not_answer_let_nothing_be_missing() {
    let mut world = World::settled(1);
    world.commit(&[false, true]);
    world.read_all();
    world.brokers_answer = false;
    world.pass(10 * WITHIN);
    assert_eq!(world.missing, []);
    world.brokers_answer = true;
    world.pass(10);
    assert_eq!(world.missing.len(), 1);
}

#[test]
fn p5_a_transaction_that_is_sent_again_from_its_middle_is_not_judged_again() {
    let mut world = World::new(
        1,
        MembersLimits {
            closed_max: 0,
            ..MembersLimits::default()
        },
    );
    world.pass(SETTLED);
    let number = world.commit(&[true; 4]);
    world.read_all();
    world.send_boundary(number, None);
    world.send_member(number, 3);
    world.send_member(number, 4);
    world.send_boundary(number, Some(4));
    world.read_all();
    world.pass(10 * WITHIN);
    assert_eq!(world.missing, []);
    world.commit(&[false, true]);
    world.read_all();
    world.pass(10 * WITHIN);
    assert_eq!(world.missing.len(), 1, "what follows is judged again");
}

#[test]
fn p5_memory_is_bounded_and_what_is_forgotten_is_counted() {
    let limits = MembersLimits {
        open_max: 8,
        words_max: 64,
        closed_max: 32,
    };
    let mut world = World::settled_within(1, limits);
    for _ in 0..100 {
        world.commit(&[false, true, true]);
    }
    world.read_all();
    world.pass(10 * WITHIN);
    assert_eq!(world.outcomes.missing + world.outcomes.unjudged, 100);
    assert!(world.outcomes.missing <= 8, "{:?}", world.outcomes);
    // One that alone is too much for the memory.
    world.commit(&vec![true; 64 * 65]);
    world.read(1, usize::MAX);
    world.read_all();
    world.take();
    assert_eq!(world.outcomes.unjudged + world.outcomes.missing, 101);
}

#[test]
fn p5_what_was_pushed_out_of_memory_before_its_end_is_not_missing() {
    let limits = MembersLimits {
        open_max: 3,
        words_max: 64,
        closed_max: 2,
    };
    let mut world = World::settled_within(1, limits);
    for _ in 0..8 {
        world.commit(&[true]);
    }
    // All changes long before the first boundary.
    world.read(1, usize::MAX);
    world.read(0, usize::MAX);
    world.pass(5 * WITHIN);
    assert_eq!(world.missing, []);
    world.commit(&[true]);
    world.read_all();
    world.commit(&[false, true]);
    world.read_all();
    world.pass(5 * WITHIN);
    assert_eq!(world.missing.len(), 1, "what follows is judged again");
}

#[derive(Debug, Clone)]
enum Step {
    Commit(Vec<bool>),
    Read(usize, usize),
    Pass(u64),
    Stall(usize),
    Flow(usize),
    /// The connector starts again and sends the end of its last transaction again, with or without its begin.
    Resend {
        skip: u64,
        begin: bool,
    },
    /// A partition goes away and comes back; meanwhile somebody else read so many records, or none were committed.
    Rebalance {
        at: usize,
        back: usize,
        ahead: usize,
    },
    Unreadable(usize),
    /// So many of the records that were read.
    Truncate(usize, usize),
    Brokers(bool),
}

fn step(lossy: bool) -> impl Strategy<Value = Step> {
    let arrives = if lossy {
        prop_oneof![9 => Just(true), 1 => Just(false)].boxed()
    } else {
        Just(true).boxed()
    };
    prop_oneof![
        6 => prop::collection::vec(arrives, 1..80).prop_map(Step::Commit),
        6 => (0..4usize, 1..40usize).prop_map(|(at, count)| Step::Read(at, count)),
        4 => (1..2 * WITHIN).prop_map(Step::Pass),
        1 => (0..4usize).prop_map(Step::Stall),
        1 => (0..4usize).prop_map(Step::Flow),
        1 => (0..80u64, any::<bool>()).prop_map(|(skip, begin)| Step::Resend { skip, begin }),
        1 => (0..4usize, 0..50usize, 0..50usize)
            .prop_map(|(at, back, ahead)| Step::Rebalance { at, back, ahead }),
        1 => (1..4usize).prop_map(Step::Unreadable),
        1 => (1..4usize, 1..50usize).prop_map(|(at, count)| Step::Truncate(at, count)),
        1 => any::<bool>().prop_map(Step::Brokers),
    ]
}

/// The transaction that was committed last; none is numbered 0.
#[derive(Debug, Default)]
struct Committed {
    number: u64,
    members: u64,
}

fn play(world: &mut World, step: &Step, last: &mut Committed) {
    match step {
        Step::Commit(arrives) => {
            last.number = world.commit(arrives);
            last.members = arrives.len() as u64;
        }
        Step::Read(at, count) => world.read(*at, *count),
        Step::Pass(seconds) => world.pass(*seconds),
        Step::Stall(at) => world.stall(*at),
        Step::Flow(at) => world.flow(*at),
        Step::Resend { skip, begin } => {
            let (number, count) = (last.number, last.members);
            if number == 0 {
                return;
            }
            if *begin {
                world.send_boundary(number, None);
            }
            for order in 1 + (*skip).min(count)..=count {
                world.send_member(number, order);
            }
            world.send_boundary(number, Some(count));
        }
        Step::Rebalance { at, back, ahead } => {
            world.revoke(*at);
            let end = world.len(*at);
            world.read[*at] = (world.read[*at].saturating_sub(*back) + ahead).min(end);
            world.assign(*at);
        }
        Step::Unreadable(at) => world.send(*at, Data::Unreadable),
        Step::Truncate(at, count) => world.truncate(*at, *count),
        Step::Brokers(answer) => world.brokers_answer = *answer,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn p5_nothing_that_arrives_is_ever_called_missing(
        steps in prop::collection::vec(step(false), 1..120),
        small in any::<bool>(),
    ) {
        let few = MembersLimits { open_max: 3, words_max: 4, closed_max: 2 };
        let limits = if small { few } else { MembersLimits::default() };
        let mut world = World::settled_within(3, limits);
        let mut last = Committed::default();
        for step in &steps {
            play(&mut world, step, &mut last);
            world.take();
            prop_assert_eq!(&world.missing, &[], "after {:?}", step);
        }
        world.pass(5 * WITHIN);
        world.read_all();
        world.pass(5 * WITHIN);
        prop_assert_eq!(&world.missing, &[]);
    }

    #[test]
    fn p5_what_is_lost_while_all_is_well_is_always_told(
        commits in prop::collection::vec(
            prop::collection::vec(prop_oneof![9 => Just(true), 1 => Just(false)], 1..80), 1..30),
        reads in prop::collection::vec((0..4usize, 1..40usize), 0..60),
    ) {
        let mut world = World::settled(3);
        for arrives in &commits {
            world.commit(arrives);
        }
        for (at, count) in reads {
            world.read(at, count);
            world.pass(1);
        }
        world.read_all();
        world.pass(3 * WITHIN);
        let lossy = commits.iter().filter(|it| it.contains(&false)).count() as u64;
        let expected = Outcomes { complete: 1 + commits.len() as u64 - lossy, missing: lossy, unjudged: 0 };
        prop_assert_eq!(world.outcomes, expected);
        let told: u64 = world.missing.iter().map(|it| it.transactions).sum();
        prop_assert_eq!(told, lossy);
    }
}
