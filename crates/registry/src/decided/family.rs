//! A family with every default explicit.

use std::sync::Arc;
use std::time::Duration;

use freshet_core::registry::{
    FreshnessClass, LetterPolicy, OnSnapshot, OnTruncate, PurgeMode, Tier,
};
use freshet_core::template::NameForm;
use serde::{Serialize, Serializer};

use crate::at::At;
use crate::decided::guard::Guard;
use crate::decided::lifecycle::Lifecycle;
use crate::decided::template::TemplateText;
use crate::duration;
use crate::setting;
use crate::written::family::{Acknowledgement, Binding, Example, Owner, Relation};

/// A family, in the order and with the names of its file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Family {
    /// Its name, `<domain>.<noun>`.
    pub family: At<String>,
    /// Version of its entries' form.
    pub schema_version: u32,
    /// Who answers for it.
    pub owner: Owner,
    /// What is cached, for people.
    pub description: Option<String>,
    /// Whether it purges.
    pub lifecycle: At<Lifecycle>,
    /// How fresh its readers must be.
    pub freshness: Freshness,
    /// The longest life of an entry.
    #[serde(serialize_with = "duration::serialize")]
    pub max_ttl: Duration,
    /// How readers keep an old row from being stored after its purge.
    pub guard: At<Guard>,
    /// Where its entries are, each at a target of its own.
    pub places: Vec<Place>,
    /// The tables whose changes make them stale.
    pub sources: Vec<Binding>,
    /// What a truncate purges.
    #[serde(serialize_with = "setting::word")]
    pub on_truncate: At<OnTruncate>,
    /// What a row of a snapshot does.
    #[serde(serialize_with = "setting::word")]
    pub on_snapshot: At<OnSnapshot>,
    /// What dead letters keep of a record.
    #[serde(serialize_with = "setting::word")]
    pub dead_letters: At<LetterPolicy>,
    /// Names of one change at one target that are purged one by one.
    pub fan_out_max: u32,
    /// The placeholder that every key has, since only one reader may see the entry.
    pub auth_scope: Option<String>,
    /// Where entries say which version of their row they hold.
    pub entry_version: Option<EntryVersion>,
    /// Parents whose cascades are seen to.
    pub relations: Vec<Relation>,
    /// Its unit tests.
    pub examples: Vec<At<Example>>,
    /// Warnings that somebody has judged.
    pub acknowledge: Vec<Acknowledgement>,
}

impl Family {
    /// Its places where entries have keys.
    pub(crate) fn stores(&self) -> impl Iterator<Item = &Place> {
        let places = self.places.iter();
        places.filter(|place| place.form() == NameForm::RedisKey)
    }

    /// The templates of its keys.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &TemplateText> {
        self.stores().flat_map(|place| place.keys.iter())
    }

    /// Its places, those together that have one list of templates.
    pub(crate) fn lists(&self) -> impl Iterator<Item = &[Place]> {
        let places = &self.places;
        places.chunk_by(|one, other| Arc::ptr_eq(one.names(), other.names()))
    }
}

/// A family's objective.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Freshness {
    /// What may wait.
    #[serde(serialize_with = "setting::word")]
    pub class: At<FreshnessClass>,
    /// From commit to purge at most.
    #[serde(serialize_with = "duration::serialize")]
    pub within: Duration,
    /// The share of changes for which that holds.
    pub objective: Percent,
    /// The time over which the share is counted.
    #[serde(serialize_with = "duration::serialize")]
    pub window: Duration,
}

/// A share in percent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Percent(pub f64);

impl Serialize for Percent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{}%", self.0))
    }
}

/// One cache that holds entries of a family, by their keys or by their tags.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Place {
    /// The cache.
    pub target: At<String>,
    /// Its layer.
    #[serde(serialize_with = "setting::word")]
    pub tier: At<Tier>,
    /// The templates of their keys; none where they have tags.
    #[serde(skip_serializing_if = "is_empty")]
    pub keys: Arc<[TemplateText]>,
    /// The templates of their tags.
    #[serde(skip_serializing_if = "is_empty")]
    pub tags: Arc<[TemplateText]>,
    /// The tag of all of them, where they have tags.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub family_tag: Option<At<String>>,
    /// Whether they are removed, or marked as stale.
    #[serde(serialize_with = "setting::word")]
    pub mode: At<PurgeMode>,
}

fn is_empty(templates: &Arc<[TemplateText]>) -> bool {
    templates.is_empty()
}

impl Place {
    /// What entries are called by.
    pub fn form(&self) -> NameForm {
        match self.family_tag {
            Some(_) => NameForm::SurrogateKey,
            None => NameForm::RedisKey,
        }
    }

    /// The templates of their names. Places that were written as one share the list.
    pub(crate) fn names(&self) -> &Arc<[TemplateText]> {
        match self.form() {
            NameForm::RedisKey => &self.keys,
            NameForm::SurrogateKey => &self.tags,
        }
    }
}

/// Where entries say which version of their row they hold.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EntryVersion {
    /// The entry's field.
    pub field: String,
    /// The row's column.
    pub column: At<String>,
    /// What entries are.
    #[serde(serialize_with = "setting::word")]
    pub format: At<EntryForm>,
}

freshet_core::setting! {
    /// What an entry is.
    EntryForm {
        /// A JSON object.
        Json = "json",
        /// A Redis hash.
        Hash = "hash",
    }
}
