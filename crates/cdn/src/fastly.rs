//! Fastly: batch purges of surrogate keys, hard or soft.
//!
//! `POST /service/{id}/purge` with `{"surrogate_keys":[…]}`, at most 256 a call (257 is answered with 400:
//! fastly-magento2 issue 104). `Fastly-Soft-Purge` counts by its presence, so hard purges must not send it.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use freshet_core::ports::Purger;
use freshet_core::purge::{PurgeBatch, PurgeOutcome, PurgeReport};
use freshet_core::registry::PurgeMode;
use freshet_core::secret::Secret;
use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Client, RequestBuilder, StatusCode};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use crate::chunk::{Bounds, Chunk, chunks};
use crate::client::{self, CdnConfigError, SecretHeader};

/// How long a connection may rest. A new one costs a TLS handshake.
const IDLE: Duration = Duration::from_secs(30);

/// A Fastly service.
#[derive(Debug, Clone)]
pub struct FastlyTarget {
    /// The service's id.
    pub service_id: String,
    /// A token with the scope `purge_select`.
    pub token: Secret,
    /// Base address of the API.
    pub api: String,
    /// A further secret header, for a proxy that wants one.
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

    fn conceal(&self, text: &str) -> String {
        let text = self.token.conceal(text);
        match &self.secret_header {
            Some(secret) => secret.conceal(&text),
            None => text,
        }
    }
}

/// A Fastly service behind the [`Purger`] port.
#[derive(Debug)]
pub struct FastlyPurger {
    target: FastlyTarget,
    token: HeaderValue,
    client: Client,
}

#[derive(Serialize)]
struct PurgeCall<'a> {
    surrogate_keys: &'a [&'a str],
}

/// The three shapes of Fastly's error bodies in one.
#[derive(Deserialize, Default)]
struct ErrorBody {
    reason: Option<String>,
    msg: Option<String>,
    title: Option<String>,
}

impl FastlyPurger {
    /// A purger; the API need not be there.
    ///
    /// # Errors
    /// The service id cannot stand in a path.
    pub fn new(target: FastlyTarget) -> Result<Self, CdnConfigError> {
        let plain =
            |text: &str| !text.is_empty() && text.bytes().all(|it| it.is_ascii_alphanumeric());
        if !plain(&target.service_id) {
            return Err(CdnConfigError(
                "fastly.service_id is not a service id".to_owned(),
            ));
        }
        let client = client::build(target.timeout, IDLE, target.secret_header.as_ref())?;
        let mut token = HeaderValue::from_str(target.token.expose()).map_err(|_| {
            CdnConfigError("fastly.token has characters that no header may have".to_owned())
        })?;
        token.set_sensitive(true);
        Ok(Self {
            target,
            token,
            client,
        })
    }

    fn authorised(&self, request: RequestBuilder) -> RequestBuilder {
        request
            .header("Fastly-Key", self.token.clone())
            .header("Accept", "application/json")
    }

    /// Says whether anybody answered.
    async fn purge_chunk(&self, chunk: &Chunk<'_>, report: &mut PurgeReport) -> bool {
        let url = format!(
            "{}/service/{}/purge",
            self.target.api, self.target.service_id
        );
        let mut request = self.authorised(self.client.post(url));
        if chunk.mode == PurgeMode::Soft {
            request = request.header("Fastly-Soft-Purge", "1");
        }
        let answer = request
            .json(&PurgeCall {
                surrogate_keys: &chunk.tags,
            })
            .send()
            .await;
        let answered = answer.is_ok();
        let outcome = match answer {
            Err(error) => {
                report.reason = Some(format!("fastly {}", client::reason_of(error)));
                PurgeOutcome::Unreachable
            }
            Ok(answer) if answer.status() == StatusCode::OK => {
                match client::body_of(answer).await.and_then(|body| read(&body)) {
                    Ok(purged) => {
                        note_purged(chunk, &purged, report);
                        return true;
                    }
                    Err(reason) => {
                        report.reason = Some(format!("fastly {reason}"));
                        PurgeOutcome::Forgotten
                    }
                }
            }
            Ok(answer) => {
                let status = answer.status();
                let outcome = client::outcome_of(status, retry_after_ms(answer.headers()));
                let said = self.said_by(&client::body_of(answer).await.unwrap_or_default());
                let advice = match status.as_u16() {
                    401 | 403 => {
                        ": refused: compare `fastly.token` and its rights with the service"
                    }
                    404 => {
                        ": refused: compare `fastly.service_id` and `fastly.api` with the service"
                    }
                    _ => "",
                };
                report.reason = Some(format!("fastly answered {status}{said}{advice}"));
                outcome
            }
        };
        note(chunk, outcome, report);
        answered
    }

