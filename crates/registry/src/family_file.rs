//! `families/**/*.yaml` as written. Values that rules speak of keep their place.

use std::collections::BTreeMap;

use freshet_core::template::NameForm;
use serde::Deserialize;
use serde::de::{self, Deserializer, SeqAccess, Visitor};
use serde_json::Value;
use serde_saphyr::Spanned;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FamilyFile {
    pub(crate) family: Spanned<String>,
    pub(crate) schema_version: Spanned<u32>,
    pub(crate) owner: OwnerWritten,
    #[serde(default)]
    #[allow(dead_code, reason = "for people and for the owners' listing")]
    pub(crate) description: Option<String>,
    pub(crate) lifecycle: Spanned<String>,
    pub(crate) freshness: FreshnessWritten,
    pub(crate) max_ttl: Spanned<String>,
    pub(crate) guard: Option<Spanned<String>>,
    #[serde(default)]
    places: Vec<PlaceWritten>,
    redis: Option<RedisWritten>,
    cdn: Option<CdnWritten>,
    pub(crate) sources: Vec<BindingWritten>,
    pub(crate) on_truncate: Option<Spanned<String>>,
    pub(crate) on_snapshot: Option<Spanned<String>>,
    pub(crate) dead_letters: Option<Spanned<String>>,
    pub(crate) fan_out_max: Option<Spanned<u32>>,
    pub(crate) auth_scope: Option<Spanned<String>>,
    pub(crate) entry_version: Option<EntryVersionWritten>,
    #[serde(default)]
    pub(crate) relations: Vec<RelationWritten>,
    #[serde(default)]
    pub(crate) examples: Vec<Spanned<ExampleWritten>>,
    #[serde(default)]
    pub(crate) acknowledge: Vec<AcknowledgeWritten>,
}

/// A warning that somebody has judged.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AcknowledgeWritten {
    pub(crate) code: Spanned<String>,
    pub(crate) reason: Spanned<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OwnerWritten {
    pub(crate) team: Spanned<String>,
    #[serde(default)]
    #[allow(dead_code, reason = "for people and for the owners' listing")]
    pub(crate) contact: Option<String>,
    #[serde(default)]
    #[allow(dead_code, reason = "for people and for the owners' listing")]
    pub(crate) runbook: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FreshnessWritten {
    pub(crate) class: Spanned<String>,
    pub(crate) within: Spanned<String>,
    pub(crate) objective: Spanned<String>,
    pub(crate) window: Spanned<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct PlaceWritten {
    target: Spanned<String>,
    tier: Option<Spanned<String>>,
    keys: Option<Vec<Spanned<String>>>,
    tags: Option<Vec<Spanned<String>>>,
    family_tag: Option<Spanned<String>>,
    mode: Option<Spanned<String>>,
}

/// Short for one place with keys.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct RedisWritten {
    target: Spanned<String>,
    keys: Vec<Spanned<String>>,
}

/// Short for a place with the same tags at each target.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct CdnWritten {
    targets: Vec<Spanned<String>>,
    tags: Vec<Spanned<String>>,
    family_tag: Option<Spanned<String>>,
    mode: Option<Spanned<String>>,
}

/// One written list of names, and the targets that have entries of these names. Exactly one of `keys` and `tags` is
/// given, or the family is refused.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Places<'f> {
    pub(crate) targets: &'f [Spanned<String>],
    pub(crate) tier: Option<&'f Spanned<String>>,
    pub(crate) keys: Option<&'f [Spanned<String>]>,
    pub(crate) tags: Option<&'f [Spanned<String>]>,
    pub(crate) mode: Option<&'f Spanned<String>>,
    family_tag: Option<&'f Spanned<String>>,
    family: &'f Spanned<String>,
    /// The part of the file that says it.
    pub(crate) field: &'static str,
}

