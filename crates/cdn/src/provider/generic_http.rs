//! Any cache that is purged by an HTTP request: nginx, Souin, your own. Method, URL, headers and body are
//! templates; the status decides whether the purge was done.
//!
//! There is no soft purge: a soft one is sent as a hard one, which is always safe.

use std::time::Duration;

use freshet_core::purge::{PurgeOutcome, Refusal};
use freshet_core::registry::PurgeMode;
use http::Method;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};

use super::{Answer, Call, Provider, Reading, Reason, Terms, Unsendable};
use crate::CdnConfigError;
use crate::chunk::{Bounds, Chunk};
use crate::secret_header::SecretHeader;
use crate::template::{Form, Template};

/// Bytes of all names of one call: they fit into a header line or a request line of 8 KiB.
const BYTES_PER_CALL: usize = 7_500;

/// Calls in flight if each has one name.
const SINGLE_IN_FLIGHT: usize = 16;

/// A name that no entry has.
const PING: &str = "freshet.ping";

/// A cache behind an HTTP interface of its own.
#[derive(Debug, Clone)]
pub struct HttpTarget {
    /// The server, for messages: scheme, host and port.
    pub side: String,
    /// The method of a purge.
    pub method: Method,
    /// The URL of a purge. Names are percent-encoded in it.
    pub url: Template,
    /// Headers of a purge.
    pub headers: Vec<(HeaderName, Template)>,
    /// A header with a secret.
    pub secret_header: Option<SecretHeader>,
    /// The body of a purge. Names are escaped in it where it is JSON.
    pub body: Option<Template>,
    /// Content type of the body.
    pub content_type: HeaderValue,
    /// Separator between names.
    pub separator: String,
    /// Names of one call, unless each call has one name.
    pub names_per_call: usize,
    /// Statuses that mean that the purge was done.
    pub success: Vec<u16>,
    /// Statuses that mean that nothing with that name was cached.
    pub nothing_cached: Vec<u16>,
    /// URL of the health check; none to purge a name that no entry has.
    pub ping: Option<String>,
    /// A call is answered within this.
    pub timeout: Duration,
}

impl HttpTarget {
    /// A `PURGE` of this URL, with the usual settings.
    pub fn new(side: String, url: Template) -> Self {
        Self {
            side,
            url,
            method: Method::from_bytes(b"PURGE").unwrap_or(Method::POST),
            headers: Vec::new(),
            secret_header: None,
            body: None,
            content_type: HeaderValue::from_static("application/json"),
            separator: " ".to_owned(),
            names_per_call: 50,
            success: vec![200, 204],
            nothing_cached: Vec::new(),
            ping: None,
            timeout: Duration::from_secs(2),
        }
    }

    fn templates(&self) -> impl Iterator<Item = &Template> {
        let headers = self.headers.iter().map(|(_, template)| template);
        [&self.url].into_iter().chain(headers).chain(&self.body)
    }

    fn body_form(&self) -> Form {
        let is_json = |text: &str| text.contains("json");
        match self.content_type.to_str().is_ok_and(is_json) {
            true => Form::Json,
            false => Form::Plain,
        }
    }
}

/// Requests and responses of such a cache.
#[derive(Debug)]
pub struct GenericHttp {
    target: HttpTarget,
}

impl GenericHttp {
    /// The cache with these settings; it need not be available.
    ///
    /// # Errors
    /// The request has no placeholder, or `separator` is not allowed in a header.
    pub fn new(target: HttpTarget) -> Result<Self, CdnConfigError> {
        if !target.templates().any(Template::names_something) {
            let fault = "has no placeholder, so every purge would be the same request";
            return Err(CdnConfigError::new("url", fault));
        }
        let cache = Self { target };
        match cache.ask(&[PING, PING]) {
            Ok(_) => Ok(cache),
            Err(_) => Err(CdnConfigError::new(
                "separator",
                "has characters that are not allowed in headers",
            )),
        }
    }

