//! The whole way of a change costs next to no allocation: what there is, is paid once a round.

mod steady;

use std::sync::Arc;

use steady::{envelopes, run_in_one_thread};

#[test]
fn a_steady_load_allocates_nothing_per_event() {
    let values = Arc::new(envelopes(4096));
    // Starting and stopping is in both; what is between is steady.
    let run = |events| allocation_counter::measure(|| run_in_one_thread(&values, events));
    let (few, many) = (run(20_480), run(61_440));
    let each = (many.count_total - few.count_total) as f64 / 40_960.0;
    assert!(each < 0.005, "{each} allocations an event");
}
