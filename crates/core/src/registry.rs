//! The compiled registry: an immutable snapshot that the hot path indexes and never searches.
//!
//! `freshet-registry` builds it from family and source files; here is only what resolution needs.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use rustc_hash::FxHashMap;

use crate::setting;
use crate::shape;
use crate::table::{ColumnSlot, TableId, TableShape};
use crate::template::{NameForm, Template};

/// Index of a family in its snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FamilyId(pub u32);

/// Index of a purge target in its snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TargetId(pub u32);

/// Which compiled rules a purge was decided by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RegistryRevision {
    /// Rises with every registry that took over in this process, from 1.
    pub sequence: u64,
    /// First 16 hex digits of the SHA-256 of the registry's files.
    pub content_hash: Arc<str>,
}

setting! {
    /// Which cache layer a target is. Inner tiers are purged first, because outer ones refill from them.
    #[derive(PartialOrd, Ord, Hash)]
    Tier {
        /// Redis.
        Store = "store",
        /// A framework's own cache.
        Framework = "framework",
        /// A CDN's shield.
        Shield = "shield",
        /// A CDN's edge.
        Edge = "edge",
    }
}

impl Tier {
    /// The tier of a target with such names where nothing says another one.
    pub fn usual_for(names: NameForm) -> Self {
        match names {
            NameForm::RedisKey => Self::Store,
            NameForm::SurrogateKey => Self::Edge,
        }
    }
}

/// A target as families name it. Its address is operator config, not registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The name in family files and `freshet.yaml`.
    pub name: Arc<str>,
    /// Its layer.
    pub tier: Tier,
    /// What its entries are called by.
    pub names: NameForm,
}

/// How wide a purge is, from narrow to wide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// One exact Redis entry.
    Keys,
    /// One CDN tag.
    Tag,
    /// Everything of the family on that target: in Redis the names of one [`shape`](mod@crate::shape), at a CDN those that
    /// carry the family tag.
    Family,
}

setting! {
    /// How quickly a family's readers must be fresh.
    #[derive(PartialOrd, Ord, Hash)]
    FreshnessClass {
        /// Purged at the leading edge, first under pressure.
        Strict = "strict",
        /// May be debounced.
        Soft = "soft",
        /// May wait for the next batch.
        Batch = "batch",
    }
}

/// A family's freshness objective.
#[derive(Debug, Clone, PartialEq)]
pub struct Freshness {
    /// The class.
    pub class: FreshnessClass,
    /// Commit → effective purge should take no longer than this.
    pub within: Duration,
    /// Share of changes that must meet `within`, 0 to 1.
    pub objective: f64,
    /// Window of the objective.
    pub window: Duration,
}

setting! {
    /// Soft keeps the old answer for revalidation, hard drops it.
    #[derive(Hash)]
    PurgeMode {
        /// Remove.
        Hard = "hard",
        /// Mark stale.
        Soft = "soft",
    }
}

setting! {
    /// What a truncate of a source table purges.
    OnTruncate {
        /// The whole family.
        Family = "family",
        /// Nothing.
        Ignore = "ignore",
    }
}

setting! {
    /// What snapshot reads (`op: r`) do.
    OnSnapshot {
        /// Nothing: no row changed.
        Ignore = "ignore",
        /// Nothing by itself, but the auditor looks at the row's entries and has those purged that are provably older.
        Verify = "verify",
        /// Purge as if the row had changed.
        Purge = "purge",
    }
}

setting! {
    /// What a dead letter keeps of the record behind it, from strict to lax. Row data leaves its topic only where every
    /// family concerned says so.
    #[derive(PartialOrd, Ord, Hash, Default)]
    LetterPolicy {
        /// Nothing of the record.
        #[default]
        None = "none",
        /// The record's key.
        KeysOnly = "keys-only",
        /// The key, and the value with a type and a length in place of every scalar.
        Redacted = "redacted",
        /// Key and value.
        Full = "full",
    }
}

/// Where an entry carries its row's version, so that the auditor can compare it with a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryVersion {
    /// Field of the cached JSON object (or hash) that holds the version.
    pub field: Arc<str>,
    /// The entry is a Redis hash instead of a JSON string.
    pub hash: bool,
}

/// A key family, compiled.
#[derive(Debug, Clone)]
pub struct Family {
    /// Its name, `<domain>.<noun>`.
    pub name: Arc<str>,
    /// The owning team.
    pub owner: Arc<str>,
    /// Its objective.
    pub freshness: Freshness,
    /// Longest life of an entry.
    pub max_ttl: Duration,
    /// Where its entries are cached, and under which names. Each at a target of its own.
    pub places: Vec<Place>,
    /// Purges one change may cause per target before the family scope is taken instead.
    pub fan_out_max: usize,
    /// What a truncate purges.
    pub on_truncate: OnTruncate,
    /// What a snapshot read does.
    pub on_snapshot: OnSnapshot,
    /// What dead letters may keep of its records.
    pub dead_letters: LetterPolicy,
    /// How entries carry their version, if they do.
    pub entry_version: Option<EntryVersion>,
    /// The database whose beacon this is; none for what a team registers.
    pub beacon: Option<Arc<str>>,
}

