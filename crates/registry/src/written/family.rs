//! `families/**/*.yaml` as written.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display, Formatter};

use serde::de::{self, Deserializer, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::at::At;

/// Where entries can be said to be, for a family that says none.
pub(crate) const WHERE_ENTRIES_ARE: &str = "`redis:` keys, `cdn:` targets and tags, or `places:`";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FamilyFile {
    pub(crate) family: At<String>,
    pub(crate) schema_version: u32,
    pub(crate) owner: Owner,
    pub(crate) description: Option<String>,
    pub(crate) lifecycle: At<String>,
    pub(crate) freshness: FreshnessWritten,
    pub(crate) max_ttl: At<String>,
    pub(crate) guard: Option<At<String>>,
    #[serde(default)]
    places: Vec<PlaceWritten>,
    redis: Option<RedisWritten>,
    cdn: Option<CdnWritten>,
    pub(crate) sources: Vec<Binding>,
    pub(crate) on_truncate: Option<At<String>>,
    pub(crate) on_snapshot: Option<At<String>>,
    pub(crate) dead_letters: Option<At<String>>,
    pub(crate) fan_out_max: Option<At<u32>>,
    pub(crate) auth_scope: Option<String>,
    pub(crate) entry_version: Option<EntryVersionWritten>,
    #[serde(default)]
    pub(crate) relations: Vec<Relation>,
    #[serde(default)]
    pub(crate) examples: Vec<At<Example>>,
    #[serde(default)]
    pub(crate) acknowledge: Vec<Acknowledgement>,
}

/// A warning that somebody has judged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Acknowledgement {
    pub(crate) code: At<String>,
    pub(crate) reason: At<String>,
}

/// Who answers for a family.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Owner {
    pub(crate) team: At<String>,
    pub(crate) contact: Option<String>,
    pub(crate) runbook: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FreshnessWritten {
    pub(crate) class: At<String>,
    pub(crate) within: At<String>,
    pub(crate) objective: At<String>,
    pub(crate) window: At<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PlaceWritten {
    target: At<String>,
    tier: Option<At<String>>,
    keys: Option<Vec<At<String>>>,
    tags: Option<Vec<At<String>>>,
    family_tag: Option<At<String>>,
    mode: Option<At<String>>,
}

/// Short for one place with keys.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RedisWritten {
    target: At<String>,
    keys: Vec<At<String>>,
}

/// Short for a place with the same tags at each target.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CdnWritten {
    targets: Vec<At<String>>,
    tags: Vec<At<String>>,
    family_tag: Option<At<String>>,
    mode: Option<At<String>>,
}

/// One written list of names, and the targets that have entries of these names.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Places<'f> {
    pub(crate) targets: &'f [At<String>],
    pub(crate) tier: Option<&'f At<String>>,
    pub(crate) keys: Option<&'f [At<String>]>,
    pub(crate) tags: Option<&'f [At<String>]>,
    pub(crate) mode: Option<&'f At<String>>,
    pub(crate) family_tag: Option<&'f At<String>>,
    pub(crate) field: &'static str,
}

impl FamilyFile {
    /// Where entries are cached: the short forms first, then `places` in their order.
    pub(crate) fn places(&self) -> impl Iterator<Item = Places<'_>> {
        let redis = self.redis.iter().map(|redis| Places {
            targets: std::slice::from_ref(&redis.target),
            keys: Some(&redis.keys),
            field: "redis",
            ..Places::default()
        });
        let cdn = self.cdn.iter().map(|cdn| Places {
            targets: &cdn.targets,
            tags: Some(&cdn.tags),
            field: "cdn",
            mode: cdn.mode.as_ref(),
            family_tag: cdn.family_tag.as_ref(),
            ..Places::default()
        });
        let places = self.places.iter().map(|place| Places {
            targets: std::slice::from_ref(&place.target),
            tier: place.tier.as_ref(),
            keys: place.keys.as_deref(),
            tags: place.tags.as_deref(),
            mode: place.mode.as_ref(),
            family_tag: place.family_tag.as_ref(),
            field: "places[]",
        });
        redis.chain(cdn).chain(places)
    }

    /// How many entries `places` has.
    pub(crate) fn places_listed(&self) -> usize {
        self.places.len()
    }
}

/// A table whose changes make entries stale.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Binding {
    pub(crate) table: At<String>,
    #[serde(default)]
    pub(crate) bind: BTreeMap<String, At<BoundTo>>,
    /// Columns of which one must change for an update to count. Without any, every update counts.
    #[serde(default)]
    pub(crate) when_changed: Vec<At<String>>,
}

/// A placeholder's value: a column, or constants.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub(crate) enum BoundTo {
    Column(String),
    Constants(Vec<String>),
}

impl<'de> Deserialize<'de> for BoundTo {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = BoundTo;

            fn expecting(&self, out: &mut Formatter<'_>) -> fmt::Result {
                out.write_str(
                    "a column's name (in quotes if YAML would read it as a boolean or a number), or a list of constants",
                )
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<BoundTo, E> {
                Ok(BoundTo::Column(text.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<BoundTo, A::Error> {
                let mut constants = Vec::new();
                while let Some(constant) = list.next_element::<String>()? {
                    constants.push(constant);
                }
                Ok(BoundTo::Constants(constants))
            }
        }
        deserializer.deserialize_any(Read)
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EntryVersionWritten {
    pub(crate) field: String,
    pub(crate) column: At<String>,
    pub(crate) format: Option<At<String>>,
}

/// A parent table whose changes are seen to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Relation {
    pub(crate) parent: String,
    #[serde(default)]
    pub(crate) acknowledged: bool,
}

/// A unit test of a family.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Example {
    pub(crate) change: ExampleChange,
    #[serde(default)]
    pub(crate) purges: ExamplePurges,
}

/// A change of one row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExampleChange {
    pub(crate) table: String,
    pub(crate) op: String,
    pub(crate) before: Option<BTreeMap<String, Value>>,
    pub(crate) after: Option<BTreeMap<String, Value>>,
}

/// Names that are purged, as rendered.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExamplePurges {
    #[serde(default, rename = "redis")]
    pub(crate) keys: BTreeSet<String>,
    #[serde(default)]
    pub(crate) tags: BTreeSet<String>,
}

impl Display for ExamplePurges {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        write!(out, "redis {:?} tags {:?}", self.keys, self.tags)
    }
}
