//! Small registries and changes to test with.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::sync::Arc;
use std::time::Duration;

use freshet_core::change::{Change, Op};
use freshet_core::image::Image;
use freshet_core::purge::PurgeSet;
use freshet_core::registry::{
    Binding, Family, FamilyId, Freshness, FreshnessClass, LetterPolicy, OnSnapshot, OnTruncate,
    Place, PurgeMode, Registry, RegistryRevision, Scope, Table, Target, TargetId, Tier,
};
use freshet_core::resolve::resolve;
use freshet_core::table::{
    ColumnKind, ColumnShape, ColumnSlot, Engine, ReplicaIdentity, TableId, TableShape,
};
use freshet_core::template::{Fold, NameForm, Segment, Template};

/// The Redis of every test registry.
pub(crate) const REDIS: TargetId = TargetId(0);
/// A CDN.
pub(crate) const FASTLY: TargetId = TargetId(1);
/// Another CDN.
pub(crate) const VARNISH: TargetId = TargetId(2);
/// The only table of most tests.
pub(crate) const ITEMS: TableId = TableId(0);

/// One column of a test row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cell {
    Unknown,
    Null,
    Text(String),
}

/// A known column.
pub(crate) fn text(value: &str) -> Cell {
    Cell::Text(value.to_owned())
}

/// An image that holds `cells`, in slot order.
pub(crate) fn image(cells: &[Cell]) -> Image {
    let mut image = Image::default();
    image.begin(cells.len());
    for (slot, cell) in (0..).map(ColumnSlot).zip(cells) {
        match cell {
            Cell::Unknown => image.set_unknown(slot),
            Cell::Null => image.set_null(slot),
            Cell::Text(value) => image.set_text(slot, value),
        }
    }
    image
}

/// A change of [`ITEMS`]; none is an absent image.
pub(crate) fn change(op: Op, before: Option<&[Cell]>, after: Option<&[Cell]>) -> Change {
    Change {
        table: ITEMS,
        op,
        before: before.map(image).unwrap_or_default(),
        after: after.map(image).unwrap_or_default(),
        ..Change::default()
    }
}

/// Puts a registry together. Targets are [`REDIS`], [`FASTLY`] and [`VARNISH`].
#[derive(Debug, Default)]
pub(crate) struct RegistryBuilder {
    families: Vec<Family>,
    tables: Vec<Table>,
}

impl RegistryBuilder {
    /// Adds a table with text columns, the first of which is the key.
    pub(crate) fn table(&mut self, name: &str, columns: &[&str]) -> TableId {
        let id = TableId(self.tables.len() as u32);
        let columns = columns
            .iter()
            .enumerate()
            .map(|(at, &column)| ColumnShape::new(column, ColumnKind::TEXT, at == 0));
        self.tables.push(Table {
            shape: TableShape {
                id,
                name: name.into(),
                topic: name.into(),
                engine: Engine::Postgres,
                identity: ReplicaIdentity::Full,
                connector: std::sync::Arc::default(),
                columns: columns.collect(),
                declared: Arc::default(),
            },
            bindings: Vec::new(),
        });
        id
    }

    /// Adds a family.
    pub(crate) fn family(&mut self, family: Family) -> FamilyId {
        self.families.push(family);
        FamilyId(self.families.len() as u32 - 1)
    }

    /// Hangs a family on a table.
    pub(crate) fn bind(&mut self, table: TableId, family: FamilyId, names: Names<'_>) {
        let shape = &self.tables[table.0 as usize].shape;
        let slots = names.when_changed.iter().map(|&name| slot(shape, name));
        let places = self.families[family.0 as usize].places.iter();
        let templates = places.map(|place| match place.exact {
            Scope::Keys => templates(shape, NameForm::RedisKey, names.keys),
            _ => templates(shape, NameForm::SurrogateKey, names.tags),
        });
        let binding = Binding {
            family,
            when_changed: slots.collect(),
            names: templates.map(Arc::from).collect(),
            version_column: None,
        };
        self.tables[table.0 as usize].bindings.push(binding);
    }

    /// Makes `column` the version of what hangs on the table.
    pub(crate) fn version(&mut self, table: TableId, column: &str) {
        let table = &mut self.tables[table.0 as usize];
        let slot = slot(&table.shape, column);
        for binding in &mut table.bindings {
            binding.version_column = Some(slot);
        }
    }

