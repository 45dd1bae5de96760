//! Varnish with vmod xkey: one PURGE per node, tags in one header line.
//!
//! The wire form is whatever the VCL says; method and headers are settings, with the names of the VCL in
//! `docs/` as the usual ones. Open-source Varnish does not pass purges on, so every node is asked and
//! success means that all of them answered. Done is only what the VCL has counted (`X-Purged`): without its
//! rules Varnish passes the request to the origin, and an origin may say 200 to anything.

use std::time::Duration;

use freshet_core::ports::Purger;
use freshet_core::purge::{PurgeBatch, PurgeOutcome, PurgeReport, Refusal};
use freshet_core::registry::PurgeMode;
use futures_util::future::join_all;
use reqwest::{Client, Method, Response};

use crate::chunk::{Bounds, Chunk, chunks};
use crate::client::{self, CdnConfigError, SecretHeader};

/// How long a connection may rest: Varnish closes it after 5 s (`timeout_idle`).
const IDLE: Duration = Duration::from_secs(4);

/// Varnish nodes that cache the same site.
#[derive(Debug, Clone)]
pub struct VarnishTarget {
    /// `http://host:port` of every node.
    pub nodes: Vec<String>,
    /// The method that the VCL takes for a purge.
    pub method: String,
    /// Header with the tags of a hard purge.
    pub purge_header: String,
    /// Header with the tags of a soft purge.
    pub soft_header: String,
    /// `Host` header, where the VCL looks at it.
    pub host: Option<String>,
    /// A secret that the VCL asks for.
    pub secret_header: Option<SecretHeader>,
    /// A node answers within this.
    pub timeout: Duration,
    /// Tags of one request in bytes at most; Varnish refuses header lines over 8 KiB (`http_req_hdr_len`).
    pub header_bytes_max: usize,
}

impl VarnishTarget {
    /// Nodes with the usual settings.
    pub fn new(nodes: Vec<String>) -> Self {
        Self {
            nodes,
            method: "PURGE".to_owned(),
            purge_header: "xkey-purge".to_owned(),
            soft_header: "xkey-softpurge".to_owned(),
            host: None,
            secret_header: None,
            timeout: Duration::from_secs(2),
            header_bytes_max: 7_500,
        }
    }
}

/// Varnish nodes behind the [`Purger`] port.
#[derive(Debug)]
pub struct VarnishPurger {
    target: VarnishTarget,
    method: Method,
    client: Client,
}

/// What one node said to one request.
struct Answer {
    outcome: PurgeOutcome,
    removed: u64,
    reason: Option<String>,
    /// There was none.
    silent: bool,
}

impl VarnishPurger {
    /// A purger; the nodes need not be there.
    ///
    /// # Errors
    /// No node is named, or the method is none.
    pub fn new(target: VarnishTarget) -> Result<Self, CdnConfigError> {
        if target.nodes.is_empty() {
            return Err(CdnConfigError("varnish.nodes is empty".to_owned()));
        }
        let method = Method::from_bytes(target.method.as_bytes())
            .map_err(|error| CdnConfigError(format!("method {}: {error}", target.method)))?;
        let client = client::build(target.timeout, IDLE, target.secret_header.as_ref())?;
        Ok(Self {
            target,
            method,
            client,
        })
    }

    async fn ask(
        &self,
        node: &str,
        mode: PurgeMode,
        tags: &str,
    ) -> Result<Response, reqwest::Error> {
        let header = match mode {
            PurgeMode::Hard => &self.target.purge_header,
            PurgeMode::Soft => &self.target.soft_header,
        };
        let mut request = self
            .client
            .request(self.method.clone(), format!("{node}/"))
            .header(header, tags);
        if let Some(host) = &self.target.host {
            request = request.header("host", host);
        }
        request.send().await
    }

    async fn purge_node(&self, node: &str, chunk: &Chunk<'_>) -> Answer {
        match self.ask(node, chunk.mode, &chunk.tags.join(" ")).await {
            Err(error) => Answer::none(format!("{node} {}", client::reason_of(error))),
            Ok(answer) => match fault_of(&answer, self.target.secret_header.as_ref()) {
                Some((outcome, fault)) => Answer::failed(outcome, format!("{node} {fault}")),
                None => Answer::done(count_of(&answer).unwrap_or(0), chunk.mode),
            },
        }
    }
}

impl Answer {
    fn failed(outcome: PurgeOutcome, reason: String) -> Self {
        Self {
            outcome,
            removed: 0,
            reason: Some(reason),
            silent: false,
        }
    }

