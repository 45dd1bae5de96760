use freshet_shop::Rule;

use super::*;

fn rules(within_ms: [u64; 3]) -> Rules {
    let [product, category, listing] = within_ms.map(|millis| Rule {
        max_ttl: Duration::from_secs(3_600),
        within: Duration::from_millis(millis),
    });
    Rules {
        product,
        category,
        listing,
    }
}

#[test]
fn answers_are_counted_by_how_stale_they_are() {
    let tally = Tally::new(rules([500; 3]));
    for age_us in [0, 50_000, 100_000, 100_001, 500_000, 500_001, 1_000_001] {
        tally.read_redis(Family::Product, AnswerFrom::Cache, age_us);
    }
    tally.read_redis(Family::Listing, AnswerFrom::Refused, 0);
    tally.read_edge(Family::Listing, true, 100_001);
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
    let tally = Tally::new(rules([1_000, 2_000, 3_000]));
    for (family, seconds) in [
        (Family::Product, 1),
        (Family::Category, 2),
        (Family::Listing, 3),
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
