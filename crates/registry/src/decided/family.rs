//! A family with every default explicit.

use std::sync::Arc;
use std::time::Duration;

use freshet_core::registry::{
    FreshnessClass, LetterPolicy, OnSnapshot, OnTruncate, PurgeMode, Tier,
};
use freshet_core::template::NameForm;
use serde::{Serialize, Serializer};

use crate::at::At;
use crate::decided::lifecycle::Lifecycle;
use crate::decided::template::TemplateText;
use crate::duration;
use crate::written::family::{Acknowledgement, Binding, Example, Owner, Relation};

/// A family, in the order and with the names of its file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Family {
    pub(crate) family: At<String>,
    pub(crate) schema_version: u32,
    pub(crate) owner: Owner,
    pub(crate) description: Option<String>,
    pub(crate) lifecycle: At<Lifecycle>,
    pub(crate) freshness: Freshness,
    #[serde(serialize_with = "duration::serialize")]
    pub(crate) max_ttl: Duration,
    /// How readers keep an old row from being stored after its purge: `none` says that they do not.
    pub(crate) guard: At<String>,
    pub(crate) places: Vec<Place>,
    pub(crate) sources: Vec<Binding>,
    pub(crate) on_truncate: At<OnTruncate>,
    pub(crate) on_snapshot: At<OnSnapshot>,
    pub(crate) dead_letters: At<LetterPolicy>,
    /// Names of one change at one target that are purged one by one.
    pub(crate) fan_out_max: u32,
    pub(crate) auth_scope: Option<String>,
    pub(crate) entry_version: Option<EntryVersion>,
    pub(crate) relations: Vec<Relation>,
    pub(crate) examples: Vec<At<Example>>,
    pub(crate) acknowledge: Vec<Acknowledgement>,
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
pub(crate) struct Freshness {
    pub(crate) class: At<FreshnessClass>,
    #[serde(serialize_with = "duration::serialize")]
    pub(crate) within: Duration,
    pub(crate) objective: Percent,
    #[serde(serialize_with = "duration::serialize")]
    pub(crate) window: Duration,
}

/// A share in percent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Percent(pub f64);

impl Serialize for Percent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{}%", self.0))
    }
}

/// One cache that holds entries of a family, by their keys or by their tags.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Place {
    pub(crate) target: At<String>,
    pub(crate) tier: At<Tier>,
    /// The templates of their keys; none where they have tags.
    #[serde(skip_serializing_if = "is_empty")]
    pub(crate) keys: Arc<[TemplateText]>,
    #[serde(skip_serializing_if = "is_empty")]
    pub(crate) tags: Arc<[TemplateText]>,
    /// The tag of all of them, where they have tags.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) family_tag: Option<At<String>>,
    pub(crate) mode: At<PurgeMode>,
}

fn is_empty(templates: &Arc<[TemplateText]>) -> bool {
    templates.is_empty()
}

impl Place {
    /// What entries are called by.
    pub(crate) fn form(&self) -> NameForm {
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
pub(crate) struct EntryVersion {
    pub(crate) field: String,
    pub(crate) column: At<String>,
    pub(crate) format: At<EntryForm>,
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
