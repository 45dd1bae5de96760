//! Cloudflare: purges of cache tags in one zone.
//!
//! `POST /zones/{id}/purge_cache` with `{"tags":[…]}`, at most 100 a call, or `invalidate_cache` for a soft purge. The
//! status is not sufficient: 200 has `success: false` if a tag is refused, and does not report the other tags
//! (opennextjs-cloudflare pull request 655). A success does not say whether anything was cached.

use std::time::Duration;

use freshet_core::purge::{PurgeOutcome, Refusal};
use freshet_core::registry::PurgeMode;
use freshet_core::secret::Secret;
use http::Method;
use serde::Deserialize;
use serde_json::json;

use super::{Answer, Call, Provider, Reading, Reason, Terms, Unsendable, checked_id};
use crate::CdnConfigError;
use crate::budget::Budget;
use crate::chunk::{Bounds, Chunk};
use crate::secret_header::SecretHeader;

const SIDE: &str = "cloudflare";

/// Bytes of all tags of one call: 100 of the longest that are taken.
const BYTES_PER_CALL: usize = 102_400;

/// Minimum interval of pings: every call counts towards the token's limit of 1 200 in five minutes.
const PING_HOLDS: Duration = Duration::from_secs(30);

/// Codes of errors that are about a tag: too long, not printable.
const OF_TAG: [u32; 2] = [1100, 1315];

/// Codes of errors that are about the token, the zone or the plan: plan without tags, headers, route, token, rights.
const OF_CALLER: [u32; 6] = [1107, 6003, 7000, 7003, 9109, 10000];

/// A zone at Cloudflare.
#[derive(Debug, Clone)]
pub struct CloudflareTarget {
    /// The zone's id.
    pub zone_id: String,
    /// An API token with the permission "Cache Purge" for the zone.
    pub token: Secret,
    /// The account that owns the token; none for a user's token.
    pub account_id: Option<String>,
    /// One environment of the zone instead of all.
    pub environment_id: Option<String>,
    /// Whether soft purges invalidate. Otherwise they are sent as hard purges.
    pub soft: bool,
    /// Base address of the API.
    pub api: String,
    /// A secret header for a proxy.
    pub secret_header: Option<SecretHeader>,
    /// A call is answered within this.
    pub timeout: Duration,
    /// Tags of one call.
    pub tags_per_call: usize,
    /// Calls that the account gets back in a minute.
    pub requests_per_minute: u32,
    /// Calls that the account may make at once.
    pub burst: u32,
}

impl CloudflareTarget {
    /// A zone with the usual settings, whose budget is that of a free plan.
    pub fn new(zone_id: String, token: Secret) -> Self {
        Self {
            zone_id,
            token,
            account_id: None,
            environment_id: None,
            soft: false,
            api: "https://api.cloudflare.com/client/v4".to_owned(),
            secret_header: None,
            timeout: Duration::from_secs(5),
            tags_per_call: 100,
            requests_per_minute: 5,
            burst: 25,
        }
    }
}

/// Requests and responses of Cloudflare.
#[derive(Debug)]
pub struct Cloudflare {
    target: CloudflareTarget,
    token: SecretHeader,
}

/// The envelope of every answer.
#[derive(Deserialize)]
struct Envelope {
    success: bool,
    errors: Option<Vec<ApiError>>,
    result: Option<TokenState>,
}

#[derive(Deserialize)]
struct ApiError {
    code: u32,
    #[serde(default)]
    message: String,
}

/// The result of a question about the token; that of a purge has an id alone.
#[derive(Deserialize)]
struct TokenState {
    status: Option<String>,
}

impl Cloudflare {
    /// Cloudflare with these settings; the API need not be available.
    ///
    /// # Errors
    /// An id cannot stand in a path, or the token in a header.
    pub fn new(target: CloudflareTarget) -> Result<Self, CdnConfigError> {
        checked_id("zone_id", Some(&target.zone_id))?;
        checked_id("account_id", target.account_id.as_deref())?;
        checked_id("environment_id", target.environment_id.as_deref())?;
        let token = SecretHeader::with_prefix("Authorization", "Bearer ", &target.token);
        let token = token.map_err(|error| CdnConfigError::new("token", error.fault))?;
        Ok(Self { target, token })
    }

    fn call(&self, method: Method, path: &str) -> Call<'_> {
        let url = format!("{}/{path}", self.target.api);
        Call::new(SIDE, method, url)
            .with_secret(Some(&self.token))
            .with_secret(self.target.secret_header.as_ref())
    }
}

