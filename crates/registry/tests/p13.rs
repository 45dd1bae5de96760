//! P13: a purge never removes an entry of another family. Random registries that compile, random changes, gaps and
//! truncates, and a key space that holds every name that any family can produce for a few values.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use freshet_core::change::{Change, Op};
use freshet_core::codec;
use freshet_core::image::Image;
use freshet_core::purge::PurgeSet;
use freshet_core::registry::{FamilyId, Place, Registry, Scope, TargetId};
use freshet_core::resolve::{resolve, resolve_fallback, widen_family};
use freshet_core::shape::NameShape;
use freshet_core::table::ColumnSlot;
use freshet_registry::load_files;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

const SOURCE: &str = "\
database: shop
engine: postgres
tables:
  - table: shop.public.items
    replica_identity: default
    primary_key: [a]
    columns:
      - { name: a, type: text, nullable: false }
      - { name: b, type: text, nullable: true }
";
/// Values of a placeholder: among them none, and ones that a literal of another family looks like.
const VALUES: [&str; 6] = ["", "1", "x", "eu", "list", "a:b é"];
const REGISTRIES: usize = 1_500;

/// One family as it is written.
#[derive(Debug, Clone)]
struct Written {
    keys: Vec<String>,
    tags: Vec<String>,
    family_tag: Option<&'static str>,
    constants: bool,
}

fn any_template(first: Vec<&'static str>, between: &'static str) -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec![
        "{a}", "{b}", "x", "x{a}", "{a}-list", "list", "{a}{b}",
    ]);
    let rest = prop::collection::vec(part, 0..3);
    (prop::sample::select(first), rest).prop_map(move |(first, rest)| {
        let parts: Vec<&str> = std::iter::once(first).chain(rest).collect();
        parts.join(between)
    })
}

fn any_family() -> impl Strategy<Value = Written> {
    let nouns = vec!["item", "item", "i{a}", "list", "item-{a}", "note"];
    let key = any_template(nouns.clone(), ":").prop_map(|key| format!("catalog:v1:{key}"));
    let tag = any_template(nouns, "-");
    let family_tag = prop::sample::select(vec![None, None, Some("item-x"), Some("list")]);
    let keys = prop::collection::vec(key, 1..3);
    let tags = prop::collection::vec(tag, 1..3);
    (keys, tags, family_tag, any::<bool>()).prop_map(|(keys, tags, family_tag, constants)| {
        Written {
            keys,
            tags,
            family_tag,
            constants,
        }
    })
}

impl Written {
    fn text(&self, at: usize) -> String {
        let family_tag = self
            .family_tag
            .map_or_else(String::new, |tag| format!(", family_tag: {tag}"));
        let b = if self.constants { "[eu, us]" } else { "b" };
        format!(
            "family: catalog.f{at}\nschema_version: 1\nowner: {{ team: t }}\nlifecycle: active\n\
             freshness: {{ class: soft, within: 2s, objective: 99%, window: 28d }}\nmax_ttl: 1h\n\
             redis: {{ target: main, keys: {:?} }}\n\
             cdn: {{ targets: [edge], tags: {:?}{family_tag} }}\n\
             sources:\n  - table: shop.public.items\n    bind: {{ a: a, b: {b} }}\n",
            self.keys, self.tags
        )
    }
}

/// Every name that a template can produce, by nothing but the codec.
fn names(template: &str, is_tag: bool) -> BTreeSet<Vec<u8>> {
    let mut names = BTreeSet::new();
    for a in VALUES {
        for b in VALUES {
            let mut name = Vec::new();
            let mut rest = template;
            while let Some(at) = rest.find('{') {
                name.extend_from_slice(&rest.as_bytes()[..at]);
                let value = if rest[at..].starts_with("{a}") { a } else { b };
                match is_tag {
                    true => codec::push_tag_value(&mut name, value),
                    false => codec::push_redis_value(&mut name, value),
                }
                rest = &rest[at + 3..];
            }
            name.extend_from_slice(rest.as_bytes());
            if is_tag {
                codec::shorten_tag(&mut name, 0);
            }
            names.insert(name);
        }
    }
    names
}

/// Who can produce what, and which tag stands for whose answers.
struct World {
    registry: Registry,
    entries: BTreeMap<Vec<u8>, BTreeSet<FamilyId>>,
    family_tags: BTreeMap<Vec<u8>, BTreeSet<FamilyId>>,
    main: TargetId,
}

fn compiled(families: &[Written]) -> Option<World> {
    let mut files = vec![(PathBuf::from("sources/shop.yaml"), SOURCE.to_owned())];
    for (at, family) in families.iter().enumerate() {
        files.push((
            PathBuf::from(format!("families/f{at}.yaml")),
            family.text(at),
        ));
    }
    let registry = load_files(files).ok()?.registry;
    let (mut entries, mut family_tags) = (BTreeMap::new(), BTreeMap::new());
    for (at, family) in families.iter().enumerate() {
        let name = format!("catalog.f{at}");
        let id = registry.family_named(&name).expect("compiled");
        for entry in family.keys.iter().flat_map(|key| names(key, false)) {
            entries
                .entry(entry)
                .or_insert_with(BTreeSet::new)
                .insert(id);
        }
        let tag = family.family_tag.map_or(name, str::to_owned);
        family_tags
            .entry(tag.into_bytes())
            .or_insert_with(BTreeSet::new)
            .insert(id);
    }
    let main = registry.target_named("main").expect("compiled");
    Some(World {
        registry,
        entries,
        family_tags,
        main,
    })
}

