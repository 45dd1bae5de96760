//! Settings with a fixed list of words, as serde reads and prints them.

use freshet_core::setting::Setting;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::at::At;

/// Prints the word; null where there is none.
pub(crate) fn serialize<S, W>(setting: &Option<W>, serializer: S) -> Result<S::Ok, S::Error>
where
    S: Serializer,
    W: Setting,
{
    setting.map(W::word).serialize(serializer)
}

/// Reads one word of the list, or null.
pub(crate) fn deserialize<'de, D, W>(deserializer: D) -> Result<Option<W>, D::Error>
where
    D: Deserializer<'de>,
    W: Setting,
{
    let Some(word) = Option::<String>::deserialize(deserializer)? else {
        return Ok(None);
    };
    match W::named(&word) {
        Some(setting) => Ok(Some(setting)),
        None => Err(de::Error::unknown_variant(&word, W::WORDS)),
    }
}

/// Prints the word of a setting that is decided.
pub(crate) fn word<S, W>(setting: &At<W>, serializer: S) -> Result<S::Ok, S::Error>
where
    S: Serializer,
    W: Setting,
{
    serializer.serialize_str(setting.word())
}
