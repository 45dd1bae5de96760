//! The registry of the simulation: items are cached in Redis and at the edge, notes in Redis only.

use std::sync::Arc;
use std::time::Duration;

use freshet_core::registry::{
    Binding, Family, FamilyId, Freshness, FreshnessClass, LetterPolicy, OnSnapshot, OnTruncate,
    Place, PurgeMode, Registry, RegistryRevision, Table, Target, TargetId, Tier,
};
use freshet_core::table::{
    ColumnKind, ColumnShape, ColumnSlot, Engine, ReplicaIdentity, TableId, TableShape,
};
use freshet_core::template::{Fold, NameForm, Segment, Template};

pub(crate) const ITEMS: &str = "shop.public.items";
pub(crate) const NOTES: &str = "shop.public.notes";
/// Families' scopes: what is purged when nothing exact can be told.
pub(crate) const ITEM_SHAPE: &str = "catalog:v1:item:*";
pub(crate) const ITEM_TAG: &str = "catalog.item";
pub(crate) const NOTE_SHAPE: &str = "catalog:v1:note:*";

pub(crate) fn registry() -> Registry {
    let families = vec![
        family("catalog.item", ITEM_SHAPE, Some(ITEM_TAG)),
        family("catalog.note", NOTE_SHAPE, None),
    ];
    let tables = vec![
        table(
            0,
            ITEMS,
            template(NameForm::RedisKey, "catalog:v1:item:", 0),
            vec![template(NameForm::SurrogateKey, "category-", 1)],
        ),
        table(
            1,
            NOTES,
            template(NameForm::RedisKey, "catalog:v1:note:", 0),
            Vec::new(),
        ),
    ];
    let target = |name: &str, tier, names| Target {
        name: Arc::from(name),
        tier,
        names,
    };
    Registry::new(
        RegistryRevision {
            sequence: 1,
            content_hash: Arc::from("simulated"),
        },
        families,
        tables,
        vec![
            target("main", Tier::Store, NameForm::RedisKey),
            target("edge", Tier::Edge, NameForm::SurrogateKey),
        ],
    )
}

fn template(form: NameForm, literal: &str, slot: u16) -> Template {
    Template {
        form,
        segments: vec![
            Segment::Literal(literal.as_bytes().into()),
            Segment::Column(ColumnSlot(slot), Fold::NONE),
        ],
    }
}

fn family(name: &str, shape: &str, tag: Option<&str>) -> Family {
    Family {
        name: Arc::from(name),
        owner: Arc::from("simulation"),
        freshness: Freshness {
            class: FreshnessClass::Strict,
            within: Duration::from_secs(1),
            objective: 0.999,
            window: Duration::from_secs(3600),
        },
        max_ttl: Duration::from_secs(3600),
        places: std::iter::once(Place::of_keys(TargetId(0), [shape.as_bytes().into()]))
            .chain(
                tag.map(|tag| Place::of_tags(TargetId(1), tag.as_bytes().into(), PurgeMode::Hard)),
            )
            .collect(),
        fan_out_max: 64,
        on_truncate: OnTruncate::Family,
        on_snapshot: OnSnapshot::Ignore,
        dead_letters: LetterPolicy::None,
        entry_version: None,
        beacon: None,
    }
}

fn table(id: u32, name: &str, key: Template, tags: Vec<Template>) -> Table {
    let column = |name: &str, in_key| ColumnShape::new(name, ColumnKind::BIGINT, in_key);
    Table {
        shape: TableShape {
            id: TableId(id as _),
            name: Arc::from(name),
            topic: Arc::from(name),
            engine: Engine::Postgres,
            identity: ReplicaIdentity::Full,
            connector: Arc::default(),
            columns: vec![column("id", true), column("category_id", false)],
            declared: Arc::default(),
        },
        bindings: vec![Binding {
            family: FamilyId(id as _),
            when_changed: Vec::new(),
            names: [vec![key], tags].map(Arc::from).into(),
            version_column: None,
        }],
    }
}