impl<'f> Places<'f> {
    /// The templates.
    pub(crate) fn texts(&self) -> &'f [Spanned<String>] {
        self.keys.or(self.tags).unwrap_or_default()
    }

    /// What the templates make.
    pub(crate) fn form(&self) -> NameForm {
        match self.tags {
            Some(_) if self.keys.is_none() => NameForm::SurrogateKey,
            _ => NameForm::RedisKey,
        }
    }

    /// The tag of all answers of the family, where names are tags.
    pub(crate) fn family_tag(&self) -> Option<&'f Spanned<String>> {
        let tag = self.family_tag.unwrap_or(self.family);
        (self.form() == NameForm::SurrogateKey).then_some(tag)
    }

    /// A `family_tag` that says nothing, since names are keys.
    pub(crate) fn idle_family_tag(&self) -> Option<&'f Spanned<String>> {
        self.family_tag.filter(|_| self.family_tag().is_none())
    }
}

impl FamilyFile {
    /// Where entries are cached: the short forms first, then `places` in their order.
    pub(crate) fn places(&self) -> impl Iterator<Item = Places<'_>> {
        let none = Places {
            targets: &[],
            tier: None,
            keys: None,
            tags: None,
            mode: None,
            family_tag: None,
            family: &self.family,
            field: "places[]",
        };
        let redis = self.redis.iter().map(move |redis| Places {
            targets: std::slice::from_ref(&redis.target),
            keys: Some(&redis.keys),
            field: "redis",
            ..none
        });
        let cdn = self.cdn.iter().map(move |cdn| Places {
            targets: &cdn.targets,
            tags: Some(&cdn.tags),
            field: "cdn",
            mode: cdn.mode.as_ref(),
            family_tag: cdn.family_tag.as_ref(),
            ..none
        });
        let places = self.places.iter().map(move |place| Places {
            targets: std::slice::from_ref(&place.target),
            tier: place.tier.as_ref(),
            keys: place.keys.as_deref(),
            tags: place.tags.as_deref(),
            mode: place.mode.as_ref(),
            family_tag: place.family_tag.as_ref(),
            ..none
        });
        redis.chain(cdn).chain(places)
    }

    /// How many entries `places` has.
    pub(crate) fn places_listed(&self) -> usize {
        self.places.len()
    }

    /// The places whose entries have keys.
    pub(crate) fn stores(&self) -> impl Iterator<Item = Places<'_>> {
        self.places().filter(|it| it.form() == NameForm::RedisKey)
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BindingWritten {
    pub(crate) table: Spanned<String>,
    #[serde(default)]
    pub(crate) bind: BTreeMap<String, Spanned<BoundTo>>,
    #[serde(default)]
    pub(crate) when_changed: Vec<Spanned<String>>,
}

/// A placeholder's value: a column, or constants.
#[derive(Debug, Clone)]
pub(crate) enum BoundTo {
    Column(String),
    Constants(Vec<String>),
}

impl<'de> Deserialize<'de> for BoundTo {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = BoundTo;

            fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.write_str(
                    "a column's name, in quotes where YAML takes it for a boolean or a number, or a list of constants",
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

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EntryVersionWritten {
    pub(crate) field: String,
    pub(crate) column: Spanned<String>,
    pub(crate) format: Option<Spanned<String>>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RelationWritten {
    pub(crate) parent: String,
    #[serde(default)]
    pub(crate) acknowledged: bool,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExampleWritten {
    pub(crate) change: ExampleChange,
    #[serde(default)]
    pub(crate) purges: ExamplePurges,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExampleChange {
    pub(crate) table: String,
    pub(crate) op: String,
    #[serde(default)]
    pub(crate) before: Option<BTreeMap<String, Value>>,
    #[serde(default)]
    pub(crate) after: Option<BTreeMap<String, Value>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExamplePurges {
    #[serde(default)]
    pub(crate) redis: Vec<String>,
    #[serde(default)]
    pub(crate) tags: Vec<String>,
}
