//! The beacon: what its family is, and that it meets nobody else's.

use std::sync::Arc;
use std::time::Duration;

use freshet_core::change::{Change, Op};
use freshet_core::purge::PurgeSet;
use freshet_core::registry::{FamilyId, Registry, Scope, Target, Tier};
use freshet_core::resolve::resolve;
use freshet_core::table::Engine;
use freshet_core::template::NameForm;
use freshet_registry::beacon::{Beacon, BeaconError};

const SOURCE: &str = include_str!("../../../schemas/fixtures/registry/sources/shop.yaml");
const FAMILY: &str = include_str!("../../../schemas/fixtures/registry/families/item.yaml");

fn registry() -> Registry {
    registry_of(&SOURCE.replace("postgres", "mariadb"))
}

fn registry_of(source: &str) -> Registry {
    let loaded = freshet_registry::load_files(vec![
        ("sources/shop.yaml".into(), source.to_owned()),
        ("families/item.yaml".into(), FAMILY.to_owned()),
    ]);
    loaded.expect("a registry").registry
}

fn beacon(database: &str) -> Beacon {
    let target = |name: &str, tier, names| Target {
        name: Arc::from(name),
        tier,
        names,
    };
    Beacon {
        database: Arc::from(database),
        table: Arc::from(format!("{database}.public.freshet_beacon")),
        topic: None,
        engine: None,
        within: Duration::from_secs(60),
        targets: vec![
            target("main", Tier::Store, NameForm::RedisKey),
            target("edge", Tier::Edge, NameForm::SurrogateKey),
        ],
    }
}

#[test]
fn any_change_of_the_row_purges_one_name_at_each_target() {
    let registry = beacon("shop").add_to(registry()).expect("added");
    let topics: Vec<&str> = registry.topics().collect();
    assert_eq!(topics, ["shop.public.items", "shop.public.freshet_beacon"]);
    let table = registry.table_of_topic(topics[1]).expect("the table");
    assert_eq!(table.shape.engine, Engine::MySql, "as its neighbours");
    for op in [Op::Create, Op::Update, Op::Delete] {
        let change = Change {
            table: table.shape.id,
            op,
            ..Change::default()
        };
        let mut set = PurgeSet::default();
        assert!(resolve(&registry, &change, &mut set));
        let names: Vec<(&str, &str)> = set
            .iter()
            .map(|(purge, name)| {
                let target = registry.target(purge.target).expect("a target");
                (&*target.name, std::str::from_utf8(name).expect("text"))
            })
            .collect();
        assert_eq!(
            names,
            [
                ("main", "freshet:beacon:shop:main"),
                ("edge", "freshet-beacon-shop")
            ],
            "{op:?}"
        );
    }
    let families: Vec<&str> = registry.families.iter().map(|it| &*it.name).collect();
    assert_eq!(
        families,
        [
            "catalog.item",
            "freshet.beacon.shop.main",
            "freshet.beacon.shop.edge"
        ]
    );
}

#[test]
fn what_the_registry_does_not_know_is_asked_for() {
    let other = beacon("billing");
    let refused = other.add_to(registry()).expect_err("nobody knows billing");
    assert_eq!(refused, BeaconError::UnknownEngine(Arc::from("billing")));
    let engine = Some(Engine::Postgres);
    let with = Beacon { engine, ..other }.add_to(registry()).expect("said");
    let twice = beacon("shop").add_to(beacon("shop").add_to(with).expect("added"));
    assert!(matches!(twice, Err(BeaconError::Taken(_))));
}

#[test]
fn what_is_planted_lives_through_an_outage_of_hours() {
    for (within, lives) in [(60, 3_600), (360, 3_600), (600, 6_000)] {
        let within = Duration::from_secs(within);
        let beacon = Beacon {
            within,
            ..beacon("shop")
        };
        assert_eq!(beacon.ttl(), Duration::from_secs(lives), "{within:?}");
    }
}

#[test]
fn each_target_has_a_family_of_its_own_kind() {
    let beacon = beacon("shop");
    let registry = beacon.add_to(registry()).expect("added");
    assert_eq!(registry.targets.len(), 2, "`main` was there already");
    let table = &registry.tables[1];
    for (at, exact) in [(1, Scope::Keys), (2, Scope::Tag)] {
        let family = &registry.families[at];
        let places = family.places.iter().map(|place| place.exact);
        assert_eq!(places.collect::<Vec<_>>(), [exact], "{}", family.name);
        assert_eq!(family.max_ttl, beacon.ttl());
        assert_eq!(family.freshness.within, beacon.within);
        assert_eq!(family.freshness.window, Duration::from_secs(2_419_200));
        let mut bindings = table.bindings.iter();
        let own = bindings.find(|binding| binding.family == FamilyId(at as u32));
        let own = own.expect("bound");
        let names: Vec<_> = own.names.iter().map(|names| names.len()).collect();
        assert_eq!(names, [1], "{}", family.name);
    }
}

#[test]
fn a_table_that_families_bind_may_be_the_beacons() {
    let source = SOURCE.replace("items\n", "items\n    topic: all.items\n");
    let registry = registry_of(&source);
    let items = Beacon {
        table: Arc::from("shop.public.items"),
        topic: Some(Arc::from("beats")),
        ..beacon("shop")
    };
    assert_eq!(
        &*items.topic(&registry),
        "all.items",
        "as the source file says"
    );
    let beats = Beacon {
        topic: Some(Arc::from("beats")),
        ..beacon("shop")
    };
    assert_eq!(&*beats.topic(&registry), "beats");
    let spaced = Beacon {
        table: Arc::from("shop.public.a beacon"),
        ..beacon("shop")
    };
    assert_eq!(&*spaced.topic(&registry), "shop.public.a_beacon");
    let registry = items.add_to(registry).expect("added");
    assert_eq!(registry.tables.len(), 1);
    assert_eq!(registry.tables[0].bindings.len(), 3);
}
