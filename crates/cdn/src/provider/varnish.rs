//! Varnish with vmod xkey: one PURGE per node, tags in one header line.
//!
//! The VCL decides the request format; method and headers are settings, with the names of the VCL in
//! `examples/compose/default.vcl` as defaults. Open-source Varnish does not forward purges, so every node is purged and
//! success means that all of them answered. A purge counts only with `X-Purged` of the VCL: without its
//! rules Varnish forwards the request to the origin, which may respond 200 to anything.

use std::time::Duration;

use freshet_core::purge::{PurgeOutcome, Refusal};
use freshet_core::registry::PurgeMode;
use http::Method;
use http::header::{HOST, HeaderName, HeaderValue};

use super::{Answer, Call, Provider, Reading, Reason, Terms, Unsendable};
use crate::CdnConfigError;
use crate::chunk::{Bounds, Chunk};
use crate::secret_header::SecretHeader;

/// Maximum idle time of a connection: Varnish closes it after 5 s (`timeout_idle`).
const IDLE: Duration = Duration::from_secs(4);

/// A tag that no object has.
const PING: &str = "freshet.ping";

/// Varnish nodes that cache the same site.
#[derive(Debug, Clone)]
pub struct VarnishTarget {
    /// `http://host:port` of every node.
    pub nodes: Vec<String>,
    /// Method of a purge in the VCL.
    pub method: String,
    /// Header with the tags of a hard purge.
    pub purge_header: String,
    /// Header with the tags of a soft purge.
    pub soft_header: String,
    /// `Host` header, if the VCL checks it.
    pub host: Option<String>,
    /// A secret that the VCL requires.
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

/// Requests and responses of Varnish nodes.
#[derive(Debug)]
pub struct Varnish {
    target: VarnishTarget,
    method: Method,
    purge_header: HeaderName,
    soft_header: HeaderName,
    host: Option<HeaderValue>,
}

impl Varnish {
    /// The nodes of a target; they need not be there.
    ///
    /// # Errors
    /// No node is named, the method is none, or a header cannot be one.
    pub fn new(target: VarnishTarget) -> Result<Self, CdnConfigError> {
        if target.nodes.is_empty() {
            return Err(CdnConfigError::new("nodes", "has no node"));
        }
        let method = Method::from_bytes(target.method.as_bytes())
            .map_err(|_| CdnConfigError::new("method", "is not a method"))?;
        let header = |field, name: &str| {
            HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| CdnConfigError::new(field, "is not the name of a header"))
        };
        let host = target.host.as_deref().map(HeaderValue::from_str);
        let host = host
            .transpose()
            .map_err(|_| CdnConfigError::new("host", "is not a host"))?;
        Ok(Self {
            method,
            purge_header: header("purge_header", &target.purge_header)?,
            soft_header: header("soft_header", &target.soft_header)?,
            host,
            target,
        })
    }

    fn ask(&self, mode: PurgeMode, tags: &str) -> Result<Vec<Call<'_>>, Unsendable> {
        let header = match mode {
            PurgeMode::Hard => &self.purge_header,
            PurgeMode::Soft => &self.soft_header,
        };
        let ask_node = |node| {
            let mut call = Call::new(node, self.method.clone(), format!("{node}/"))
                .with_secret(self.target.secret_header.as_ref())
                .with_text(header.clone(), tags)?;
            if let Some(host) = &self.host {
                call = call.with_header(HOST, host.clone());
            }
            Ok(call)
        };
        self.target
            .nodes
            .iter()
            .map(String::as_str)
            .map(ask_node)
            .collect()
    }

    /// Why a response is not that of a purge, and the outcome.
    fn fault_of(&self, answer: &Answer<'_>) -> Option<(PurgeOutcome, Reason)> {
        let (status, outcome) = (answer.status, answer.outcome());
        let reason = match status.as_u16() {
            401 | 403 | 405 => {
                Reason::new(format!("refused the purge with {status}")).advising(self.advice())
            }
            _ if outcome != PurgeOutcome::Purged => Reason::new(format!("answered {status}")),
            _ if count_of(answer).is_none() => {
                let reason = Reason::new(format!("answered {status} without X-Purged"));
                let reason = reason.advising("its VCL does not handle purges");
                return Some((PurgeOutcome::Refused(Refusal::OfCaller), reason));
            }
            _ => return None,
        };
        Some((outcome, reason))
    }

    /// Advice for a node that refuses a purge.
    fn advice(&self) -> String {
        match &self.target.secret_header {
            None => "this host is not allowed to purge there; allow it in the VCL, or set `secret_header` if the VCL requires a secret"
                .to_owned(),
            Some(secret) => format!(
                "this host is not allowed to purge there; compare the value of `secret_header` (`{}`) with the VCL's, then its acl",
                secret.name()
            ),
        }
    }
}

/// Number of removed objects: header `X-Purged`, as set by `examples/compose/default.vcl`.
fn count_of(answer: &Answer<'_>) -> Option<u64> {
    answer.number("x-purged")
}

impl Provider for Varnish {
    fn name(&self) -> &'static str {
        "varnish"
    }

    fn terms(&self) -> Terms {
        let bounds = Bounds {
            names_max: usize::MAX,
            bytes_max: self.target.header_bytes_max,
        };
        Terms {
            idle: IDLE,
            // Status and headers have everything.
            body_bytes_max: 0,
            ..Terms::new(bounds, self.target.timeout).hiding(self.target.secret_header.as_ref())
        }
    }

    fn calls(&self, chunk: &Chunk<'_>) -> Result<Vec<Call<'_>>, Unsendable> {
        self.ask(chunk.mode, &chunk.names.join(" "))
    }

    fn read(&self, chunk: &Chunk<'_>, answer: &Answer<'_>) -> Reading {
        if let Some((outcome, reason)) = self.fault_of(answer) {
            return Reading::failed(chunk, outcome, reason);
        }
        let removed = count_of(answer).unwrap_or(0);
        // Soft purges do not count what was stale already: zero is not "nothing cached".
        let outcome = match (removed, chunk.mode) {
            (0, PurgeMode::Hard) => PurgeOutcome::NothingCached,
            _ => PurgeOutcome::Purged,
        };
        Reading {
            removed,
            ..Reading::all(chunk, outcome)
        }
    }

    /// Purges a nonexistent tag: harmless, and it tests exactly what a purge needs.
    fn pings(&self) -> Vec<Call<'_>> {
        self.ask(PurgeMode::Hard, PING).unwrap_or_default()
    }

    fn read_ping(&self, answer: &Answer<'_>) -> Result<(), Reason> {
        self.fault_of(answer)
            .map_or(Ok(()), |(_, reason)| Err(reason))
    }
}
