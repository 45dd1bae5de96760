//! A family's places: several of one kind, in any tiers, each with names of its own.

mod small;

use freshet_core::change::{Change, Op};
use freshet_core::purge::PurgeSet;
use freshet_core::registry::{PurgeMode, Registry, Scope, Tier};
use freshet_core::resolve::{resolve, widen_family};
use freshet_core::table::ColumnSlot;
use freshet_core::template::NameForm;
use small::{FAMILY, SOURCE, check};

const FIVE: &str = "\
places:
  - { target: main, keys: [\"catalog:v2:item:{item_id}\"] }
  - { target: sessions, keys: [\"catalog:v2:open:{item_id}\", \"catalog:v2:index\"] }
  - { target: pages, tier: framework, tags: [\"item-{item_id}\"], family_tag: pages }
  - { target: varnish, tier: shield, tags: [\"item-{item_id}\", \"region-{region}\"] }
  - { target: fastly, tags: [\"category-{category_id}\"], mode: soft }
";

/// The family without examples, and with `places` in place of the short forms.
fn family(places: &str) -> String {
    let (rest, _examples) = FAMILY.split_once("examples:").expect("examples");
    rest.replace(short_forms(), places)
}

/// The places of the family as it stands, in the short forms.
fn short_forms() -> &'static str {
    let begin = FAMILY.find("redis:").expect("a Redis");
    let end = FAMILY.find("sources:").expect("sources");
    &FAMILY[begin..end]
}

fn registry(places: &str) -> Registry {
    let family = family(places);
    let files = [
        ("sources/shop.yaml", SOURCE),
        ("families/item.yaml", family.as_str()),
    ];
    let loaded = check(&files).unwrap_or_else(|found| panic!("{}", found.render()));
    loaded.registry
}

/// What was purged where: target, scope, mode, name.
fn listed(registry: &Registry, set: &PurgeSet) -> Vec<String> {
    let listed = set.iter().map(|(purge, name)| {
        let target = &registry.target(purge.target).expect("known").name;
        let mode = match purge.mode {
            PurgeMode::Hard => "",
            PurgeMode::Soft => " soft",
        };
        let scope = match purge.scope {
            Scope::Keys | Scope::Tag => "",
            Scope::Family => " all",
        };
        format!("{target}{scope}{mode} {}", String::from_utf8_lossy(name))
    });
    listed.collect()
}

/// An item with id 1 in category 7.
fn created(registry: &Registry) -> Change {
    let mut change = Change::default();
    let table = &registry.tables[0];
    change.reset(table.shape.id, Op::Create);
    change.after.begin(table.shape.columns.len());
    for (at, column) in table.shape.columns.iter().enumerate() {
        let text = match &*column.name {
            "id" => "1",
            "category_id" => "7",
            _ => "x",
        };
        change.after.set_text(ColumnSlot(at as u16), text);
    }
    change
}

#[test]
fn every_place_has_its_own_names_tier_and_mode() {
    let registry = registry(FIVE);
    let targets: Vec<_> = registry
        .targets
        .iter()
        .map(|it| (&*it.name, it.tier, it.names))
        .collect();
    let (key, tag) = (NameForm::RedisKey, NameForm::SurrogateKey);
    let wanted = [
        ("main", Tier::Store, key),
        ("sessions", Tier::Store, key),
        ("pages", Tier::Framework, tag),
        ("varnish", Tier::Shield, tag),
        ("fastly", Tier::Edge, tag),
    ];
    assert_eq!(targets, wanted);
    let mut set = PurgeSet::default();
    resolve(&registry, &created(&registry), &mut set);
    let wanted = [
        "main catalog:v2:item:1",
        "sessions catalog:v2:open:1",
        "sessions catalog:v2:index",
        "pages item-1",
        "varnish item-1",
        "varnish region-eu",
        "varnish region-us",
        "fastly soft category-7",
    ];
    assert_eq!(listed(&registry, &set), wanted);
}

#[test]
fn every_place_widens_to_all_that_the_family_has_there() {
    let registry = registry(FIVE);
    let mut set = PurgeSet::default();
    let family = registry.family_named("catalog.item").expect("there");
    widen_family(&registry, family, &mut set);
    let wanted = [
        "main all catalog:v2:item:*",
        "sessions all catalog:v2:open:*",
        "sessions catalog:v2:index",
        "pages all pages",
        "varnish all catalog.item",
        "fastly all soft catalog.item",
    ];
    assert_eq!(listed(&registry, &set), wanted);
}

/// A place whose names are not known is purged as a whole; the others are not.
#[test]
fn one_place_widens_without_the_others() {
    let registry = registry(FIVE);
    let mut change = created(&registry);
    let columns = registry.tables[0].shape.columns.iter();
    let category = columns
        .enumerate()
        .find(|(_, it)| &*it.name == "category_id");
    let (slot, _) = category.expect("bound");
    change.after.set_unknown(ColumnSlot(slot as u16));
    let mut set = PurgeSet::default();
    resolve(&registry, &change, &mut set);
    let listed = listed(&registry, &set);
    assert!(
        listed.contains(&"fastly all soft catalog.item".to_owned()),
        "{listed:?}"
    );
    assert!(listed.contains(&"varnish item-1".to_owned()), "{listed:?}");
    assert_eq!(listed.len(), 8, "{listed:?}");
}

#[test]
fn the_short_forms_are_places_too() {
    let short = registry(short_forms());
    let long = registry(
        "places:\n\
         - { target: main, keys: [\"catalog:v2:item:{item_id}:region:{region}\"] }\n\
         - { target: edge, tags: [\"item-{item_id}\", \"category-{category_id}\"], mode: soft }\n",
    );
    let purged = |registry: &Registry| {
        let mut set = PurgeSet::default();
        resolve(registry, &created(registry), &mut set);
        listed(registry, &set)
    };
    assert_eq!(purged(&short), purged(&long));
    let both =
        format!("{}{FIVE}", short_forms()).replace("target: main, keys", "target: third, keys");
    let both = both.replace(
        "catalog:v2:item:{item_id}\"",
        "catalog:v2:third:{item_id}\"",
    );
    assert_eq!(registry(&both).families[0].places.len(), 7);
}

/// What is found in the family with other places, as code and place.
fn found(places: &str) -> Vec<String> {
    let family = family(places);
    let edge = "places: [{ target: edge, tier: shield, tags: [\"page-{item_id}\"] }]\n";
    let other = family
        .replace(places, edge)
        .replace("catalog.item", "catalog.page");
    let files = [
        ("sources/shop.yaml", SOURCE),
        ("families/item.yaml", family.as_str()),
        ("families/page.yaml", other.as_str()),
    ];
    let Err(found) = check(&files) else {
        return Vec::new();
    };
    let errors = found.iter().filter(|it| it.code != "FR0013");
    let errors = errors.map(|it| format!("{} {}:{}", it.code, it.place.line, it.place.column));
    errors.collect()
}

#[test]
fn what_is_no_place_is_refused_where_it_stands() {
    let key = "catalog:v2:item:{item_id}:region:{region}{category_id}";
    let tag = "item-{item_id}-{region}-{category_id}";
    for (place, wanted) in [
        (
            format!("target: main, keys: [\"{key}\"], tags: [\"{tag}\"]"),
            "FR0024 9:15",
        ),
        ("target: main".to_owned(), "FR0024 1:9"),
        ("target: main, keys: []".to_owned(), "FR0024 1:9"),
        (
            format!("target: main, keys: [\"{key}\"], family_tag: items"),
            "FR0024 9:99",
        ),
        (
            format!("target: main, keys: [\"{key}\"], mode: soft"),
            "FR0003 9:93",
        ),
        (
            format!("target: cdn, tier: inner, tags: [\"{tag}\"]"),
            "FR0003 9:26",
        ),
        (
            format!("target: cdn, tags: [\"{tag}\"], family_tag: \"two words\""),
            "FR0016 9:81",
        ),
        (format!("target: edge, tags: [\"{tag}\"]"), "FR0022 8:20"),
        (
            format!("target: edge, tier: shield, keys: [\"{key}\"]"),
            "FR0022 8:20",
        ),
    ] {
        let found = found(&format!("places:\n  - {{ {place} }}\n"));
        assert!(found.iter().any(|it| it == wanted), "{place}: {found:?}");
    }
    let twice = format!(
        "places:\n  - {{ target: main, keys: [\"{key}\"] }}\n  - {{ target: main, keys: [\"{key}b\"] }}\n"
    );
    assert!(
        found(&twice).contains(&"FR0024 10:15".to_owned()),
        "{:?}",
        found(&twice)
    );
    let good = format!("places:\n  - {{ target: edge, tier: shield, tags: [\"{tag}\"] }}\n");
    assert_eq!(found(&good), Vec::<String>::new());
}

/// Two stores that hold names of the same beginning are two key spaces; one store is one.
#[test]
fn p13_an_entry_has_one_owner_at_each_target() {
    let other = |target: &str| {
        let family = family(&format!(
            "places:\n  - {{ target: {target}, keys: [\"catalog:v2:item:{{item_id}}\"] }}\n"
        ));
        let other = family.replace("family: catalog.item", "family: catalog.twin");
        let one = family.replace(&format!("target: {target}"), "target: main");
        let files = [
            ("sources/shop.yaml", SOURCE),
            ("families/item.yaml", one.as_str()),
            ("families/twin.yaml", other.as_str()),
        ];
        let found = check(&files).err();
        found.is_some_and(|found| found.iter().any(|it| it.code == "FR0020"))
    };
    assert!(other("main"));
    assert!(!other("sessions"));
}