impl World {
    /// Carries a set out as the adapters do, and says what it takes of families that did not ask.
    fn taken_of_others(&self, set: &PurgeSet) -> Option<String> {
        for (purge, name) in set.iter() {
            let shape = NameShape::new(name);
            let is_purged = |entry: &[u8]| match purge.scope {
                Scope::Family => shape.matches(entry),
                Scope::Keys | Scope::Tag => entry == name,
            };
            let owned = if purge.target == self.main {
                &self.entries
            } else {
                &self.family_tags
            };
            let mut taken = owned.iter().filter(|(entry, _)| is_purged(entry));
            if let Some((entry, owners)) = taken.find(|(_, owners)| !owners.contains(&purge.family))
            {
                return Some(format!(
                    "{:?} of {:?} took {:?} of {owners:?}",
                    String::from_utf8_lossy(name),
                    purge.family,
                    String::from_utf8_lossy(entry)
                ));
            }
        }
        None
    }

    /// Whether a family purge by literal prefix would have taken another family's entry: what this test is about.
    fn has_names_beneath(&self) -> bool {
        let mut shapes = self
            .registry
            .families
            .iter()
            .enumerate()
            .flat_map(|(at, family)| {
                let id = FamilyId(at as u32);
                let stores = family.places.iter();
                let stores = stores.filter(|place| place.exact == Scope::Keys);
                let shapes = stores.flat_map(Place::everything);
                shapes.map(move |(_, shape)| (id, NameShape::new(shape)))
            });
        shapes.any(|(id, shape)| {
            let mut entries = self.entries.iter();
            entries
                .any(|(entry, owners)| entry.starts_with(shape.prefix()) && !owners.contains(&id))
        })
    }
}

fn fill(image: &mut Image, cells: [Option<Option<usize>>; 2], columns: usize) {
    image.begin(columns);
    for (at, cell) in cells.into_iter().enumerate().take(columns) {
        let slot = ColumnSlot(at as u16);
        match cell {
            None => {}
            Some(None) => image.set_null(slot),
            Some(Some(value)) => image.set_text(slot, VALUES[value]),
        }
    }
}

type Row = [Option<Option<usize>>; 2];

fn any_change() -> impl Strategy<Value = (Op, Option<Row>, Option<Row>)> {
    let op = prop::sample::select(vec![
        Op::Create,
        Op::Update,
        Op::Delete,
        Op::Read,
        Op::Truncate,
    ]);
    // A column is unknown, null or has a value.
    let cell = || prop::option::weighted(0.8, prop::option::weighted(0.9, 0..VALUES.len()));
    let row = || prop::option::weighted(0.9, [cell(), cell()]);
    (op, row(), row())
}

#[test]
fn p13_a_purge_takes_nothing_that_only_another_family_can_produce() {
    let mut runner = TestRunner::deterministic();
    let families = prop::collection::vec(any_family(), 2..5);
    let changes = prop::collection::vec(any_change(), 6);
    let (mut apart, mut beneath) = (0, 0);
    for _ in 0..REGISTRIES {
        let written = families
            .new_tree(&mut runner)
            .expect("a registry")
            .current();
        let Some(world) = compiled(&written) else {
            continue;
        };
        apart += 1;
        beneath += usize::from(world.has_names_beneath());
        let mut set = PurgeSet::default();
        let table = &world.registry.tables[0];
        for (op, before, after) in changes.new_tree(&mut runner).expect("changes").current() {
            let mut change = Change::default();
            change.reset(table.shape.id, op);
            for (image, row) in [(&mut change.before, before), (&mut change.after, after)] {
                if let Some(row) = row {
                    fill(image, row, table.shape.columns.len());
                }
            }
            resolve(&world.registry, &change, &mut set);
            let taken = world.taken_of_others(&set);
            assert_eq!(taken, None, "{change:?}\n{written:#?}");
        }
        // Poison and gaps.
        resolve_fallback(&world.registry, &table.shape.topic, &mut set);
        assert_eq!(world.taken_of_others(&set), None, "{written:#?}");
        for at in 0..world.registry.families.len() {
            set.clear();
            widen_family(&world.registry, FamilyId(at as u32), &mut set);
            assert!(!set.is_empty());
            assert_eq!(world.taken_of_others(&set), None, "{written:#?}");
        }
    }
    assert!(apart >= 100, "only {apart} registries compile");
    assert!(
        beneath >= 50,
        "only {beneath} have one family's names beneath another's"
    );
}

/// A family purge reaches every name of its family: the scope is no narrower than its templates.
#[test]
fn p13_a_family_purge_takes_all_that_its_family_can_produce() {
    let mut runner = TestRunner::deterministic();
    let families = prop::collection::vec(any_family(), 1..4);
    let mut compiled_registries = 0;
    for _ in 0..REGISTRIES / 5 {
        let written = families
            .new_tree(&mut runner)
            .expect("a registry")
            .current();
        let Some(world) = compiled(&written) else {
            continue;
        };
        compiled_registries += 1;
        for at in 0..world.registry.families.len() {
            let id = FamilyId(at as u32);
            let mut set = PurgeSet::default();
            widen_family(&world.registry, id, &mut set);
            let shapes: Vec<NameShape> = set
                .iter()
                .filter(|(purge, _)| purge.target == world.main)
                .map(|(_, name)| NameShape::new(name))
                .collect();
            for (entry, owners) in &world.entries {
                let is_taken = shapes.iter().any(|shape| shape.matches(entry));
                assert_eq!(
                    is_taken,
                    owners.contains(&id),
                    "{:?} {written:#?}",
                    String::from_utf8_lossy(entry)
                );
            }
        }
    }
    assert!(
        compiled_registries >= 50,
        "only {compiled_registries} compile"
    );
}
