//! `families/**/*.yaml` as written. Values that rules speak of keep their place.

use std::collections::BTreeMap;

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
    pub(crate) redis: Option<RedisWritten>,
    pub(crate) cdn: Option<CdnWritten>,
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
pub(crate) struct RedisWritten {
    pub(crate) target: Spanned<String>,
    pub(crate) keys: Vec<Spanned<String>>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CdnWritten {
    pub(crate) targets: Vec<Spanned<String>>,
    pub(crate) tags: Vec<Spanned<String>>,
    pub(crate) family_tag: Option<Spanned<String>>,
    pub(crate) mode: Option<Spanned<String>>,
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
