//! What memory is spent on, and what is given up when it is not enough.

use freshet_core::members::MembersLimits;

use crate::world::{SETTLED, WITHIN, World};

/// One that judges from here on, and remembers so many transactions and words.
fn world(open_max: usize, words_max: usize) -> World {
    let limits = MembersLimits {
        open_max,
        words_max,
        ..MembersLimits::default()
    };
    World::settled_within(1, limits)
}

#[test]
fn what_is_whole_takes_no_memory() {
    // Room for one that waits, and for one that is just being read.
    let mut world = world(2, 2);
    world.commit(&[true, false]);
    for _ in 0..20 {
        world.read_all();
        world.commit(&[true; 3]);
    }
    world.read_all();
    world.pass(WITHIN);
    assert_eq!((world.outcomes.missing, world.outcomes.unjudged), (1, 0));
}

#[test]
fn the_oldest_are_given_up_and_take_no_memory_then() {
    for (open_max, words_max) in [(3, 4), (64, 2)] {
        let mut world = world(open_max, words_max);
        let numbers: Vec<u64> = (0..9)
            .map(|_| {
                let number = world.commit(&[true, false]);
                world.read_all();
                // The one behind it is whole, and needs its place only for a moment.
                world.commit(&[true]);
                world.read_all();
                number
            })
            .collect();
        world.pass(WITHIN);
        let told: Vec<_> = world
            .missing
            .iter()
            .map(|missing| (missing.transactions, missing.first.clone()))
            .collect();
        let expected = (2, World::text(numbers[7]));
        assert_eq!(told, [expected], "{open_max} {words_max}");
        assert_eq!(world.outcomes.unjudged, 7, "{open_max} {words_max}");
    }
}

#[test]
fn a_repeated_change_of_what_is_done_with_is_not_remembered() {
    let mut world = world(1, 64);
    let done = world.commit(&[true]);
    world.read_all();
    world.send_member(done, 1);
    world.read_all();
    world.commit(&[true, false]);
    world.read_all();
    world.send_boundary(done, Some(1));
    world.read_all();
    world.pass(WITHIN);
    assert_eq!((world.outcomes.missing, world.outcomes.unjudged), (1, 0));
}

#[test]
fn so_many_that_are_done_with_are_known_again() {
    let limits = MembersLimits {
        closed_max: 2,
        ..MembersLimits::default()
    };
    let mut world = World::new(1, limits);
    world.pass(SETTLED);
    let numbers: Vec<u64> = (0..3).map(|_| world.commit(&[true])).collect();
    world.read_all();
    for (number, unjudged) in [(numbers[2], 0), (numbers[1], 0), (numbers[0], 1)] {
        world.send_boundary(number, Some(1));
        world.read_all();
        world.take();
        assert_eq!(world.outcomes.unjudged, unjudged, "{number}");
    }
}
