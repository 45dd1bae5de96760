//! The only place with I/O: connections, deadlines, size and rate limits, TLS, and messages without
//! secrets. The [`Provider`] decides the requests and the meaning of responses.
//!
//! Nothing is retried here: the caller retries purges that are not done, with a budget.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use freshet_core::ports::Purger;
use freshet_core::position::WallMicros;
use freshet_core::purge::{PurgeBatch, PurgeOutcome, PurgeReport, Refusal};
use futures_util::future::join_all;
use reqwest::{Client, Response};

use crate::CdnConfigError;
use crate::budget::{Bucket, Budgets};
use crate::chunk::{Chunk, chunks};
use crate::provider::{Answer, Call, Provider, Reading, Reason, Terms, wait_ms};

/// Maximum wait of a request for the account's budget; if it would be longer, the purge is throttled.
const BUDGET_PATIENCE: Duration = Duration::from_secs(1);

/// Maximum length of a provider's error message in logs, in characters.
const MESSAGE_MAX: usize = 200;

/// Any provider behind the [`Purger`] port.
#[derive(Debug)]
pub struct HttpPurger {
    provider: Arc<dyn Provider>,
    terms: Terms,
    client: Client,
    bucket: Option<Arc<Bucket>>,
    /// The last successful ping, while purges succeed.
    pinged: Mutex<Option<Instant>>,
}

/// Result of one chunk at one server.
struct SideReport<'a> {
    side: &'a str,
    outcomes: Vec<PurgeOutcome>,
    removed: u64,
    reason: Option<String>,
    /// There was no answer.
    silent: bool,
}

/// Servers of a target that did not answer, with the error of each.
type Silent<'a> = BTreeMap<&'a str, String>;