    fn none(reason: String) -> Self {
        Self {
            silent: true,
            ..Self::failed(PurgeOutcome::Unreachable, reason)
        }
    }

    fn done(removed: u64, mode: PurgeMode) -> Self {
        // Soft purges do not count what was stale already: zero is not "nothing cached".
        let outcome = match (removed, mode) {
            (0, PurgeMode::Hard) => PurgeOutcome::NothingCached,
            _ => PurgeOutcome::Purged,
        };
        Self {
            outcome,
            removed,
            reason: None,
            silent: false,
        }
    }
}

/// What keeps an answer from being that of a purge, and what it means for the purge.
fn fault_of(answer: &Response, secret: Option<&SecretHeader>) -> Option<(PurgeOutcome, String)> {
    let status = answer.status();
    let outcome = client::outcome_of(status, client::retry_after_ms(answer.headers()));
    let said = match status.as_u16() {
        401 | 403 | 405 => format!("refused the purge with {status}: {}", refused(secret)),
        _ if outcome != PurgeOutcome::Purged => format!("answered {status}"),
        _ if count_of(answer).is_none() => {
            let said = format!("answered {status} without X-Purged: its VCL does not purge");
            return Some((PurgeOutcome::Refused(Refusal::OfCaller), said));
        }
        _ => return None,
    };
    Some((outcome, said))
}

/// What to do about a node that refuses a purge.
fn refused(secret: Option<&SecretHeader>) -> String {
    match secret {
        None => "this host may not purge there; allow it in the VCL, or set `secret_header` if the VCL asks for a secret"
            .to_owned(),
        Some(secret) => format!(
            "this host may not purge there; compare the value of `secret_header` (`{}`) with the VCL's, then its acl",
            secret.name()
        ),
    }
}

/// How many objects went: header `X-Purged`, as the VCL in `docs/` sets it.
fn count_of(answer: &Response) -> Option<u64> {
    client::number_in(answer.headers(), "x-purged")
}

/// The outcome of several nodes: the worst one, and nothing cached only where no node had anything.
fn of_all_nodes(answers: &[Answer]) -> PurgeOutcome {
    let failed = answers
        .iter()
        .map(|it| it.outcome)
        .find(|outcome| !matches!(outcome, PurgeOutcome::Purged | PurgeOutcome::NothingCached));
    let any = answers.iter().any(|it| it.outcome == PurgeOutcome::Purged);
    failed.unwrap_or(if any {
        PurgeOutcome::Purged
    } else {
        PurgeOutcome::NothingCached
    })
}

impl Purger for VarnishPurger {
    async fn purge(&self, batch: &PurgeBatch) -> PurgeReport {
        let mut report = PurgeReport::all(PurgeOutcome::Forgotten, batch.len());
        let bounds = Bounds {
            tags_max: usize::MAX,
            bytes_max: self.target.header_bytes_max,
        };
        // A node that does not answer is asked once: a batch ends after one timeout, however many requests it takes.
        let mut silent = vec![None; self.target.nodes.len()];
        for chunk in chunks(batch, bounds) {
            let nodes = self.target.nodes.iter().zip(&silent);
            let asked = nodes.map(async |(node, silent): (_, &Option<String>)| match silent {
                Some(reason) => Answer::none(reason.clone()),
                None => self.purge_node(node, &chunk).await,
            });
            let answers = join_all(asked).await;
            for (answer, silent) in answers.iter().zip(&mut silent) {
                if answer.silent {
                    silent.clone_from(&answer.reason);
                }
            }
            let outcome = of_all_nodes(&answers);
            for &place in &chunk.places {
                report.outcomes[place] = outcome;
            }
            for answer in answers {
                report.removed = report.removed.saturating_add(answer.removed);
                report.reason = answer.reason.or(report.reason.take());
            }
        }
        report
    }

    async fn ping(&self) -> Result<(), String> {
        for node in &self.target.nodes {
            // A tag that no object carries: harmless, and it asks the very thing that a purge needs.
            let asked = self.ask(node, PurgeMode::Hard, "freshet.ping").await;
            let answer = asked.map_err(|error| format!("{node} {}", client::reason_of(error)))?;
            if let Some((_, fault)) = fault_of(&answer, self.target.secret_header.as_ref()) {
                return Err(format!("{node} {fault}"));
            }
        }
        Ok(())
    }
}
