//! Headers with secrets.

use freshet_core::secret::Secret;
use http::header::{HeaderName, HeaderValue};

use crate::CdnConfigError;

/// A secret header that a target sends with every request.
#[derive(Debug, Clone)]
pub struct SecretHeader {
    pub(crate) name: HeaderName,
    /// Marked as sensitive: its debug output hides it, and HTTP/2 does not index it.
    pub(crate) value: HeaderValue,
    pub(crate) secret: Secret,
}

impl SecretHeader {
    /// A header of this name with this value.
    ///
    /// # Errors
    /// The name or the value cannot stand in a header. The value is not repeated.
    pub fn new(name: &str, value: &Secret) -> Result<Self, CdnConfigError> {
        Self::with_prefix(name, "", value)
    }

    /// The same with a word before the secret: `Bearer `.
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    pub fn with_prefix(name: &str, prefix: &str, value: &Secret) -> Result<Self, CdnConfigError> {
        let name = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| CdnConfigError::new("name", "is not the name of a header"))?;
        let secret = value.clone();
        let mut value =
            HeaderValue::from_str(&format!("{prefix}{}", value.expose())).map_err(|_| {
                CdnConfigError::new("value", "has characters that are not allowed in headers")
            })?;
        value.set_sensitive(true);
        Ok(Self {
            name,
            value,
            secret,
        })
    }

    /// Its name, in lower case.
    pub fn name(&self) -> &str {
        self.name.as_str()
    }
}