impl HttpPurger {
    /// A purger; the provider need not be available. Targets of one process share `budgets`.
    ///
    /// # Errors
    /// The client cannot be created: the certificates of the system cannot be read.
    pub fn new(provider: Arc<dyn Provider>, budgets: &Budgets) -> Result<Self, CdnConfigError> {
        let terms = provider.terms();
        // Redirects are not followed: a purge at another server has no effect, and the token must not be sent to it.
        let client = Client::builder()
            .timeout(terms.timeout)
            .pool_idle_timeout(terms.idle)
            .connect_timeout(terms.timeout.min(Duration::from_secs(2)))
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("freshet/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| CdnConfigError::new("client", error.to_string()))?;
        let bucket = terms.budget.as_ref().map(|budget| budgets.bucket(budget));
        Ok(Self {
            provider,
            terms,
            client,
            bucket,
            pinged: Mutex::default(),
        })
    }

    async fn purge_chunk<'a>(
        &'a self,
        chunk: &Chunk<'_>,
        silent: &Silent<'a>,
    ) -> Vec<SideReport<'a>> {
        match self.provider.calls(chunk) {
            Ok(calls) => {
                let asked = calls.into_iter().map(|call| self.ask(chunk, call, silent));
                join_all(asked).await
            }
            Err(unsendable) => {
                let outcome = PurgeOutcome::Refused(Refusal::OfPurge);
                let reason = Reason::new(unsendable.to_string());
                let reading = Reading::failed(chunk, outcome, reason);
                vec![self.side_report(self.provider.name(), reading)]
            }
        }
    }

    async fn ask<'a>(
        &'a self,
        chunk: &Chunk<'_>,
        call: Call<'a>,
        silent: &Silent<'a>,
    ) -> SideReport<'a> {
        let side = call.side;
        let not_asked = |outcome, reason| SideReport {
            side,
            outcomes: vec![outcome; chunk.names.len()],
            removed: 0,
            reason: Some(reason),
            silent: false,
        };
        if let Some(reason) = silent.get(side) {
            return not_asked(PurgeOutcome::Unreachable, reason.clone());
        }
        if let Err(pause) = self.budgeted().await {
            let retry_after_ms = wait_ms(pause.as_secs() + 1);
            let reason = format!(
                "{side} is paused for {} s: the rate limit of its account is used up",
                retry_after_ms / 1_000
            );
            return not_asked(PurgeOutcome::Throttled { retry_after_ms }, reason);
        }
        match self.send(call).await {
            Err(reason) => SideReport {
                silent: true,
                ..not_asked(PurgeOutcome::Unreachable, reason)
            },
            Ok(answer) => {
                let reading = self.with_answer(answer, |answer| self.provider.read(chunk, answer));
                let reading = reading.await;
                self.obey(&reading);
                self.side_report(side, reading)
            }
        }
    }

    /// Waits for the account's budget.
    ///
    /// # Errors
    /// The wait would be too long; returns it.
    async fn budgeted(&self) -> Result<(), Duration> {
        if let Some(bucket) = &self.bucket {
            let wait = bucket.take(Instant::now(), BUDGET_PATIENCE)?;
            if !wait.is_zero() {
                tokio::time::sleep(wait).await;
            }
        }
        Ok(())
    }

    /// A pause that the provider requests applies to the whole account.
    fn obey(&self, reading: &Reading) {
        let pause = reading.outcomes.iter().map(|outcome| match outcome {
            PurgeOutcome::Throttled { retry_after_ms } => *retry_after_ms,
            _ => 0,
        });
        let pause = Duration::from_millis(pause.max().unwrap_or(0).into());
        if let Some(bucket) = self.bucket.as_ref().filter(|_| !pause.is_zero()) {
            bucket.hold(Instant::now(), pause);
        }
    }

    /// The status and headers of the response.
    ///
    /// # Errors
    /// There was no response: the error message.
    async fn send(&self, call: Call<'_>) -> Result<Response, String> {
        let request = self.client.request(call.method, call.url);
        let mut request = request.headers(call.headers);
        if !call.body.is_empty() {
            request = request.body(call.body);
        }
        let sent = request.send().await;
        sent.map_err(|error| self.worded(call.side, Reason::new(reason_of(error))))
    }

    /// Reads the body up to the provider's limit, then interprets the response.
    async fn with_answer<T>(&self, mut answer: Response, read: impl FnOnce(&Answer<'_>) -> T) -> T {
        let body = match self.terms.body_bytes_max {
            0 => Ok(Vec::new()),
            bytes_max => body_of(&mut answer, bytes_max).await,
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = u64::try_from(now.unwrap_or_default().as_micros()).unwrap_or(u64::MAX);
        read(&Answer {
            status: answer.status(),
            headers: answer.headers(),
            body: body.as_deref().map_err(String::as_str),
            now: WallMicros(now),
        })
    }

    fn side_report<'a>(&self, side: &'a str, reading: Reading) -> SideReport<'a> {
        SideReport {
            side,
            outcomes: reading.outcomes,
            removed: reading.removed,
            reason: reading.reason.map(|reason| self.worded(side, reason)),
            silent: false,
        }
    }

    /// A reason for the log. Secrets are removed before truncation, because a partial secret would not be
    /// found.
    fn worded(&self, side: &str, reason: Reason) -> String {
        let mut text = self.conceal(&format!("{side} {}", reason.words));
        if let Some(said) = reason.quoted {
            text.push_str(": ");
            text.push_str(&shown(&self.conceal(&said)));
        }
        if !reason.advice.is_empty() {
            text.push_str(": ");
            text.push_str(&reason.advice);
        }
        text
    }

    fn conceal(&self, text: &str) -> String {
        let secrets = self.terms.secrets.iter();
        secrets.fold(text.to_owned(), |text, secret| secret.conceal(&text))
    }

    fn pinged(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.pinged.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Purger for HttpPurger {
    async fn purge(&self, batch: &PurgeBatch) -> PurgeReport {
        let mut report = PurgeReport::all(PurgeOutcome::Forgotten, batch.len());
        let chunks = chunks(batch, self.terms.bounds);
        // A server that does not answer gets no further requests: a batch ends after one timeout.
        let mut silent = Silent::new();
        for under_way in chunks.chunks(self.terms.chunks_in_flight.max(1)) {
            let asked = under_way
                .iter()
                .map(|chunk| self.purge_chunk(chunk, &silent));
            let reports = join_all(asked).await;
            for (chunk, sides) in under_way.iter().zip(reports) {
                note(chunk, &sides, &mut report);
                let unanswered = sides.into_iter().filter(|side| side.silent);
                silent.extend(unanswered.filter_map(|side| Some((side.side, side.reason?))));
            }
        }
        if !report.is_settled() {
            *self.pinged() = None;
        }
        report
    }

    async fn ping(&self) -> Result<(), String> {
        let recent = self
            .pinged()
            .is_some_and(|at| at.elapsed() < self.terms.ping_holds);
        if recent {
            return Ok(());
        }
        for call in self.provider.pings() {
            let side = call.side;
            let answer = self.send(call).await?;
            let read = self.with_answer(answer, |answer| self.provider.read_ping(answer));
            read.await.map_err(|reason| self.worded(side, reason))?;
        }
        *self.pinged() = Some(Instant::now());
        Ok(())
    }
}

/// Merges the results of all servers for one chunk.
fn note(chunk: &Chunk<'_>, sides: &[SideReport<'_>], report: &mut PurgeReport) {
    for (at, &place) in chunk.places.iter().enumerate() {
        let each = sides
            .iter()
            .map(|side| side.outcomes.get(at).copied().unwrap_or_default());
        report.outcomes[place] = each.reduce(together).unwrap_or_default();
    }
    for side in sides {
        report.removed = report.removed.saturating_add(side.removed);
        report.reason = side.reason.clone().or(report.reason.take());
    }
}