/// One cache that holds entries of a family.
#[derive(Debug, Clone)]
pub struct Place {
    /// The cache.
    pub target: TargetId,
    /// How wide one of the family's names is there.
    pub exact: Scope,
    /// Soft or hard.
    pub mode: PurgeMode,
    /// Everything that the family has there, which a purge widens to when its exact names are not known.
    pub all: Vec<(Scope, Box<[u8]>)>,
}

impl Place {
    /// Entries by their keys, of which these are the [shapes](crate::shape). A key without a placeholder names one entry,
    /// which needs no `SCAN`.
    pub fn of_keys(target: TargetId, shapes: impl IntoIterator<Item = Box<[u8]>>) -> Self {
        let all = shapes.into_iter().map(|name| match shape::is_open(&name) {
            true => (Scope::Family, name),
            false => (Scope::Keys, name),
        });
        Self {
            target,
            exact: Scope::Keys,
            mode: PurgeMode::Hard,
            all: all.collect(),
        }
    }

    /// Answers by their tags, each of which carries `family_tag` too.
    pub fn of_tags(target: TargetId, family_tag: Box<[u8]>, mode: PurgeMode) -> Self {
        Self {
            target,
            exact: Scope::Tag,
            mode,
            all: vec![(Scope::Family, family_tag)],
        }
    }

    /// Scope and name of everything that the family has there.
    pub fn everything(&self) -> impl Iterator<Item = (Scope, &[u8])> {
        self.all.iter().map(|(scope, name)| (*scope, &**name))
    }
}

impl Family {
    /// Its place at a target.
    pub fn place_at(&self, target: TargetId) -> Option<&Place> {
        self.places.iter().find(|place| place.target == target)
    }
}

/// How one family hangs on one table.
#[derive(Debug, Clone)]
pub struct Binding {
    /// The family.
    pub family: FamilyId,
    /// Columns of which at least one must have changed for an update to matter, bound columns
    /// included. Empty: every update matters.
    pub when_changed: Vec<ColumnSlot>,
    /// The templates of its names at each place of the family, in the order of those.
    pub names: Vec<Arc<[Template]>>,
    /// The column that holds the row's version for [`EntryVersion`].
    pub version_column: Option<ColumnSlot>,
}

/// A table and who hangs on it.
#[derive(Debug, Clone)]
pub struct Table {
    /// What the decoder needs.
    pub shape: TableShape,
    /// The bindings, in family order. A declared table without any is unowned.
    pub bindings: Vec<Binding>,
}

/// The whole snapshot.
#[derive(Debug, Clone)]
pub struct Registry {
    /// Its revision.
    pub revision: RegistryRevision,
    /// Families, by [`FamilyId`].
    pub families: Vec<Family>,
    /// Tables, by [`TableId`].
    pub tables: Vec<Table>,
    /// Targets, by [`TargetId`].
    pub targets: Vec<Target>,
    /// Topic → table.
    topics: FxHashMap<Arc<str>, TableId>,
    /// Topics that may be missing.
    optional: BTreeSet<Arc<str>>,
}

impl Registry {
    /// Puts a snapshot together.
    pub fn new(
        revision: RegistryRevision,
        families: Vec<Family>,
        tables: Vec<Table>,
        targets: Vec<Target>,
    ) -> Self {
        let topics = tables
            .iter()
            .map(|table| (Arc::clone(&table.shape.topic), table.shape.id))
            .collect();
        Self {
            revision,
            families,
            tables,
            targets,
            topics,
            optional: BTreeSet::new(),
        }
    }

    /// The table whose changes a topic carries.
    pub fn table_of_topic(&self, topic: &str) -> Option<&Table> {
        self.topics
            .get(topic)
            .and_then(|id| self.tables.get(id.0 as usize))
    }

    /// A table of this snapshot.
    pub fn table(&self, id: TableId) -> Option<&Table> {
        self.tables.get(id.0 as usize)
    }

    /// A family of this snapshot.
    pub fn family(&self, id: FamilyId) -> Option<&Family> {
        self.families.get(id.0 as usize)
    }

    /// A target of this snapshot.
    pub fn target(&self, id: TargetId) -> Option<&Target> {
        self.targets.get(id.0 as usize)
    }

    /// The family called `name`.
    pub fn family_named(&self, name: &str) -> Option<FamilyId> {
        self.families
            .iter()
            .position(|family| &*family.name == name)
            .map(|at| FamilyId(at as u32))
    }

    /// The target called `name`.
    pub fn target_named(&self, name: &str) -> Option<TargetId> {
        self.targets
            .iter()
            .position(|target| &*target.name == name)
            .map(|at| TargetId(at as u32))
    }

    /// The same, with the topics that may be missing.
    #[must_use]
    pub fn with_optional(mut self, topics: BTreeSet<Arc<str>>) -> Self {
        self.optional = topics;
        self
    }

    /// Topics that may be missing.
    pub fn optional(&self) -> &BTreeSet<Arc<str>> {
        &self.optional
    }

    /// The topics a consumer must subscribe to: those of tables that some family owns.
    pub fn topics(&self) -> impl Iterator<Item = &str> {
        self.tables
            .iter()
            .filter(|table| !table.bindings.is_empty())
            .map(|table| &*table.shape.topic)
    }
}
