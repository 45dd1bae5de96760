//! The whole way of a change costs next to no allocation: what there is, is paid once a round. And what makes it cheap
//! forgets nothing.

mod steady;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use steady::{Obliging, envelopes, run_in_one_thread};

#[test]
fn a_steady_load_allocates_nothing_per_event() {
    let values = Arc::new(envelopes(4096));
    // Starting and stopping is in both; what is between is steady.
    let cache = Arc::default();
    let run = |events| allocation_counter::measure(|| run_in_one_thread(&values, &cache, events));
    let (few, many) = (run(20_480), run(61_440));
    let each = (many.count_total - few.count_total) as f64 / 40_960.0;
    // A round of two thousand events has some ten: its result, its futures, its spans of positions.
    assert!(each < 0.006, "{each} allocations an event");
}

#[test]
fn p1_a_name_that_a_report_forgets_is_not_lost() {
    let (values, cache) = (Arc::new(envelopes(64)), Arc::<Obliging>::default());
    cache.forgets.store(true, Ordering::Relaxed);
    run_in_one_thread(&values, &cache, 64);
    assert!(cache.forgotten.lock().expect("unpoisoned").is_some());
    assert!(cache.remembered.load(Ordering::Relaxed), "lost");
}

#[test]
fn every_change_is_counted_though_counters_are_told_of_many_at_once() {
    let values = Arc::new(envelopes(64));
    let recorder = DebuggingRecorder::new();
    metrics::with_local_recorder(&recorder, || {
        run_in_one_thread(&values, &Arc::default(), 10_000);
    });
    let mut counted = [0, 0];
    for (key, _, _, value) in recorder.snapshotter().snapshot().into_vec() {
        let DebugValue::Counter(count) = value else {
            continue;
        };
        match key.key().name() {
            "freshet_records_total" => counted[0] += count,
            "freshet_changes_total" => counted[1] += count,
            _ => {}
        }
    }
    assert_eq!(counted, [10_000, 10_000]);
}
