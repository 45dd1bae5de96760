//! Places in a log are ordered as the database ordered them, and neither clock is ever counted backwards.

use std::time::Duration;

use freshet_core::position::{ChangeVersion, Steady, WallMicros};

#[test]
fn a_later_commit_outweighs_every_place_within_an_earlier_one() {
    let postgres = ChangeVersion::from_postgres;
    assert_eq!(postgres(1, 2), ChangeVersion((1 << 64) + 2));
    assert!(postgres(1, 1) < postgres(1, 2));
    assert!(postgres(1, u64::MAX) < postgres(2, 0));
    let binlog = ChangeVersion::from_binlog;
    assert_eq!(binlog(1, 2, 3), ChangeVersion((1 << 96) + (2 << 32) + 3));
    assert!(binlog(1, 4, 0) < binlog(1, 4, 1));
    assert!(binlog(1, 4, u32::MAX) < binlog(1, 5, 0));
    assert!(binlog(1, u64::MAX, u32::MAX) < binlog(2, 4, 0));
}

#[test]
fn steady_time_counts_in_microseconds_and_stops_at_its_ends() {
    let moment = Steady(5_000_000);
    let second = Duration::from_secs(1);
    assert_eq!(moment.plus(second), Steady(6_000_000));
    assert_eq!(moment.minus(second), Steady(4_000_000));
    assert_eq!(moment.minus(Duration::from_secs(6)), Steady(0));
    assert_eq!(moment.plus(Duration::MAX), Steady(u64::MAX));
    assert_eq!(moment.since(Steady(2_000_000)), Duration::from_secs(3));
    assert_eq!(Steady(2_000_000).since(moment), Duration::ZERO);
}

#[test]
fn wall_time_counts_in_microseconds_and_never_backwards() {
    let moment = WallMicros::from_millis(5_000);
    assert_eq!(moment, WallMicros(5_000_000));
    assert_eq!(WallMicros::from_millis(u64::MAX), WallMicros(u64::MAX));
    assert_eq!(moment.since(WallMicros(4_999_990)), 10);
    assert_eq!(WallMicros(4_999_990).since(moment), 0);
}
