//! The decisions of a provider, without sockets or clocks: how a batch is split, which calls purge a chunk, and the
//! outcome of a response. [`HttpPurger`](crate::HttpPurger) does the rest for all providers.
//!
//! How to add one: "Adding a provider" in `docs/targets/README.md`.

pub(crate) mod cloudflare;
pub(crate) mod fastly;
pub(crate) mod generic_http;
pub(crate) mod varnish;

use std::fmt;
use std::time::Duration;

use freshet_core::position::WallMicros;
use freshet_core::purge::{PurgeOutcome, Refusal};
use freshet_core::secret::Secret;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use serde_json::Value;

use crate::CdnConfigError;
use crate::budget::Budget;
use crate::chunk::{Bounds, Chunk};
use crate::secret_header::SecretHeader;

/// Longest pause that a provider may ask for, in seconds. Fastly counts purges by the hour.
const RETRY_AFTER_MAX_S: u64 = 3_600;

/// A CDN or cache that is purged over HTTP.
pub trait Provider: fmt::Debug + Send + Sync {
    /// Its name in the config.
    fn name(&self) -> &'static str;

    /// Its limits. Read once.
    fn terms(&self) -> Terms;

    /// The calls that purge a chunk: one for each server.
    ///
    /// # Errors
    /// A name cannot be sent; every purge of the chunk is refused.
    fn calls(&self, chunk: &Chunk<'_>) -> Result<Vec<Call<'_>>, Unsendable>;

    /// The outcome of one server's response for the purges of the chunk.
    fn read(&self, chunk: &Chunk<'_>, answer: &Answer<'_>) -> Reading;

    /// Calls without a purge that show whether every server would accept a purge.
    fn pings(&self) -> Vec<Call<'_>>;

    /// Interprets the response to a ping.
    ///
    /// # Errors
    /// Why the server would not accept a purge.
    fn read_ping(&self, answer: &Answer<'_>) -> Result<(), Reason>;
}

/// Limits of a provider.
#[derive(Debug, Clone)]
pub struct Terms {
    /// Limits of one chunk.
    pub bounds: Bounds,
    /// Timeout of a call.
    pub timeout: Duration,
    /// An idle connection is not reused after this time. Shorter than the server's idle timeout, because a
    /// request on a closing connection gets no response.
    pub idle: Duration,
    /// Maximum body that is read; with zero, none is.
    pub body_bytes_max: usize,
    /// Number of chunks in flight.
    pub chunks_in_flight: usize,
    /// Minimum interval of pings while purges succeed.
    pub ping_holds: Duration,
    /// Rate limit of the account, if the provider has one.
    pub budget: Option<Budget>,
    /// Secrets to remove from every message.
    pub secrets: Vec<Secret>,
}

impl Terms {
    /// Default limits with this chunk size and timeout.
    pub fn new(bounds: Bounds, timeout: Duration) -> Self {
        Self {
            bounds,
            timeout,
            idle: Duration::from_secs(30),
            body_bytes_max: 1 << 20,
            chunks_in_flight: 1,
            ping_holds: Duration::ZERO,
            budget: None,
            secrets: Vec::new(),
        }
    }

    /// The same, with a further secret.
    pub fn hiding(mut self, header: Option<&SecretHeader>) -> Self {
        self.secrets
            .extend(header.map(|header| header.secret.clone()));
        self
    }
}

/// One request.
#[derive(Debug)]
pub struct Call<'a> {
    /// The server, for messages. A server that does not answer gets no further calls of the batch.
    pub side: &'a str,
    pub(crate) method: Method,
    pub(crate) url: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl<'a> Call<'a> {
    /// A request without headers and body.
    pub fn new(side: &'a str, method: Method, url: String) -> Self {
        Self {
            side,
            method,
            url,
            headers: HeaderMap::new(),
            body: Vec::new(),
        }
    }

    /// The same with a header.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// The same with a header that holds names.
    ///
    /// # Errors
    /// The text is not allowed in a header.
    pub fn with_text(self, name: HeaderName, text: &str) -> Result<Self, Unsendable> {
        let value = HeaderValue::from_str(text)
            .map_err(|_| Unsendable("a name has characters that are not allowed in headers"))?;
        Ok(self.with_header(name, value))
    }

    /// The same with a header that holds a secret, if there is one.
    #[must_use]
    pub fn with_secret(self, header: Option<&SecretHeader>) -> Self {
        match header {
            Some(header) => self.with_header(header.name.clone(), header.value.clone()),
            None => self,
        }
    }

    /// The same with a body.
    #[must_use]
    pub fn with_body(mut self, body: Vec<u8>) -> Self {
        self.body = body;
        self
    }

    /// The same with a body in JSON.
    #[must_use]
    pub fn with_json(self, body: &Value) -> Self {
        let json = HeaderValue::from_static("application/json");
        self.with_header(CONTENT_TYPE, json)
            .with_body(body.to_string().into_bytes())
    }
}

/// A purge cannot be sent, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("cannot be called: {0}")]
pub struct Unsendable(pub &'static str);

/// Response of one server.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// The body, or the error message.
    pub body: Result<&'a [u8], &'a str>,
    /// Time of arrival.
    pub now: WallMicros,
}

impl Answer<'_> {
    /// A header as a whole number.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.headers.get(name)?.to_str().ok()?.trim().parse().ok()
    }

