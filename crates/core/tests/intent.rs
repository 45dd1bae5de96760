//! A request to purge is resolved by the registry of whoever reads it, and says who asked and why wherever its purges go.

mod support;

use std::sync::Arc;

use freshet_core::cause::{Cause, Reason};
use freshet_core::coalesce::PurgeRound;
use freshet_core::intent::{Asked, Intent, NamedPurge};
use freshet_core::position::{StreamId, StreamPosition, WallMicros};
use freshet_core::purge::{PurgeBatch, PurgeSet, WantedPurge};
use freshet_core::registry::{FamilyId, FreshnessClass, PurgeMode, Registry, Scope};
use support::{
    FASTLY, Names, Purged, REDIS, RegistryBuilder, family, item_family, key, keyed, listed, wide,
};

/// Two families of two tables: `catalog.item` at Redis and Fastly, `shop.cart` at Redis only.
fn registry() -> Arc<Registry> {
    let mut builder = RegistryBuilder::default();
    let names = |keys| Names {
        keys,
        tags: &["item-{id}"],
        when_changed: &[],
    };
    let items = builder.table("shop.public.items", &["id"]);
    let item = builder.family(item_family());
    builder.bind(items, item, names(&["catalog:v2:item:{id}"]));
    let carts = builder.table("shop.public.carts", &["id"]);
    let cart = builder.family(freshet_core::registry::Family {
        places: vec![keyed("shop:v1:cart:")],
        ..family("shop.cart")
    });
    builder.bind(carts, cart, names(&["shop:v1:cart:{id}"]));
    Arc::new(builder.build(1))
}

fn cause(detail: &str) -> Arc<Cause> {
    Arc::new(Cause::own(Reason::Gap, detail))
}

fn intent(asked: Asked) -> Intent {
    Intent {
        cause: cause("offsets 1 to 5"),
        asked,
        class: FreshnessClass::Strict,
        since: WallMicros(7),
    }
}

fn named(target: &str, family: &str, name: &str) -> NamedPurge {
    NamedPurge {
        target: target.into(),
        family: family.into(),
        scope: Scope::Keys,
        mode: PurgeMode::Hard,
        name: name.as_bytes().to_vec(),
    }
}

fn resolved(asked: &Asked) -> Vec<Purged> {
    let mut set = PurgeSet::default();
    asked.resolve(&registry(), &mut set);
    listed(&set)
}

fn item_at_redis() -> Purged {
    wide(REDIS, "catalog:v2:item:*")
}

fn item_at_fastly() -> Purged {
    wide(FASTLY, "f-catalog.item")
}

fn cart() -> Purged {
    wide(REDIS, "shop:v1:cart:*")
}

#[test]
fn everything_of_a_topic_and_of_families_is_asked_for_by_name() {
    let of_topic = Asked::Topic("shop.public.items".into());
    assert_eq!(resolved(&of_topic), [item_at_redis(), item_at_fastly()]);
    assert_eq!(resolved(&Asked::Topic("elsewhere".into())), []);
    let of_families = Asked::Families(vec!["gone".into(), "shop.cart".into()]);
    assert_eq!(resolved(&of_families), [cart()]);
    assert_eq!(of_families.families(&registry()), ["shop.cart".into()]);
}

#[test]
fn everything_at_a_target_is_asked_for_with_what_is_outside_of_it_and_not_inside() {
    let registry = registry();
    let name = |id| Arc::clone(&registry.target(id).expect("a target").name);
    let inner = Asked::Target(name(REDIS));
    assert_eq!(
        resolved(&inner),
        [item_at_redis(), item_at_fastly(), cart()]
    );
    assert_eq!(
        inner.families(&registry),
        ["catalog.item".into(), "shop.cart".into()]
    );
    let outer = Asked::Target(name(FASTLY));
    assert_eq!(resolved(&outer), [item_at_fastly()]);
    assert_eq!(outer.families(&registry), ["catalog.item".into()]);
    assert_eq!(resolved(&Asked::Target("gone".into())), []);
}

#[test]
fn names_are_asked_for_where_the_registry_knows_target_and_family() {
    let registry = registry();
    let redis = &*registry.target(REDIS).expect("a target").name;
    let asked = Asked::Names(vec![
        named(redis, "shop.cart", "shop:v1:cart:7"),
        named(redis, "gone", "gone:v1:7"),
        named("gone", "shop.cart", "shop:v1:cart:8"),
    ]);
    assert_eq!(resolved(&asked), [key("shop:v1:cart:7")]);
    assert_eq!(asked.families(&registry), ["shop.cart".into()]);
}

#[test]
fn p12_a_purge_keeps_its_cause_wherever_it_goes() {
    let mut round = PurgeRound::new(registry());
    let position = StreamPosition {
        stream: StreamId(1),
        ordinal: 4,
    };
    let asked = round.submit(
        &intent(Asked::Topic("shop.public.items".into())),
        Some(position),
    );
    assert_eq!(asked.len(), 2);
    assert_eq!(round.positions(), [position]);
    assert_eq!(round.changes().len(), 1, "its freshness is measured");
    assert_eq!(round.causes(), [cause("offsets 1 to 5")]);
    round.submit(&intent(Asked::Families(vec!["shop.cart".into()])), None);
    assert_eq!(round.changes().len(), 1, "no record gave the reason");
    let batch = round.batches().next().expect("a batch");
    assert_eq!(
        causes(batch),
        [Some("offsets 1 to 5"), Some("offsets 1 to 5")]
    );
    let mut moved = PurgeBatch::new(REDIS);
    moved.add(wanted("catalog:v2:item:7"));
    moved.extend(batch);
    assert_eq!(causes(&moved)[0], None, "a change has none");
    let slices: Vec<PurgeBatch> = moved.slices(2).collect();
    assert_eq!(causes(&slices[0]), [None, Some("offsets 1 to 5")]);
    assert_eq!(causes(&slices[1]), [Some("offsets 1 to 5")]);
    assert_eq!(causes(&moved.without(&slices[0])), [Some("offsets 1 to 5")]);
    round.reset(&registry());
    assert_eq!(round.causes(), []);
}

#[test]
fn p12_of_two_causes_of_one_purge_the_first_is_kept_and_a_replay_has_its_own() {
    let (first, second) = (cause("first"), cause("second"));
    let mut batch = PurgeBatch::new(REDIS);
    batch.add(wanted("a"));
    for cause in [&first, &second] {
        let cause = Some(cause);
        batch.add(WantedPurge {
            cause,
            ..wanted("a")
        });
    }
    assert_eq!(causes(&batch), [Some("first")]);
    batch.add(wanted("b"));
    batch.blame(&second);
    assert_eq!(causes(&batch), [Some("second"), Some("second")]);
    batch.clear();
    batch.add(wanted("c"));
    assert_eq!(causes(&batch), [None]);
}

fn wanted(name: &str) -> WantedPurge<'_> {
    WantedPurge {
        family: FamilyId(0),
        scope: Scope::Keys,
        mode: PurgeMode::Hard,
        committed: WallMicros(1),
        cause: None,
        name: name.as_bytes(),
    }
}

fn causes(batch: &PurgeBatch) -> Vec<Option<&str>> {
    let purges = batch.wanted();
    purges
        .map(|purge| purge.cause.map(|cause| &*cause.detail))
        .collect()
}
