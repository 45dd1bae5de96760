//! A family with five places in three tiers, from its files to its servers: what each was asked and when, and what
//! [`Settled`] says of it.
//!
//! A CDN is purged through a topic. The round of the change says when its purges were stored there, and the round of
//! the topic says what the CDN answered. What is promised across tiers is the order on the servers behind a Redis, and
//! the order in the topics behind a CDN.

mod world;

use std::sync::Arc;

use freshet_core::position::WallMicros;
use freshet_core::purge::PurgeOutcome;
use freshet_core::registry::Tier;
use freshet_pipeline::settled::{PlaceSettled, Settled, Stored};

use world::{Monitor, Running, SlowClock, World, shown, shown_places};

const PLACES: &str = "\
places:
  - { target: main, keys: [\"catalog:v1:item:{id}\"] }
  - { target: sessions, keys: [\"catalog:v1:open:{id}\", \"catalog:v1:seen:{id}\"] }
  - { target: varnish, tier: shield, tags: [\"item-{id}\"] }
  - { target: zone, tags: [\"item-{id}\", \"category-{category}\"] }
  - { target: pages, tags: [\"page-{id}\", \"listing-{id}\"], family_tag: pages }
";

/// What the CDNs answer, each in the round of its own topic.
const ANSWERED: [&str; 3] = [
    "pages Edge [page-1 listing-1] attempts 1, purged 1, nothing_cached 1, stored Nothing",
    "varnish Shield [item-1] attempts 1, purged 1, stored Nothing",
    "zone Edge [item-1 category-7] attempts 1, purged 2, stored Nothing",
];

/// The one round of a change, and those of the CDNs' topics.
fn of_change(rounds: &[Arc<Settled>]) -> (&Settled, Vec<&Settled>) {
    let rounds = rounds.iter().map(|round| &**round);
    let (of_changes, of_topics): (Vec<_>, Vec<_>) =
        rounds.partition(|round| !round.changes().is_empty());
    let [of_change] = of_changes[..] else {
        panic!("{} rounds of changes", of_changes.len());
    };
    (of_change, of_topics)
}

/// What the rounds of topics say, by the name of the place.
fn answers(rounds: &[&Settled]) -> Vec<String> {
    let mut answers: Vec<String> = rounds
        .iter()
        .flat_map(|round| shown_places(round))
        .collect();
    answers.sort();
    answers
}

fn place<'r>(round: &'r Settled, name: &str) -> &'r PlaceSettled {
    let is_named = |place: &&PlaceSettled| {
        round
            .name_of(place.target)
            .is_some_and(|found| **found == *name)
    };
    let mut found = round.places().iter().filter(is_named);
    let place = found
        .next()
        .unwrap_or_else(|| panic!("no {name} among {:?}", shown_places(round)));
    assert!(
        found.next().is_none(),
        "{name} is there twice: {:?}",
        shown_places(round)
    );
    place
}

/// What a backlog has done at a place: at a Redis itself, at a CDN through its topic.
fn repeated<'r>(rounds: &'r [Arc<Settled>], name: &str) -> Option<&'r PlaceSettled> {
    let rounds = rounds.iter().filter(|round| round.changes().is_empty());
    let mut places =
        rounds.flat_map(|round| round.places().iter().map(move |place| (round, place)));
    let is_repeated = |(round, place): &(&Arc<Settled>, &PlaceSettled)| {
        let is_done = place.tier == Tier::Store || place.attempts == 0;
        is_done
            && round
                .name_of(place.target)
                .is_some_and(|found| **found == *name)
    };
    places.find(is_repeated).map(|(_, place)| place)
}

fn assert_in_order(round: &Settled, inner: &[&str], outer: &[&str]) {
    for (inner, outer) in inner
        .iter()
        .flat_map(|inner| outer.iter().map(move |outer| (inner, outer)))
    {
        let (answered, accepted) = (place(round, inner).answered, place(round, outer).accepted);
        assert!(
            answered <= accepted,
            "{outer} was begun before {inner} had answered"
        );
    }
}

fn assert_settled_in_tiers(change: &Settled) {
    let mut places = shown_places(change);
    // The places of a tier answer in any order.
    places[..2].sort();
    places[3..].sort();
    let wanted = [
        "main Store [catalog:v1:item:1] attempts 1, purged 1, stored Nothing",
        "sessions Store [catalog:v1:open:1 catalog:v1:seen:1] attempts 1, purged 2, stored Nothing",
        "varnish Shield [item-1] attempts 0, stored Nothing",
        "pages Edge [page-1 listing-1] attempts 0, stored Nothing",
        "zone Edge [item-1 category-7] attempts 0, stored Nothing",
    ];
    assert_eq!(places, wanted);
    assert_in_order(change, &["main", "sessions"], &["varnish", "zone", "pages"]);
    assert_in_order(change, &["varnish"], &["zone", "pages"]);
}

/// By the clocks of the servers. Those of the stores come before all others.
fn assert_stores_were_asked_first(asked: &[String]) {
    let (mut stores, mut cdns) = (asked[..2].to_vec(), asked[2..].to_vec());
    stores.sort();
    cdns.sort();
    assert_eq!(
        stores,
        [
            "main catalog:v1:item:1",
            "sessions catalog:v1:open:1 catalog:v1:seen:1"
        ]
    );
    assert_eq!(
        cdns,
        [
            "pages listing-1",
            "pages page-1",
            "varnish item-1",
            "zone item-1 category-7"
        ]
    );
}

#[test]
fn a_change_purges_five_places_tier_by_tier_and_settled_names_each() {
    let world = World::new(PLACES, "20s");
    world.fill();
    let monitors = [("main", &world.main), ("sessions", &world.sessions)]
        .map(|(place, redis)| Monitor::start(place, redis));
    let mut running = Running::start(&world, SlowClock::new().clock());
    world.change(1, 7);
    let rounds = running.rounds("the change and three topics", |rounds| rounds.len() == 4);
    let (change, topics) = of_change(&rounds);

    assert_settled_in_tiers(change);
    assert_eq!(answers(&topics), ANSWERED);

    running.assert_caused_by_one_record(&rounds);
    let [changed] = change.changes() else {
        panic!("{:?}", change.changes());
    };
    assert_eq!(running.family_of(changed), "catalog.item");
    assert_eq!(changed.committed, WallMicros::from_millis(1_000));
    let stores = change
        .places()
        .iter()
        .filter(|place| place.tier == Tier::Store);
    let stored_at = stores.map(|place| place.answered).max().expect("two");
    for round in topics {
        assert!(
            round.begun() >= stored_at,
            "a topic was read before its record was written"
        );
    }

    assert_stores_were_asked_first(&world.asked_in_order(monitors));
    world.assert_only_the_item_is_gone();

    world.change(2, 7);
    let later = running.rounds("the next change", |rounds| rounds.len() == 4);
    let (first, next) = (change.positions()[0], of_change(&later).0.positions()[0]);
    assert_eq!(first.stream, next.stream);
    assert!(first.ordinal < next.ordinal, "{first:?} {next:?}");
    running.stop();
}

#[test]
fn a_place_that_is_down_and_one_that_refuses_change_nothing_for_the_others() {
    let (mut world, clock) = (World::new(PLACES, "300ms"), SlowClock::new());
    world.fill();
    world.sessions.stop();
    world.refuse("category-7");
    let mut running = Running::start(&world, clock.clock());
    world.change(1, 7);
    let rounds = running.rounds("the change and three topics", |rounds| rounds.len() == 4);
    let (change, topics) = of_change(&rounds);

    let sessions = place(change, "sessions");
    assert_eq!(
        (sessions.stored, sessions.outcomes),
        (Stored::All, Default::default())
    );
    assert!(sessions.done.is_empty(), "{sessions:?}");
    assert_eq!(
        shown(change, place(change, "main")),
        "main Store [catalog:v1:item:1] attempts 1, purged 1, stored Nothing"
    );
    // Both tags, each alone, and what the family has there in place of the refused one.
    let refused = "zone Edge [item-1 category-7] attempts 4, purged 2, refused 1, stored Nothing";
    assert_eq!(answers(&topics), [ANSWERED[0], ANSWERED[1], refused]);
    let asked = world.asked_in_order([]).into_iter();
    let of_zone: Vec<String> = asked.filter(|names| names.starts_with("zone")).collect();
    let wanted = [
        "zone item-1 category-7",
        "zone item-1",
        "zone category-7",
        "zone catalog.item",
    ];
    assert_eq!(of_zone, wanted);

    world.sessions.restart().expect("redis");
    clock.hurry();
    // The purges of outer tiers are records of their own behind those of the Redis.
    let rounds = running.rounds("the backlog", |rounds| {
        let is_there = |name: &&str| repeated(rounds, name).is_some();
        ["sessions", "varnish", "zone", "pages"]
            .iter()
            .all(is_there)
    });
    let sessions = repeated(&rounds, "sessions").expect("waited for");
    let purged = sessions.outcomes.count(PurgeOutcome::Purged);
    assert_eq!((sessions.stored, purged), (Stored::Nothing, 2));
    for outer in ["varnish", "zone", "pages"] {
        let outer = repeated(&rounds, outer).expect("waited for");
        assert!(
            sessions.answered <= outer.accepted,
            "{outer:?} before {sessions:?}"
        );
    }
    running.stop();
}