    /// `Retry-After` in seconds, as milliseconds; zero when there is none, or a date.
    pub fn retry_after_ms(&self) -> u32 {
        self.number("retry-after").map_or(0, wait_ms)
    }

    /// Default meaning of a status.
    pub fn outcome(&self) -> PurgeOutcome {
        match self.status.as_u16() {
            200..=299 => PurgeOutcome::Purged,
            429 | 503 => PurgeOutcome::Throttled {
                retry_after_ms: self.retry_after_ms(),
            },
            408 | 500 | 502 | 504 => PurgeOutcome::Unreachable,
            // Wrong credentials, rights or addresses are for the operator to correct: the purges wait,
            // and this is reported.
            401 | 403 | 404 | 405 | 300..=399 => PurgeOutcome::Refused(Refusal::OfCaller),
            400..=499 | 501 => PurgeOutcome::Refused(Refusal::OfPurge),
            _ => PurgeOutcome::Unreachable,
        }
    }
}

/// A pause in milliseconds, bounded: one wrong response must not block a backlog for weeks.
pub fn wait_ms(seconds: u64) -> u32 {
    // 3.6 million fit.
    seconds.min(RETRY_AFTER_MAX_S) as u32 * 1_000
}

/// An optional id for use in a path.
pub(crate) fn checked_id(field: &'static str, id: Option<&str>) -> Result<(), CdnConfigError> {
    let is_id = |id: &str| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    match id.is_none_or(is_id) {
        true => Ok(()),
        false => Err(CdnConfigError::new(
            field,
            "is not an id of letters and digits",
        )),
    }
}

/// Meaning of a response for the purges of a chunk.
#[derive(Debug)]
pub struct Reading {
    /// One for each name of the chunk, in its order. A missing one counts as forgotten.
    pub outcomes: Vec<PurgeOutcome>,
    /// Number of removed objects, if the provider counts them.
    pub removed: u64,
    /// Why something was not done.
    pub reason: Option<Reason>,
}

impl Reading {
    /// The same outcome for all.
    pub fn all(chunk: &Chunk<'_>, outcome: PurgeOutcome) -> Self {
        Self {
            outcomes: vec![outcome; chunk.names.len()],
            removed: 0,
            reason: None,
        }
    }

    /// The same outcome for all, and why.
    pub fn failed(chunk: &Chunk<'_>, outcome: PurgeOutcome, reason: Reason) -> Self {
        Self {
            reason: Some(reason),
            ..Self::all(chunk, outcome)
        }
    }
}

/// Why a purge was not done. The provider's message is separate, so that secrets are removed and it
/// is truncated in one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    pub(crate) words: String,
    pub(crate) quoted: Option<String>,
    pub(crate) advice: String,
}

impl Reason {
    /// Our message, appended to the name of the server: `answered 502`. It contains no purged name.
    pub fn new(words: impl Into<String>) -> Self {
        Self {
            words: words.into(),
            quoted: None,
            advice: String::new(),
        }
    }

    /// Adds the provider's message.
    #[must_use]
    pub fn quoting(mut self, said: Option<String>) -> Self {
        self.quoted = said.filter(|said| !said.is_empty());
        self
    }

    /// Adds advice.
    #[must_use]
    pub fn advising(mut self, advice: impl Into<String>) -> Self {
        self.advice = advice.into();
        self
    }
}
