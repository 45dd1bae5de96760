//! What all providers share: an HTTP client with deadlines, and what a failed request means.

use std::time::Duration;

use freshet_core::purge::{PurgeOutcome, Refusal};
use freshet_core::secret::Secret;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Response, StatusCode};

/// Longest pause that a provider may ask for, in seconds. Fastly counts purges by the hour.
pub(crate) const RETRY_AFTER_MAX_S: u64 = 3_600;

/// Longest body that is read. Fastly's answer to 256 keys of 8 000 bytes takes under 32 KiB.
const BODY_BYTES_MAX: usize = 1 << 20;

/// Longest part of a provider's message that is repeated, in characters.
const MESSAGE_MAX: usize = 200;

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
        429 | 503 => PurgeOutcome::Throttled { retry_after_ms },
        408 | 500 | 502 | 504 => PurgeOutcome::Unreachable,
        // Wrong credentials, rights or names are the operator's to mend, not the tag's fault: the purges wait, loudly.
        401 | 403 | 404 | 405 | 300..=399 => PurgeOutcome::Refused(Refusal::OfCaller),
        400..=499 | 501 => PurgeOutcome::Refused(Refusal::OfPurge),
        _ => PurgeOutcome::Unreachable,
    }
}

/// `Retry-After` in seconds, as milliseconds; zero when there is none, or a date.
pub(crate) fn retry_after_ms(headers: &HeaderMap) -> u32 {
    number_in(headers, "retry-after").map_or(0, wait_ms)
}

/// The whole number that a header holds.
pub(crate) fn number_in(headers: &HeaderMap, name: &str) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

/// A pause in milliseconds, bounded: one wrong answer must not hold a backlog for weeks.
pub(crate) fn wait_ms(seconds: u64) -> u32 {
    // 3.6 million fit.
    seconds.min(RETRY_AFTER_MAX_S) as u32 * 1_000
}

/// The whole body.
///
/// # Errors
/// It breaks off, or does not end in time or in size.
pub(crate) async fn body_of(mut answer: Response) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    while let Some(part) = answer.chunk().await.map_err(reason_of)? {
        if body.len() + part.len() > BODY_BYTES_MAX {
            return Err(format!("answered with more than {BODY_BYTES_MAX} bytes"));
        }
        body.extend_from_slice(&part);
    }
    Ok(body)
}

/// A provider's message for the log: its beginning, without what a terminal obeys.
pub(crate) fn shown(message: &str) -> String {
    let beginning = message.chars().take(MESSAGE_MAX);
    beginning.flat_map(char::escape_debug).collect()
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
