//! The canary: what its family is, and that it meets nobody else's.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use freshet_core::change::{Change, Op};
use freshet_core::purge::PurgeSet;
use freshet_core::registry::{Registry, Target, Tier};
use freshet_core::resolve::resolve;
use freshet_core::table::Engine;
use freshet_registry::canary::{Canary, CanaryError};

const SOURCE: &str = "\
database: shop
engine: mariadb
tables:
  - table: shop.public.items
    replica_identity: full
    primary_key: [id]
    columns: [{ name: id, type: bigint, nullable: false }]
";
const FAMILY: &str = "\
family: catalog.item
schema_version: 1
owner: { team: testers }
lifecycle: active
freshness: { class: strict, within: 1s, objective: 99.9%, window: 28d }
max_ttl: 1h
redis: { target: main, keys: [\"catalog:v1:item:{id}\"] }
sources: [{ table: shop.public.items, bind: { id: id } }]
";

fn registry() -> Registry {
    let files = [
        ("sources/shop.yaml", SOURCE),
        ("families/item.yaml", FAMILY),
    ];
    let files = files.map(|(path, text)| (PathBuf::from(path), text.to_owned()));
    let loaded = freshet_registry::load_files(files.to_vec());
    loaded.expect("a registry").registry
}

fn canary(database: &str) -> Canary {
    let target = |name: &str, tier| Target {
        name: Arc::from(name),
        tier,
    };
    Canary {
        database: Arc::from(database),
        table: Arc::from(format!("{database}.public.freshet_canary")),
        topic: None,
        engine: None,
        within: Duration::from_secs(60),
        targets: vec![target("main", Tier::Store), target("edge", Tier::Edge)],
    }
}

#[test]
fn any_change_of_the_row_purges_one_name_at_each_target() {
    let registry = canary("shop").add_to(registry()).expect("added");
    let topics: Vec<&str> = registry.topics().collect();
    assert_eq!(topics, ["shop.public.items", "shop.public.freshet_canary"]);
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
                ("main", "freshet:canary:shop:main"),
                ("edge", "freshet-canary-shop")
            ],
            "{op:?}"
        );
    }
    let families: Vec<&str> = registry.families.iter().map(|it| &*it.name).collect();
    assert_eq!(
        families,
        [
            "catalog.item",
            "freshet.canary.shop.main",
            "freshet.canary.shop.edge"
        ]
    );
}

#[test]
fn what_the_registry_does_not_know_is_asked_for() {
    let other = canary("billing");
    let refused = other.add_to(registry()).expect_err("nobody knows billing");
    assert_eq!(refused, CanaryError::UnknownEngine(Arc::from("billing")));
    let engine = Some(Engine::Postgres);
    let with = Canary { engine, ..other }.add_to(registry()).expect("said");
    let twice = canary("shop").add_to(canary("shop").add_to(with).expect("added"));
    assert!(matches!(twice, Err(CanaryError::Taken(_))));
}
