//! The beacon: a family of our own over a table of one row that moves by itself, so that commit → effective purge is
//! measured also where nobody changes anything. No file declares it: the operator's config does.

use std::sync::Arc;
use std::time::Duration;

use freshet_core::codec;
use freshet_core::registry::{
    Binding, Family, FamilyId, Freshness, FreshnessClass, LetterPolicy, OnSnapshot, OnTruncate,
    Place, PurgeMode, Registry, Table, Target, TargetId,
};
use freshet_core::table::{Engine, ReplicaIdentity, TableId, TableShape};
use freshet_core::template::{NameForm, Segment, Template};

use crate::names;

/// What every beacon's entry begins with. A team's key begins with its domain and `v<n>:`, so the two never meet.
const ENTRIES: &str = "freshet:beacon:";
/// An entry lives at least this long, so that an outage of hours leaves something to be purged behind it.
const LIVES_AT_LEAST: Duration = Duration::from_secs(3600);

/// The beacon of one database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beacon {
    /// The database, by Debezium's topic prefix.
    pub database: Arc<str>,
    /// Its table of one row.
    pub table: Arc<str>,
    /// The topic, where it is not called as the table is.
    pub topic: Option<Arc<str>>,
    /// Whose log it is, where no other table of the database says so.
    pub engine: Option<Engine>,
    /// How old the newest beat that took effect may be.
    pub within: Duration,
    /// Where it is measured.
    pub targets: Vec<Target>,
}

/// Why a beacon cannot be added to a registry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BeaconError {
    /// Nothing says how positions and times of its database are read.
    #[error("the engine of `{0}` is unknown: no family binds one of its tables")]
    UnknownEngine(Arc<str>),
    /// Its family's name is somebody else's.
    #[error("family `{0}` is declared in the registry too")]
    Taken(Arc<str>),
}

impl Beacon {
    /// How long a planted entry may live.
    pub fn ttl(&self) -> Duration {
        LIVES_AT_LEAST.max(self.within * 10)
    }

    /// The entry in a Redis target that its beats purge.
    pub fn entry(&self, target: &str) -> Vec<u8> {
        let mut name = ENTRIES.as_bytes().to_vec();
        codec::push_redis_value(&mut name, &self.database);
        name.push(b':');
        codec::push_redis_value(&mut name, target);
        name
    }

    /// The tag at a CDN target that its beats purge.
    pub fn tag(&self) -> Vec<u8> {
        let mut tag = b"freshet-beacon-".to_vec();
        codec::push_tag_value(&mut tag, &self.database);
        codec::shorten_tag(&mut tag, 0);
        tag
    }

    /// The topic that its changes come through.
    pub fn topic(&self, registry: &Registry) -> Arc<str> {
        let table = registry
            .tables
            .iter()
            .find(|it| it.shape.name == self.table);
        table.map_or_else(|| self.arrives_through(), |it| Arc::clone(&it.shape.topic))
    }

    /// The same, of a table that no source file declares.
    fn arrives_through(&self) -> Arc<str> {
        match &self.topic {
            Some(topic) => Arc::clone(topic),
            None => Arc::from(names::topic_of(&self.table)),
        }
    }

    /// The registry with this beacon: a family for each of its targets, bound to its table.
    ///
    /// # Errors
    /// See [`BeaconError`].
    pub fn add_to(&self, registry: Registry) -> Result<Registry, BeaconError> {
        let known = registry.tables.iter();
        let mut of_database = known.filter(|it| database_of(&it.shape.name) == &*self.database);
        let engine = of_database.next().map(|it| it.shape.engine).or(self.engine);
        let engine = engine.ok_or_else(|| BeaconError::UnknownEngine(self.database.clone()))?;
        let optional = registry.optional().clone();
        let Registry {
            revision,
            mut families,
            mut tables,
            mut targets,
            ..
        } = registry;
        let at = tables.iter().position(|it| it.shape.name == self.table);
        let at = at.unwrap_or_else(|| {
            tables.push(self.new_table(TableId(tables.len() as u32), engine));
            tables.len() - 1
        });
        for target in &self.targets {
            let family = self.family(target, target_id(&mut targets, target));
            if families.iter().any(|it| it.name == family.name) {
                return Err(BeaconError::Taken(family.name));
            }
            let id = FamilyId(families.len() as u32);
            tables[at].bindings.push(self.binding(id, target));
            families.push(family);
        }
        Ok(Registry::new(revision, families, tables, targets).with_optional(optional))
    }

    /// No column is bound: whatever happens to the row is a beat.
    fn new_table(&self, id: TableId, engine: Engine) -> Table {
        Table {
            shape: TableShape {
                id,
                name: Arc::clone(&self.table),
                topic: self.arrives_through(),
                engine,
                identity: ReplicaIdentity::Default,
                connector: Arc::default(),
                columns: Vec::new(),
                declared: Arc::default(),
            },
            bindings: Vec::new(),
        }
    }

    fn family(&self, target: &Target, id: TargetId) -> Family {
        let name = format!("freshet.beacon.{}.{}", self.database, target.name);
        Family {
            name: Arc::from(name),
            owner: Arc::from("freshet"),
            freshness: Freshness {
                class: FreshnessClass::Strict,
                within: self.within,
                objective: 0.999,
                window: Duration::from_secs(28 * 86_400),
            },
            max_ttl: self.ttl(),
            places: vec![match target.names {
                NameForm::RedisKey => Place::of_keys(id, [self.entry(&target.name).into()]),
                NameForm::SurrogateKey => Place::of_tags(id, self.tag().into(), PurgeMode::Hard),
            }],
            fan_out_max: 1,
            on_truncate: OnTruncate::Family,
            on_snapshot: OnSnapshot::Ignore,
            dead_letters: LetterPolicy::None,
            entry_version: None,
            beacon: Some(Arc::clone(&self.database)),
        }
    }

    fn binding(&self, family: FamilyId, target: &Target) -> Binding {
        let name = match target.names {
            NameForm::RedisKey => self.entry(&target.name),
            NameForm::SurrogateKey => self.tag(),
        };
        let template = Template {
            form: target.names,
            segments: vec![Segment::Literal(name.into())],
        };
        Binding {
            family,
            when_changed: Vec::new(),
            names: vec![Arc::from([template])],
            version_column: None,
        }
    }
}

/// The server of a table's name: all but schema and table.
fn database_of(table: &str) -> &str {
    let schema = table.rsplit_once('.').map_or("", |(schema, _)| schema);
    schema.rsplit_once('.').map_or("", |(database, _)| database)
}

/// A target that no family named before is served from now on.
fn target_id(targets: &mut Vec<Target>, wanted: &Target) -> TargetId {
    let at = targets.iter().position(|it| it.name == wanted.name);
    TargetId(at.unwrap_or_else(|| {
        targets.push(wanted.clone());
        targets.len() - 1
    }) as u32)
}
