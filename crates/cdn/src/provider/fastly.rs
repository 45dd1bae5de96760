//! Fastly: batch purges of surrogate keys, hard or soft.
//!
//! `POST /service/{id}/purge` with `{"surrogate_keys":[…]}`, at most 256 a call (257 is answered with 400:
//! fastly-magento2 issue 104). `Fastly-Soft-Purge` counts by its presence, so hard purges must not send it.

use std::collections::BTreeMap;
use std::time::Duration;

use freshet_core::purge::PurgeOutcome;
use freshet_core::registry::PurgeMode;
use freshet_core::secret::Secret;
use http::header::{ACCEPT, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::json;

use super::{Answer, Call, Provider, Reading, Reason, Terms, Unsendable, checked_id, wait_ms};
use crate::CdnConfigError;
use crate::chunk::{Bounds, Chunk};
use crate::secret_header::SecretHeader;

const SIDE: &str = "fastly";

/// A Fastly service.
#[derive(Debug, Clone)]
pub struct FastlyTarget {
    /// The service's id.
    pub service_id: String,
    /// A token with the scope `purge_select`.
    pub token: Secret,
    /// Base address of the API.
    pub api: String,
    /// A secret header for a proxy.
    pub secret_header: Option<SecretHeader>,
    /// A call is answered within this.
    pub timeout: Duration,
    /// Keys of one call.
    pub keys_per_call: usize,
    /// Bytes of all keys of one call.
    pub bytes_per_call: usize,
}

impl FastlyTarget {
    /// A service with the usual settings.
    pub fn new(service_id: String, token: Secret) -> Self {
        Self {
            service_id,
            token,
            api: "https://api.fastly.com".to_owned(),
            secret_header: None,
            timeout: Duration::from_secs(5),
            keys_per_call: 256,
            bytes_per_call: 8_000,
        }
    }
}

/// Requests and responses of Fastly.
#[derive(Debug)]
pub struct Fastly {
    target: FastlyTarget,
    token: SecretHeader,
}

/// The three shapes of Fastly's error bodies in one.
#[derive(Deserialize, Default)]
struct ErrorBody {
    reason: Option<String>,
    msg: Option<String>,
    title: Option<String>,
}

/// The keys that were purged, each with an id of the purge.
type PurgedKeys = BTreeMap<String, IgnoredAny>;

impl Fastly {
    /// Fastly with these settings; the API need not be available.
    ///
    /// # Errors
    /// The service id cannot stand in a path, or the token in a header.
    pub fn new(target: FastlyTarget) -> Result<Self, CdnConfigError> {
        checked_id("service_id", Some(&target.service_id))?;
        let token = SecretHeader::new("Fastly-Key", &target.token);
        let token = token.map_err(|error| CdnConfigError::new("token", error.fault))?;
        Ok(Self { target, token })
    }

    fn call(&self, method: Method, path: &str) -> Call<'_> {
        let url = format!("{}/{path}", self.target.api);
        Call::new(SIDE, method, url)
            .with_secret(Some(&self.token))
            .with_secret(self.target.secret_header.as_ref())
            .with_header(ACCEPT, HeaderValue::from_static("application/json"))
    }
}

impl Provider for Fastly {
    fn name(&self) -> &'static str {
        "fastly"
    }

    fn terms(&self) -> Terms {
        let bounds = Bounds {
            names_max: self.target.keys_per_call,
            bytes_max: self.target.bytes_per_call,
        };
        Terms::new(bounds, self.target.timeout)
            .hiding(Some(&self.token))
            .hiding(self.target.secret_header.as_ref())
    }

    fn calls(&self, chunk: &Chunk<'_>) -> Result<Vec<Call<'_>>, Unsendable> {
        let path = format!("service/{}/purge", self.target.service_id);
        let mut call = self.call(Method::POST, &path);
        if chunk.mode == PurgeMode::Soft {
            let soft = HeaderName::from_static("fastly-soft-purge");
            call = call.with_header(soft, HeaderValue::from_static("1"));
        }
        Ok(vec![
            call.with_json(&json!({ "surrogate_keys": chunk.names })),
        ])
    }

    fn read(&self, chunk: &Chunk<'_>, answer: &Answer<'_>) -> Reading {
        if answer.status != StatusCode::OK {
            let outcome = match answer.outcome() {
                PurgeOutcome::Throttled { .. } => PurgeOutcome::Throttled {
                    retry_after_ms: retry_after_ms(answer),
                },
                outcome => outcome,
            };
            return Reading::failed(chunk, outcome, refusal(answer));
        }
        match answer.body.map(serde_json::from_slice::<PurgedKeys>) {
            Ok(Ok(purged)) => read_purged(chunk, &purged),
            Ok(Err(_)) => {
                let reason = Reason::new("answered 200 without the list of purged keys");
                Reading::failed(chunk, PurgeOutcome::Forgotten, reason)
            }
            Err(reason) => Reading::failed(chunk, PurgeOutcome::Forgotten, Reason::new(reason)),
        }
    }

    /// Reads the token's description: allowed for every token, and not counted by the purge limit.
    fn pings(&self) -> Vec<Call<'_>> {
        vec![self.call(Method::GET, "tokens/self")]
    }

    fn read_ping(&self, answer: &Answer<'_>) -> Result<(), Reason> {
        match answer.status {
            StatusCode::OK => Ok(()),
            status => Err(
                Reason::new(format!("answered {status} to the check of the token"))
                    .advising("compare `fastly.token` with the account"),
            ),
        }
    }
}

/// The response lists every purged key; a key that is not listed stays `Forgotten`.
fn read_purged(chunk: &Chunk<'_>, purged: &PurgedKeys) -> Reading {
    let outcome_of = |name: &&str| match purged.contains_key(*name) {
        true => PurgeOutcome::Purged,
        false => PurgeOutcome::Forgotten,
    };
    let outcomes: Vec<_> = chunk.names.iter().map(outcome_of).collect();
    let reason = outcomes.contains(&PurgeOutcome::Forgotten);
    let reason = reason.then(|| Reason::new("did not confirm every key"));
    Reading {
        outcomes,
        removed: 0,
        reason,
    }
}

fn refusal(answer: &Answer<'_>) -> Reason {
    let body: ErrorBody =
        serde_json::from_slice(answer.body.unwrap_or_default()).unwrap_or_default();
    let advice = match answer.status.as_u16() {
        401 | 403 => "refused: compare `fastly.token` and its rights with the service",
        404 => "refused: compare `fastly.service_id` and `fastly.api` with the service",
        _ => "",
    };
    Reason::new(format!("answered {}", answer.status))
        .quoting(body.reason.or(body.msg).or(body.title))
        .advising(advice)
}

/// `Retry-After`, else the time until `Fastly-RateLimit-Reset` (seconds since the epoch).
fn retry_after_ms(answer: &Answer<'_>) -> u32 {
    let stated = answer.retry_after_ms();
    if stated > 0 {
        return stated;
    }
    let now = answer.now.0 / 1_000_000;
    let reset = answer.number("fastly-ratelimit-reset");
    reset.map_or(0, |reset| wait_ms(reset.saturating_sub(now)))
}
