use super::*;

const ENTRY: Entry = Entry::Product(1);

fn ledger(commits_us: &[u64]) -> FreshnessLedger {
    let mut ledger = FreshnessLedger::default();
    for (at, commit_us) in commits_us.iter().enumerate() {
        let outdated = [(ENTRY, at as u64 + 1)];
        ledger.committed(&outdated, Span::at(*commit_us));
    }
    ledger
}

#[test]
fn an_answer_ages_from_the_first_commit_that_outdated_it() {
    let ledger = ledger(&[100, 200, 300]);
    assert_eq!(ledger.age_us(ENTRY, 0, 350), 250);
    assert_eq!(ledger.age_us(ENTRY, 1, 350), 150);
    assert_eq!(ledger.age_us(ENTRY, 2, 350), 50);
    assert_eq!(ledger.age_us(ENTRY, 3, 350), 0, "the newest is fresh");
    assert_eq!(
        ledger.age_us(ENTRY, 4, 350),
        0,
        "what is committing right now is fresh"
    );
    assert_eq!(
        ledger.age_us(ENTRY, 2, 299),
        0,
        "it was fresh when it was asked for"
    );
    assert_eq!(ledger.age_us(Entry::Product(2), 0, 350), 0);
}

#[test]
fn a_purge_is_good_for_every_commit_before_it() {
    let mut ledger = ledger(&[100, 200, 300]);
    ledger.purged(ENTRY, 250);
    assert_eq!(ledger.missing(), [ENTRY]);
    ledger.purged(ENTRY, 301);
    assert_eq!(ledger.missing(), []);
    let total = ledger.total();
    assert_eq!((total.expected, total.arrived), (3, 3));
    assert_eq!(
        (total.freshness_us.min(), total.freshness_us.max()),
        (1, 150)
    );
    ledger.purged(ENTRY, 400);
    assert_eq!(
        ledger.total().arrived,
        3,
        "a purge nobody waits for counts for nothing"
    );
}

#[test]
fn a_purge_before_the_commit_is_not_its_purge() {
    let mut ledger = ledger(&[100]);
    ledger.purged(ENTRY, 99);
    assert_eq!(ledger.missing(), [ENTRY]);
    assert_eq!(ledger.total().arrived, 0);
}

/// A commit that a purge overtook; `before_us` is when the entry's commit before it was done. The database tells
/// the log before it tells the client, and either may be slow.
fn overtaken(before_us: u64, told_late: bool) -> FreshnessLedger {
    let commit = Span {
        sent_us: 1_000_080,
        done_us: 1_000_100,
    };
    let mut ledger = ledger(&[before_us]);
    ledger.purged(ENTRY, before_us);
    ledger.count_anew();
    ledger.sent(&[(ENTRY, 2)], commit.sent_us);
    if !told_late {
        ledger.purged(ENTRY, 1_000_090);
    }
    ledger.committed(&[(ENTRY, 2)], commit);
    if told_late {
        ledger.purged(ENTRY, 1_000_090);
    }
    ledger
}

#[test]
fn a_purge_that_overtakes_the_word_of_its_commit_is_not_missed() {
    for (before_us, told_late) in [
        (10, false),
        (10, true),
        (1_000_000, false),
        (1_000_000, true),
    ] {
        let mut ledger = overtaken(before_us, told_late);
        assert_eq!(ledger.missing(), []);
        ledger.settle_overtaken();
        let total = ledger.total();
        assert_eq!((total.expected, total.arrived, total.overtook), (1, 1, 1));
        assert_eq!(total.freshness_us.max(), 0);
    }
}

#[test]
fn a_purge_that_overtakes_may_be_an_earlier_one_and_the_next_tells() {
    let late_us = 1_000_100 + OVERTAKEN_MAX_US + 1;
    let cases = [
        (1_000_000, 1_000_150, 0, 50),
        (1_000_000, late_us, 1, 0),
        // The commit before is long done: no other purge can have been under way.
        (10, 1_000_150, 1, 0),
    ];
    for (before_us, next_us, overtook, freshness_us) in cases {
        for told_late in [false, true] {
            let mut ledger = overtaken(before_us, told_late);
            ledger.purged(ENTRY, next_us);
            ledger.settle_overtaken();
            let total = ledger.total();
            assert_eq!(
                (total.arrived, total.overtook),
                (1, overtook),
                "{before_us} {next_us}"
            );
            assert_eq!(
                total.freshness_us.max(),
                freshness_us,
                "{before_us} {next_us}"
            );
        }
    }
}

#[test]
fn a_purge_from_before_the_transaction_overtakes_nothing() {
    let mut ledger = FreshnessLedger::default();
    ledger.sent(&[(ENTRY, 1)], 80);
    ledger.purged(ENTRY, 79);
    ledger.committed(
        &[(ENTRY, 1)],
        Span {
            sent_us: 80,
            done_us: 100,
        },
    );
    assert_eq!(ledger.missing(), [ENTRY]);
    ledger.purged(ENTRY, 100);
    assert_eq!((ledger.total().arrived, ledger.total().overtook), (1, 0));
}

#[test]
fn seconds_start_anew_and_the_total_goes_on() {
    let mut ledger = ledger(&[100]);
    assert_eq!(ledger.take_second().expected, 1);
    ledger.purged(ENTRY, 130);
    let second = ledger.take_second();
    assert_eq!(
        (second.expected, second.arrived, second.freshness_us.max()),
        (0, 1, 30)
    );
    assert_eq!(ledger.take_second().arrived, 0);
    assert_eq!(ledger.total().arrived, 1);
}

#[test]
fn a_long_history_forgets_its_beginning_and_never_ages_too_much() {
    let times: Vec<u64> = (1..=HISTORY_MAX as u64 + 10).map(|at| at * 10).collect();
    let ledger = ledger(&times);
    let now = 100_000;
    let newest = times.len() as u64;
    assert_eq!(ledger.age_us(ENTRY, newest, now), 0);
    assert_eq!(ledger.age_us(ENTRY, newest - 1, now), now - newest * 10);
    assert_eq!(
        ledger.age_us(ENTRY, 0, now),
        now - 110,
        "counted from the oldest end remembered"
    );
}