impl Provider for Cloudflare {
    fn name(&self) -> &'static str {
        "cloudflare"
    }

    fn terms(&self) -> Terms {
        let bounds = Bounds {
            names_max: self.target.tags_per_call,
            bytes_max: BYTES_PER_CALL,
        };
        Terms {
            ping_holds: PING_HOLDS,
            budget: Some(Budget {
                account: self.target.token.clone(),
                per_minute: self.target.requests_per_minute,
                burst: self.target.burst,
            }),
            ..Terms::new(bounds, self.target.timeout)
                .hiding(Some(&self.token))
                .hiding(self.target.secret_header.as_ref())
        }
    }

    fn calls(&self, chunk: &Chunk<'_>) -> Result<Vec<Call<'_>>, Unsendable> {
        let what = match chunk.mode {
            PurgeMode::Soft if self.target.soft => "invalidate_cache",
            PurgeMode::Soft | PurgeMode::Hard => "purge_cache",
        };
        let zone = &self.target.zone_id;
        let path = match &self.target.environment_id {
            Some(environment) => format!("zones/{zone}/environments/{environment}/{what}"),
            None => format!("zones/{zone}/{what}"),
        };
        let call = self.call(Method::POST, &path);
        Ok(vec![call.with_json(&json!({ "tags": chunk.names }))])
    }

    fn read(&self, chunk: &Chunk<'_>, answer: &Answer<'_>) -> Reading {
        let envelope = envelope(answer);
        let outcome = match (&envelope, answer.outcome()) {
            (Some(envelope), PurgeOutcome::Purged) if envelope.success => {
                return Reading::all(chunk, PurgeOutcome::Purged);
            }
            (Some(envelope), by_status) => by_codes(envelope, by_status),
            // A page of a proxy, or half an answer.
            (None, PurgeOutcome::Purged) => PurgeOutcome::Forgotten,
            (None, by_status) => by_status,
        };
        Reading::failed(chunk, outcome, refusal(answer, envelope, outcome))
    }

    /// Verifies the token: allowed for every token, and not counted by the purge limit.
    fn pings(&self) -> Vec<Call<'_>> {
        let path = match &self.target.account_id {
            Some(account) => format!("accounts/{account}/tokens/verify"),
            None => "user/tokens/verify".to_owned(),
        };
        vec![self.call(Method::GET, &path)]
    }

    fn read_ping(&self, answer: &Answer<'_>) -> Result<(), Reason> {
        let envelope = envelope(answer).filter(|said| said.success && answer.status.is_success());
        let state = envelope.and_then(|said| said.result?.status);
        if state.as_deref() == Some("active") {
            return Ok(());
        }
        let said = format!("answered {} to the check of the token", answer.status);
        let advice =
            "compare `cloudflare.token` with the account; a token of an account needs `account_id`";
        Err(Reason::new(said).advising(advice))
    }
}

fn envelope(answer: &Answer<'_>) -> Option<Envelope> {
    serde_json::from_slice(answer.body.ok()?).ok()
}

/// The error codes are more precise than the status.
fn by_codes(envelope: &Envelope, by_status: PurgeOutcome) -> PurgeOutcome {
    let codes = envelope.errors.iter().flatten().map(|error| error.code);
    let any = |of: &[u32]| codes.clone().any(|code| of.contains(&code));
    match by_status {
        PurgeOutcome::Throttled { .. } | PurgeOutcome::Unreachable => by_status,
        _ if any(&OF_CALLER) => PurgeOutcome::Refused(Refusal::OfCaller),
        _ if any(&OF_TAG) => PurgeOutcome::Refused(Refusal::OfPurge),
        // Status 200, but `success` is false.
        PurgeOutcome::Purged => PurgeOutcome::Forgotten,
        by_status => by_status,
    }
}

/// Codes are always reported, messages only if they are about the caller: others repeat tags.
fn refusal(answer: &Answer<'_>, envelope: Option<Envelope>, outcome: PurgeOutcome) -> Reason {
    let errors = envelope.and_then(|said| said.errors).unwrap_or_default();
    let codes: Vec<String> = errors
        .iter()
        .take(5)
        .map(|error| error.code.to_string())
        .collect();
    let status = answer.status;
    let reason = Reason::new(match codes.is_empty() {
        true => format!("answered {status} without confirming the purge"),
        false => format!("answered {status} with errors {}", codes.join(", ")),
    });
    match (outcome, status.as_u16()) {
        (PurgeOutcome::Refused(Refusal::OfCaller), status) => reason
            .quoting(errors.into_iter().next().map(|error| error.message))
            .advising(match status {
                404 => "refused: compare `cloudflare.zone_id` with the zone; an account without invalidation needs `soft: false`",
                _ => "refused: compare `cloudflare.token` and its right to purge the zone",
            }),
        (PurgeOutcome::Refused(Refusal::OfPurge), _) => reason.advising("a tag is refused"),
        _ => reason,
    }
}
