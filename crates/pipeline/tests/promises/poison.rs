//! P4: what cannot be read and what is refused holds nothing up.

use freshet_core::position::WallMicros;
use freshet_core::registry::{PurgeMode, Scope};
use freshet_wire::{DeadLetter, OuterPurges, PurgeRequest, RequestedPurge};

use crate::support::running::DEAD_LETTERS;
use crate::support::{insert, until};
use crate::world::{LANE_TOPIC, World};

#[test]
fn p4_poison_is_put_aside_and_its_family_is_purged() {
    let world = World::new();
    world.changes.push("{ this is not a change");
    world.changes.push(insert(2, 8));
    let running = world.start();
    until("poison does not block", || {
        world.changes.committed() == Some(1)
    });
    assert!(
        world
            .redis
            .purged()
            .contains(&"catalog:v1:item:*".to_owned()),
        "family scope"
    );
    assert!(
        world
            .redis
            .purged()
            .contains(&"catalog:v1:item:2".to_owned())
    );
    until("edge family", || {
        world.edge.purged().contains(&"catalog.item".to_owned())
    });
    let letters = world.outbox.topic(DEAD_LETTERS).values();
    assert_eq!(letters.len(), 1);
    let letter = DeadLetter::decode(&letters[0]).expect("readable");
    assert_eq!(
        (letter.topic.as_str(), letter.offset),
        ("shop.public.items", 0)
    );
    assert_eq!(letter.families, ["catalog.item"]);
    assert!(
        !letter.detail.contains("this is not"),
        "row data in {}",
        letter.detail
    );
    assert!(running.stop());
}

#[test]
fn p4_a_refused_purge_is_isolated_and_widened() {
    let world = World::new();
    world.edge.refuse("category-13");
    for category in 10..20 {
        world.changes.push(insert(category, category));
    }
    let running = world.start();
    let all_but_one = || {
        (10..20)
            .filter(|it| *it != 13)
            .all(|it| world.edge.purged().contains(&format!("category-{it}")))
    };
    until("the others are purged", all_but_one);
    until("the family is purged instead", || {
        world.edge.purged().contains(&"catalog.item".to_owned())
    });
    until("told", || world.outbox.topic(DEAD_LETTERS).len() == 1);
    let lane = world.outbox.topic(LANE_TOPIC);
    until("lane settled", || {
        lane.committed() == Some(lane.len() as u64 - 1)
    });
    assert!(running.stop());
}

/// Purges of an edge family in a request, as a process of an earlier registry left them.
fn left_behind(names: &[&str]) -> PurgeRequest {
    let purges = names.iter().map(|name| RequestedPurge {
        family: "catalog.gone".to_owned(),
        scope: Scope::Tag,
        mode: PurgeMode::Hard,
        name: name.as_bytes().to_vec(),
        committed: WallMicros(0),
        cause: None,
    });
    PurgeRequest {
        target: "edge".to_owned(),
        revision: "an earlier one".to_owned(),
        purges: purges.collect(),
        then: vec![OuterPurges {
            target: "a target that is gone".to_owned(),
            purges: Vec::new(),
        }],
        requested: WallMicros(1),
    }
}

#[test]
fn requests_of_a_family_that_the_registry_forgot_are_purged_all_the_same() {
    let world = World::new();
    world.edge.refuse("refused-1");
    let lane = world.outbox.topic(LANE_TOPIC);
    lane.push(left_behind(&["gone-1", "refused-1", "gone-2"]).encode());
    lane.push(left_behind(&["gone-3"]).encode());
    let running = world.start();
    until("the lane moves on", || lane.committed() == Some(1));
    let purged = world.edge.purged();
    for name in ["gone-1", "gone-2", "gone-3"] {
        assert!(purged.contains(&name.to_owned()), "{name}: {purged:?}");
    }
    // What is refused is put aside. There is no family left whose scope could be purged for it.
    let letters = world.outbox.topic(DEAD_LETTERS).values();
    let letters: Vec<DeadLetter> = letters
        .iter()
        .map(|letter| DeadLetter::decode(letter).expect("readable"))
        .collect();
    let reasons: Vec<&str> = letters.iter().map(|it| it.reason.as_str()).collect();
    assert_eq!(reasons, ["refused"]);
    assert!(running.stop());
}

/// A beacon was called a canary, and so were its family, its tag and its entry. What is stored under these names takes
/// nothing with it that is read.
#[test]
fn p2_beats_that_an_earlier_release_asked_for_are_purged_and_nothing_else() {
    let world = World::new();
    let of = |target: &str, scope, name: &str| {
        let mut request = left_behind(&[name]);
        request.target = target.to_owned();
        request.then = Vec::new();
        for purge in &mut request.purges {
            purge.family = format!("freshet.canary.shop.{target}");
            purge.scope = scope;
        }
        request.encode()
    };
    let lane = world.outbox.topic(LANE_TOPIC);
    lane.push(of("edge", Scope::Tag, "freshet-canary-shop"));
    let backlog = world.outbox.topic("freshet.backlog.main");
    let entry = "freshet:canary:shop:main";
    backlog.push(of("main", Scope::Keys, entry));
    backlog.push(of("main", Scope::Family, entry));
    let running = world.start();
    until("the lane moves on", || lane.committed() == Some(0));
    until("the backlog moves on", || backlog.committed() == Some(1));
    assert_eq!(world.edge.purged(), ["freshet-canary-shop"]);
    let purged = world.redis.purged();
    let is_one = |name: &String| name == entry || *name == format!("{entry}*");
    assert!(purged.iter().all(is_one), "{purged:?}");
    assert!(purged.contains(&entry.to_owned()), "{purged:?}");
    assert!(world.outbox.topic(DEAD_LETTERS).values().is_empty());
    assert!(running.stop());
}