    fn ask(&self, names: &[&str]) -> Result<Call<'_>, Unsendable> {
        let target = &self.target;
        let fill = |template: &Template, form| template.fill(names, &target.separator, form);
        let url = fill(&target.url, Form::Url);
        let mut call = Call::new(&target.side, target.method.clone(), url);
        for (name, template) in &target.headers {
            call = call.with_text(name.clone(), &fill(template, Form::Plain))?;
        }
        if let Some(template) = &target.body {
            let body = fill(template, target.body_form()).into_bytes();
            let content_type = target.content_type.clone();
            call = call.with_header(CONTENT_TYPE, content_type).with_body(body);
        }
        Ok(call.with_secret(target.secret_header.as_ref()))
    }

    fn outcome_of(&self, answer: &Answer<'_>) -> PurgeOutcome {
        let status = answer.status.as_u16();
        match answer.outcome() {
            _ if self.target.success.contains(&status) => PurgeOutcome::Purged,
            _ if self.target.nothing_cached.contains(&status) => PurgeOutcome::NothingCached,
            // An undeclared 2xx is not a success.
            PurgeOutcome::Purged => PurgeOutcome::Refused(Refusal::OfCaller),
            outcome => outcome,
        }
    }
}

impl Provider for GenericHttp {
    fn name(&self) -> &'static str {
        "http"
    }

    fn terms(&self) -> Terms {
        let single = self.target.templates().any(Template::names_one);
        let (names_max, chunks_in_flight) = match single {
            true => (1, SINGLE_IN_FLIGHT),
            false => (self.target.names_per_call, 1),
        };
        let bytes_max = BYTES_PER_CALL;
        Terms {
            // nginx closes after 75 s, most others later, Varnish after 5 s.
            idle: Duration::from_secs(4),
            body_bytes_max: 0,
            chunks_in_flight,
            ..Terms::new(
                Bounds {
                    names_max,
                    bytes_max,
                },
                self.target.timeout,
            )
            .hiding(self.target.secret_header.as_ref())
        }
    }

    fn calls(&self, chunk: &Chunk<'_>) -> Result<Vec<Call<'_>>, Unsendable> {
        // Both are sent alike; a further mode has to be decided here.
        let (PurgeMode::Hard | PurgeMode::Soft) = chunk.mode;
        Ok(vec![self.ask(&chunk.names)?])
    }

    fn read(&self, chunk: &Chunk<'_>, answer: &Answer<'_>) -> Reading {
        match self.outcome_of(answer) {
            outcome @ (PurgeOutcome::Purged | PurgeOutcome::NothingCached) => {
                Reading::all(chunk, outcome)
            }
            outcome => {
                let reason = Reason::new(format!("answered {}", answer.status));
                let advice = match outcome {
                    PurgeOutcome::Refused(Refusal::OfCaller) => {
                        "refused: compare `url`, `success` and `nothing_cached` of the target with the cache, and `secret_header` if it requires a secret"
                    }
                    _ => "",
                };
                Reading::failed(chunk, outcome, reason.advising(advice))
            }
        }
    }

    fn pings(&self) -> Vec<Call<'_>> {
        let call = match &self.target.ping {
            Some(url) => Ok(Call::new(&self.target.side, Method::GET, url.clone())
                .with_secret(self.target.secret_header.as_ref())),
            None => self.ask(&[PING]),
        };
        call.into_iter().collect()
    }

    fn read_ping(&self, answer: &Answer<'_>) -> Result<(), Reason> {
        let done = |outcome| matches!(outcome, PurgeOutcome::Purged | PurgeOutcome::NothingCached);
        let is_there = match self.target.ping {
            Some(_) => answer.status.is_success(),
            None => done(self.outcome_of(answer)),
        };
        match is_there {
            true => Ok(()),
            false => Err(Reason::new(format!("answered {} to a ping", answer.status))),
        }
    }
}