    /// The registry.
    pub(crate) fn build(self, sequence: u64) -> Registry {
        let target = |name: &str, tier, names| Target {
            name: name.into(),
            tier,
            names,
        };
        let targets = vec![
            target("main", Tier::Store, NameForm::RedisKey),
            target("fastly-eu", Tier::Edge, NameForm::SurrogateKey),
            target("varnish", Tier::Edge, NameForm::SurrogateKey),
        ];
        let revision = RegistryRevision {
            sequence,
            content_hash: "0123456789abcdef".into(),
        };
        Registry::new(revision, self.families, self.tables, targets)
    }
}

/// What a binding names: `{column}` stands for a column.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Names<'a> {
    pub(crate) keys: &'a [&'a str],
    pub(crate) tags: &'a [&'a str],
    pub(crate) when_changed: &'a [&'a str],
}

fn slot(shape: &TableShape, name: &str) -> ColumnSlot {
    let at = shape
        .columns
        .iter()
        .position(|column| &*column.name == name);
    ColumnSlot(at.unwrap_or_else(|| panic!("no column {name}")) as u16)
}

fn templates(shape: &TableShape, form: NameForm, texts: &[&str]) -> Vec<Template> {
    texts
        .iter()
        .map(|text| template(shape, form, text))
        .collect()
}

fn template(shape: &TableShape, form: NameForm, text: &str) -> Template {
    let mut segments = Vec::new();
    for piece in text.split_inclusive('}') {
        let (literal, column) = match piece.split_once('{') {
            Some((literal, rest)) => (literal, rest.strip_suffix('}')),
            None => (piece, None),
        };
        if !literal.is_empty() {
            segments.push(Segment::Literal(literal.as_bytes().into()));
        }
        if let Some(column) = column {
            segments.push(Segment::Column(slot(shape, column), Fold::NONE));
        }
    }
    Template { form, segments }
}

/// A family without any place.
pub(crate) fn family(name: &str) -> Family {
    Family {
        name: name.into(),
        owner: "team".into(),
        freshness: Freshness {
            class: FreshnessClass::Strict,
            within: Duration::from_secs(2),
            objective: 0.999,
            window: Duration::from_secs(28 * 86_400),
        },
        max_ttl: Duration::from_secs(86_400),
        places: Vec::new(),
        fan_out_max: 100,
        on_truncate: OnTruncate::Family,
        on_snapshot: OnSnapshot::Ignore,
        dead_letters: LetterPolicy::None,
        entry_version: None,
        beacon: None,
    }
}

/// A place with keys, at [`REDIS`].
pub(crate) fn keyed(prefix: &str) -> Place {
    Place::of_keys(REDIS, [format!("{prefix}*").into_bytes().into()])
}

/// A place with tags.
pub(crate) fn tagged(target: TargetId, family_tag: &str, mode: PurgeMode) -> Place {
    Place::of_tags(target, family_tag.as_bytes().into(), mode)
}

/// A family `catalog.item` at [`REDIS`] and [`FASTLY`].
pub(crate) fn item_family() -> Family {
    Family {
        places: vec![
            keyed("catalog:v2:item:"),
            tagged(FASTLY, "f-catalog.item", PurgeMode::Soft),
        ],
        ..family("catalog.item")
    }
}

/// One purge as text: target, scope, name.
pub(crate) type Purged = (TargetId, Scope, String);

/// What a change purges, in order.
pub(crate) fn purged(registry: &Registry, change: &Change) -> Vec<Purged> {
    let mut set = PurgeSet::default();
    resolve(registry, change, &mut set);
    listed(&set)
}

/// What a set holds, in order.
pub(crate) fn listed(set: &PurgeSet) -> Vec<Purged> {
    let list = set.iter().map(|(purge, name)| {
        let name = String::from_utf8(name.to_vec()).expect("names are ASCII");
        (purge.target, purge.scope, name)
    });
    list.collect()
}

/// An exact Redis purge.
pub(crate) fn key(name: &str) -> Purged {
    (REDIS, Scope::Keys, name.to_owned())
}

/// An exact tag at [`FASTLY`].
pub(crate) fn tag(name: &str) -> Purged {
    (FASTLY, Scope::Tag, name.to_owned())
}

/// A family purge.
pub(crate) fn wide(target: TargetId, name: &str) -> Purged {
    (target, Scope::Family, name.to_owned())
}