/// Earlier releases named a Redis family by a prefix, beneath which other families may have their entries.
#[test]
fn p13_a_prefix_of_an_earlier_release_is_purged_as_the_names_of_its_family() {
    let world = World::new();
    let lane = world.outbox.topic("freshet.backlog.main");
    for (family, prefix) in [
        ("catalog.item", "catalog:v1:item:"),
        // Its entries have been called otherwise since.
        ("catalog.item", "catalog:v0:item:"),
        // The registry has forgotten it, and nobody else has entries there.
        ("catalog.gone", "catalog:v1:gone:"),
        // The registry has forgotten it, and somebody else has.
        ("catalog.gone", "catalog:v1:"),
        ("catalog.gone", "catalog:v1:item:7"),
    ] {
        let purge = RequestedPurge {
            family: family.to_owned(),
            scope: Scope::Family,
            mode: PurgeMode::Hard,
            name: prefix.as_bytes().to_vec(),
            committed: WallMicros(0),
            cause: None,
        };
        let request = PurgeRequest {
            target: "main".to_owned(),
            purges: vec![purge],
            then: Vec::new(),
            ..left_behind(&[])
        };
        lane.push(request.encode());
    }
    let running = world.start();
    until("the lane moves on", || lane.committed() == Some(4));
    let mut purged = world.redis.purged();
    purged.sort();
    purged.dedup();
    let wanted = [
        "catalog:v0:item:*",
        "catalog:v1:*",
        "catalog:v1:gone:*",
        "catalog:v1:item:*",
    ];
    assert_eq!(purged, wanted);
    assert!(running.stop());
}

#[test]
fn requests_that_cannot_be_read_purge_every_family_of_their_target() {
    let good = left_behind(&["gone-1"]).encode();
    let (header, _) = good.split_at(10);
    let newer = [&[0xc3, 0x01], &[7; 8][..], b"what a newer release says"].concat();
    // Two empty strings, then an array that says it has 2^62 purges.
    let endless = [header, &[0, 0], &[0xff; 8], &[0x7f]].concat();
    let records = [
        newer,
        endless,
        good[..good.len() / 2].to_vec(),
        vec![0xff; 1_000_000],
        Vec::new(),
        b"{\"purges\":[]}".to_vec(),
    ];
    for record in records {
        let told = format!("{:?}", &record[..record.len().min(20)]);
        let world = World::new();
        let lane = world.outbox.topic(LANE_TOPIC);
        lane.push(record);
        lane.push(left_behind(&["gone-1"]).encode());
        let running = world.start();
        until(&told, || lane.committed() == Some(1));
        let purged = world.edge.purged();
        assert!(purged.contains(&"catalog.item".to_owned()), "{told}");
        assert!(purged.contains(&"gone-1".to_owned()), "{told}");
        assert!(world.redis.purged().is_empty(), "an inner target: {told}");
        let letters = world.outbox.topic(DEAD_LETTERS).values();
        let letter = DeadLetter::decode(&letters[0]).expect("readable");
        assert_eq!(letter.reason, "bad_request", "{told}");
        assert_eq!(letter.families, ["catalog.item"], "{told}");
        assert_eq!(letters.len(), 1, "{told}");
        assert!(running.stop());
    }
}

/// What is lost of a lane's topic were purges of any family at its target.
#[test]
fn p5_a_gap_in_a_lane_s_topic_purges_every_family_of_its_target() {
    let world = World::new();
    let lane = world.outbox.topic(LANE_TOPIC);
    lane.push(left_behind(&["gone-1"]).encode());
    let running = world.start();
    until("the lane moves", || lane.committed() == Some(0));
    assert!(!world.edge.purged().contains(&"catalog.item".to_owned()));
    lane.lose();
    until("the families of the edge are purged", || {
        world.edge.purged().contains(&"catalog.item".to_owned())
    });
    assert!(world.redis.purged().is_empty(), "an inner target");
    until("proven again", || {
        running.status.is_ready("family catalog.item")
    });
    assert!(running.stop());
}

/// A topic's own gap, of a record that nobody may fetch.
#[test]
fn p4_a_record_that_cannot_be_fetched_purges_its_families() {
    let world = World::new();
    world.changes.push(insert(1, 7));
    let running = world.start();
    until("it flows", || world.changes.committed() == Some(0));
    assert_eq!(world.redis.purged(), ["catalog:v1:item:1"]);
    world.changes.lose();
    until("the family is purged", || {
        world
            .redis
            .purged()
            .contains(&"catalog:v1:item:*".to_owned())
            && world.edge.purged().contains(&"catalog.item".to_owned())
    });
    assert!(running.stop());
}
