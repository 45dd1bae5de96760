//! What all providers share: an HTTP client with deadlines, and what a failed request means.

use std::time::Duration;

use freshet_core::purge::PurgeOutcome;
use freshet_core::secret::Secret;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, StatusCode};

/// How long to wait for somebody to mend credentials, rights or a target's name.
pub(crate) const RIGHTS_RETRY_MS: u32 = 5_000;

/// A secret header that a target sends with every request.
#[derive(Debug, Clone)]
pub struct SecretHeader {
    name: HeaderName,
    /// Marked as sensitive: its debug output hides it, and HTTP/2 does not index it.
    value: HeaderValue,
    secret: Secret,
}

impl SecretHeader {
    /// A header of this name with this value.
    ///
    /// # Errors
    /// The name or the value cannot stand in a header. The value is not repeated.
    pub fn new(name: &str, value: &Secret) -> Result<Self, CdnConfigError> {
        let name = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| CdnConfigError("the name is not that of a header".to_owned()))?;
        let secret = value.clone();
        let mut value = HeaderValue::from_str(value.expose()).map_err(|_| {
            CdnConfigError("the value has characters that no header may have".to_owned())
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

    /// `text` without the value: a server's error may repeat the request.
    pub(crate) fn conceal(&self, text: &str) -> String {
        self.secret.conceal(text)
    }
}

/// A target cannot be what its config says.
#[derive(Debug, thiserror::Error)]
#[error("cdn target is not usable: {0}")]
pub struct CdnConfigError(pub(crate) String);

/// A client whose every request ends within `timeout`, and that uses no connection again after `idle`, which is to
/// be less than the other side waits before it closes one: a request into a closing connection gets no answer.
/// Redirects are not followed: a purge that is sent elsewhere purges nothing, and a token must not travel.
pub(crate) fn build(
    timeout: Duration,
    idle: Duration,
    secret: Option<&SecretHeader>,
) -> Result<Client, CdnConfigError> {
    let secret = secret.map(|it| (it.name.clone(), it.value.clone()));
    Client::builder()
        .default_headers(HeaderMap::from_iter(secret))
        .timeout(timeout)
        .pool_idle_timeout(idle)
        .connect_timeout(timeout.min(Duration::from_secs(2)))
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("freshet/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| CdnConfigError(error.to_string()))
}

/// What a status means where the provider has no other word for it.
pub(crate) fn outcome_of(status: StatusCode, retry_after_ms: u32) -> PurgeOutcome {
    match status.as_u16() {
        200..=299 => PurgeOutcome::Purged,
        429 => PurgeOutcome::Throttled { retry_after_ms },
        408 | 500 | 502..=504 => PurgeOutcome::Unreachable,
        // Wrong credentials, rights or names are the operator's to mend, not the tag's fault: the purges wait, loudly.
        401 | 403 | 404 | 405 | 300..=399 => PurgeOutcome::Throttled {
            retry_after_ms: RIGHTS_RETRY_MS,
        },
        400..=499 | 501 => PurgeOutcome::Refused,
        _ => PurgeOutcome::Unreachable,
    }
}

/// `Retry-After` in seconds, as milliseconds; zero when there is none.
pub(crate) fn retry_after_ms(headers: &HeaderMap) -> u32 {
    headers
        .get("retry-after")
        .and_then(|value| value.to_str().ok()?.trim().parse::<u32>().ok())
        .map_or(0, |seconds| seconds.saturating_mul(1000))
}

/// A transport error in words, without the address that may hold a name.
pub(crate) fn reason_of(error: reqwest::Error) -> String {
    let error = error.without_url();
    if error.is_timeout() {
        "did not answer in time".to_owned()
    } else if error.is_connect() {
        "cannot be connected to".to_owned()
    } else {
        root_of(&error)
    }
}

/// The innermost words of an error: the outer ones only say that a request was sent.
fn root_of(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => root_of(source),
        None => error.to_string(),
    }
}