/// The outcome of two servers: the failure, if any; nothing cached only if neither had an entry.
fn together(one: PurgeOutcome, other: PurgeOutcome) -> PurgeOutcome {
    match (one, other) {
        (PurgeOutcome::NothingCached, other) => other,
        (PurgeOutcome::Purged, PurgeOutcome::NothingCached) => PurgeOutcome::Purged,
        (PurgeOutcome::Purged, other) => other,
        (failed, _) => failed,
    }
}

/// The whole body.
///
/// # Errors
/// The connection broke, or the body exceeds the time or size limit.
async fn body_of(answer: &mut Response, bytes_max: usize) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    while let Some(part) = answer.chunk().await.map_err(reason_of)? {
        if body.len() + part.len() > bytes_max {
            return Err(format!("responded with more than {bytes_max} bytes"));
        }
        body.extend_from_slice(&part);
    }
    Ok(body)
}

/// A provider's message for the log: truncated, without control characters.
fn shown(message: &str) -> String {
    let beginning = message.chars().take(MESSAGE_MAX);
    beginning.flat_map(char::escape_debug).collect()
}

/// Message of a transport error, without the URL, which may contain a name.
fn reason_of(error: reqwest::Error) -> String {
    let error = error.without_url();
    if error.is_timeout() {
        "did not answer in time".to_owned()
    } else if error.is_connect() {
        "cannot be connected to".to_owned()
    } else {
        root_of(&error)
    }
}

/// Message of the innermost cause: the outer ones only say that a request failed.
fn root_of(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => root_of(source),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_are_done_when_all_are() {
        use PurgeOutcome::{Forgotten, NothingCached, Purged, Unreachable};
        for (one, other, both) in [
            (Purged, Purged, Purged),
            (Purged, NothingCached, Purged),
            (NothingCached, Purged, Purged),
            (NothingCached, NothingCached, NothingCached),
            (Unreachable, Purged, Unreachable),
            (NothingCached, Unreachable, Unreachable),
            (Purged, Forgotten, Forgotten),
        ] {
            assert_eq!(together(one, other), both, "{one:?} and {other:?}");
        }
    }
}
