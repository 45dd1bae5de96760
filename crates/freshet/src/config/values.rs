//! The forms of single values. None of them has `Debug` or `Display`.

use std::fmt;

use freshet_core::secret::Secret;
use serde::Deserialize;
use serde::de::{self, MapAccess, Visitor};
use serde_saphyr::Spanned;

/// What an error says of a secret that is not written as one. Nothing of what was written is repeated.
pub(crate) const SECRET_FORM: &str = "a secret is written as { env: NAME } or { file: PATH }";

/// The address of a server. Somebody may have written credentials into it.
#[derive(Deserialize)]
#[serde(transparent)]
pub(crate) struct AddressWritten(pub(crate) String);

/// A duration such as `250ms`.
#[derive(Deserialize)]
#[serde(transparent)]
pub(crate) struct DurationWritten(pub(crate) String);

/// A text that goes elsewhere as it is: to librdkafka, or into a purge. Somebody may have written a password here.
pub(crate) struct PropertyWritten(pub(crate) Secret);

impl<'de> Deserialize<'de> for PropertyWritten {
    fn deserialize<D: de::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from).map(|text| Self(Secret::from(text)))
    }
}

/// A status of HTTP.
#[derive(Deserialize)]
#[serde(transparent)]
pub(crate) struct StatusWritten(pub(crate) u16);

/// Where a secret is: in the environment or in a file, never in the config itself.
#[derive(Default)]
pub(crate) struct SecretWritten {
    pub(crate) env: Option<String>,
    pub(crate) file: Option<String>,
}

impl<'de> Deserialize<'de> for SecretWritten {
    fn deserialize<D: de::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(SecretVisitor)
    }
}

/// A secret that is given, if its field is: an empty field, or a password that YAML reads as an anchor, is no secret.
pub(crate) fn given<'de, D: de::Deserializer<'de>>(
    from: D,
) -> Result<Option<Spanned<SecretWritten>>, D::Error> {
    Spanned::deserialize(from).map(Some)
}

/// Reads a secret by hand: the name of a wrong field may be the secret itself, and derived errors repeat it.
struct SecretVisitor;

impl<'de> Visitor<'de> for SecretVisitor {
    type Value = SecretWritten;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(SECRET_FORM)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<SecretWritten, A::Error> {
        let mut written = SecretWritten::default();
        while let Some(key) = map.next_key::<String>()? {
            let field = match key.as_str() {
                "env" => &mut written.env,
                "file" => &mut written.file,
                _ => return Err(de::Error::custom(SECRET_FORM)),
            };
            *field = Some(map.next_value()?);
        }
        Ok(written)
    }
}
