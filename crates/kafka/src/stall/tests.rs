use std::time::{Duration, Instant};

use super::{FETCHED_WITHIN, Places, UNMOVED_FOR};
use crate::consumer_state::{Fetching, State};

const SECOND: Duration = Duration::from_secs(1);

/// A partition whose client stands at `next`, with `waiting` records fetched and not taken.
fn standing_at(next: i64, waiting: i64) -> State {
    let mut state = State::default();
    state.assign("t", 0);
    state.assigned[0].fetching = Some(Fetching { next, waiting });
    state
}

#[test]
fn p2_what_is_not_fetched_for_long_is_a_stall() {
    let (state, begun) = (standing_at(7, 0), Instant::now());
    let (assigned, mut places) = (&state.assigned, Places::default());
    places.note(assigned, &[], begun);
    assert!(
        places.unmoved(assigned, begun + SECOND).is_empty(),
        "too soon"
    );
    let asked = begun + UNMOVED_FOR;
    let question = places.unmoved(assigned, asked);
    assert_eq!(question.len(), 1);
    places.compare(&vec![(question[0].0, 9)], asked);
    places.note(assigned, &[], asked + SECOND);
    assert_eq!(
        places.stall(assigned, asked + SECOND),
        None,
        "it may be fetched yet"
    );
    // More is written, and the answer before still counts.
    places.compare(&vec![(question[0].0, 12)], asked + UNMOVED_FOR);
    let stall = places
        .stall(assigned, asked + FETCHED_WITHIN)
        .expect("a stall");
    assert_eq!(
        stall.to_string(),
        "t[0] holds records up to 12, and nothing was fetched from 7 on"
    );
}

#[test]
fn a_partition_at_rest_or_on_its_way_is_no_stall() {
    let (state, begun) = (standing_at(7, 0), Instant::now());
    let mut places = Places::default();
    let stream = state.assigned[0].stream;
    let late = begun + FETCHED_WITHIN * 10;
    places.note(&state.assigned, &[], begun);
    places.compare(&vec![(stream, 7)], begun);
    assert_eq!(places.stall(&state.assigned, late), None, "read to its end");
    // It moved after the brokers were asked.
    places.compare(&vec![(stream, 9)], begun);
    let moved = standing_at(8, 0);
    places.note(&moved.assigned, &[], begun + SECOND);
    assert_eq!(places.stall(&moved.assigned, late), None);
    // What was fetched waits for the pipeline.
    places.compare(&vec![(stream, 9)], begun);
    places.note(&standing_at(8, 1).assigned, &[], begun + SECOND);
    assert_eq!(places.stall(&moved.assigned, late), None);
}

#[test]
fn p2_a_client_that_never_began_is_a_stall() {
    let (state, begun) = (standing_at(-1001, 0), Instant::now());
    let mut places = Places::default();
    places.note(&state.assigned, &[], begun);
    places.compare(&vec![(state.assigned[0].stream, 3)], begun);
    let late = begun + FETCHED_WITHIN;
    assert!(places.stall(&state.assigned, late).is_some());
}