    /// What an error body says, without the secrets: it may repeat the request.
    fn said_by(&self, body: &[u8]) -> String {
        let parsed: ErrorBody = serde_json::from_slice(body).unwrap_or_default();
        let said = parsed.reason.or(parsed.msg).or(parsed.title);
        match said.filter(|said| !said.is_empty()) {
            // Concealed before it is cut: half a secret is not found any more.
            Some(said) => format!(": {}", client::shown(&self.target.conceal(&said))),
            None => String::new(),
        }
    }
}

/// The keys that were purged, each with an id of the purge.
type PurgedKeys = BTreeMap<String, IgnoredAny>;

fn read(body: &[u8]) -> Result<PurgedKeys, String> {
    let unreadable = |_| "answered 200 without saying which keys were purged".to_owned();
    serde_json::from_slice(body).map_err(unreadable)
}

fn note(chunk: &Chunk<'_>, outcome: PurgeOutcome, report: &mut PurgeReport) {
    for &place in &chunk.places {
        report.outcomes[place] = outcome;
    }
}

/// The answer names every key that was purged; one that it does not name stays forgotten.
fn note_purged(chunk: &Chunk<'_>, purged: &PurgedKeys, report: &mut PurgeReport) {
    for (tag, &place) in chunk.tags.iter().zip(&chunk.places) {
        if purged.contains_key(*tag) {
            report.outcomes[place] = PurgeOutcome::Purged;
        } else {
            report.reason = Some("fastly did not confirm every key".to_owned());
        }
    }
}

/// `Retry-After`, else the time until `Fastly-RateLimit-Reset` (seconds since the epoch).
fn retry_after_ms(headers: &HeaderMap) -> u32 {
    let stated = client::retry_after_ms(headers);
    if stated > 0 {
        return stated;
    }
    let Some(reset) = client::number_in(headers, "fastly-ratelimit-reset") else {
        return 0;
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    client::wait_ms(reset.saturating_sub(now.unwrap_or_default().as_secs()))
}

impl Purger for FastlyPurger {
    async fn purge(&self, batch: &PurgeBatch) -> PurgeReport {
        let mut report = PurgeReport::all(PurgeOutcome::Forgotten, batch.len());
        let bounds = Bounds {
            tags_max: self.target.keys_per_call,
            bytes_max: self.target.bytes_per_call,
        };
        let mut answers = true;
        for chunk in chunks(batch, bounds) {
            // A silent API is asked once: a batch ends after one timeout, however many calls it takes.
            if answers {
                answers = self.purge_chunk(&chunk, &mut report).await;
            } else {
                note(&chunk, PurgeOutcome::Unreachable, &mut report);
            }
        }
        report
    }

    /// Asks for the token's own description: a read that every token may make and no purge limit counts.
    async fn ping(&self) -> Result<(), String> {
        let request = self.authorised(self.client.get(format!("{}/tokens/self", self.target.api)));
        let answer = request
            .send()
            .await
            .map_err(|error| format!("fastly {}", client::reason_of(error)))?;
        match answer.status() {
            StatusCode::OK => Ok(()),
            status => Err(format!(
                "fastly answered {status} to a question about the token: compare `fastly.token` with the account"
            )),
        }
    }
}
