use super::*;

#[test]
fn answers_are_counted_by_how_stale_they_are() {
    let objective = Duration::from_millis(500);
    let objectives = Objectives {
        product: objective,
        category: objective,
        listing: objective,
    };
    let tally = Tally::new(objectives);
    for age_us in [0, 50_000, 100_000, 100_001, 500_000, 500_001, 1_000_001] {
        tally.read_redis(FamilyName::Product, AnswerFrom::Cache, age_us);
    }
    tally.read_redis(FamilyName::Listing, AnswerFrom::Refused, 0);
    tally.read_edge(FamilyName::Listing, true, 100_001);
    let counts = tally.counts();
    let expected = Answers {
        reads: 8,
        hits: 7,
        refused_fills: 1,
        stale: 6,
        stale_100ms: 4,
        stale_1s: 1,
        beyond_objective: 2,
        stalest_us: 1_000_001,
    };
    assert_eq!(counts.redis, expected);
    assert_eq!(
        (counts.edge.stale_100ms, counts.edge.beyond_objective),
        (1, 0)
    );
}

#[test]
fn each_family_has_its_own_objective() {
    let seconds = Duration::from_secs;
    let objectives = Objectives {
        product: seconds(1),
        category: seconds(2),
        listing: seconds(3),
    };
    let tally = Tally::new(objectives);
    for (family, seconds) in [
        (FamilyName::Product, 1),
        (FamilyName::Category, 2),
        (FamilyName::Listing, 3),
    ] {
        let before = tally.counts().edge.beyond_objective;
        tally.read_edge(family, true, seconds * 1_000_000);
        assert_eq!(
            tally.counts().edge.beyond_objective,
            before,
            "{family:?} on the dot"
        );
        tally.read_edge(family, true, seconds * 1_000_000 + 1);
        assert_eq!(
            tally.counts().edge.beyond_objective,
            before + 1,
            "{family:?} beyond"
        );
    }
}
