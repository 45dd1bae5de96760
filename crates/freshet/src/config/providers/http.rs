//! A cache that is purged by an HTTP request of any form.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use freshet_cdn::{GenericHttp, HttpTarget, Provider, Template};
use http::Method;
use http::header::{HeaderName, HeaderValue};
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::{SecretHeaderWritten, Section, decide_header, provider_or_fault};
use crate::config::faults::{Faults, UrlRule};
use crate::config::ranges::{Numbers, TIMEOUT, numbers};
use crate::config::values::{AddressWritten, DurationWritten, PropertyWritten, StatusWritten};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HttpWritten {
    pub(crate) url: Spanned<AddressWritten>,
    pub(crate) method: Option<Spanned<String>>,
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, Spanned<PropertyWritten>>,
    pub(crate) secret_header: Option<SecretHeaderWritten>,
    pub(crate) body: Option<Spanned<PropertyWritten>>,
    pub(crate) content_type: Option<Spanned<String>>,
    pub(crate) separator: Option<String>,
    pub(crate) names_per_call: Option<Spanned<u32>>,
    pub(crate) success: Option<Vec<Spanned<StatusWritten>>>,
    pub(crate) nothing_cached: Option<Vec<Spanned<StatusWritten>>>,
    pub(crate) ping: Option<Spanned<AddressWritten>>,
    pub(crate) timeout: Option<Spanned<DurationWritten>>,
}

const NAMES_PER_CALL: Numbers = numbers(1, 1_000, 50);

const URL: UrlRule = UrlRule {
    schemes: &["http", "https"],
    credentials: "give a secret for the cache as `secret_header: { name: HEADER, value: { env: NAME } }`",
};

const PLACEHOLDERS: &str = "`{name}`, `{names}` or `{names_json}`";

/// Parts of header names whose values are secrets, unless names stand in them.
const SECRET_WORDS: [&str; 6] = ["auth", "cookie", "key", "token", "secret", "password"];

impl Section for Spanned<HttpWritten> {
    fn decide(&self, base: &Path, faults: &mut Faults<'_>) -> Option<Arc<dyn Provider>> {
        let written = &self.value;
        let url = decide_url(&written.url, faults);
        let headers = decide_headers(&written.headers, faults);
        let body = written.body.as_ref();
        let body = body.and_then(|body| template(body, body.value.0.expose(), faults));
        let mut taken = vec!["content-type", "content-length", "host"];
        taken.extend(headers.iter().map(|(name, _)| name.as_str()));
        let secret_header = decide_header(written.secret_header.as_ref(), base, &taken, faults);
        if let Some(ping) = &written.ping {
            faults.url(ping, &URL);
        }
        let method = decide_method(written.method.as_ref(), faults);
        let usual = HttpTarget::new(origin_of(&written.url.value.0).to_owned(), url?);
        let timeout = TIMEOUT.usually(usual.timeout);
        let target = HttpTarget {
            method: method.unwrap_or(usual.method),
            headers,
            secret_header,
            body,
            content_type: decide_content_type(written.content_type.as_ref(), faults)
                .unwrap_or(usual.content_type),
            separator: written.separator.clone().unwrap_or(usual.separator),
            names_per_call: faults.number(written.names_per_call.as_ref(), &NAMES_PER_CALL)
                as usize,
            success: decide_statuses(
                written.success.as_deref(),
                |status| (200..300).contains(&status),
                faults,
            )
            .unwrap_or(usual.success),
            nothing_cached: decide_statuses(
                written.nothing_cached.as_deref(),
                says_nothing,
                faults,
            )
            .unwrap_or_default(),
            ping: written.ping.as_ref().map(|ping| ping.value.0.clone()),
            timeout: faults.duration(written.timeout.as_ref(), &timeout),
            ..HttpTarget::new(usual.side, usual.url)
        };
        provider_or_fault(GenericHttp::new(target), self, &[], faults)
    }
}

/// Scheme, host and port.
fn origin_of(url: &str) -> &str {
    let host = url.find("://").map_or(0, |at| at + 3);
    let end = url[host..].find(['/', '?', '#']);
    end.map_or(url, |end| &url[..host + end])
}

/// A URL in whose path and query names may stand. Nothing else stands in the query: it might be a secret.
fn decide_url(written: &Spanned<AddressWritten>, faults: &mut Faults<'_>) -> Option<Template> {
    let url = &written.value.0;
    let (address, query) = url.split_once('?').unwrap_or((url, ""));
    let before = faults.count();
    faults.url_text(written, address, &URL);
    if origin_of(url).contains('{') {
        let help = "put names after the host, in the path or the query";
        faults.add(written, "has a placeholder in the host", help);
    }
    let is_name = |pair: &str| {
        let value = pair.split_once('=').map_or(pair, |(_, value)| value);
        ["{name}", "{names}", "{names_json}"].contains(&value)
    };
    if !query.is_empty() && !query.split('&').all(is_name) {
        let help = "a query may contain only placeholders, such as `?tag={name}`; there are separate fields for secrets";
        faults.add(written, "has a query without a placeholder", help);
    }
    let template = template(written, url, faults);
    template.filter(|_| faults.count() == before)
}

/// A text with places for names. It is not repeated when it is wrong.
fn template<T>(written: &Spanned<T>, text: &str, faults: &mut Faults<'_>) -> Option<Template> {
    match Template::parse(text) {
        Ok(template) => Some(template),
        Err(error) => {
            let meant = error
                .meant
                .map(|meant| format!("did you mean `{{{meant}}}`? "));
            let help = format!(
                "{}a placeholder is {PLACEHOLDERS}",
                meant.unwrap_or_default()
            );
            faults.add(written, &error.to_string(), &help);
            None
        }
    }
}

fn decide_headers(
    written: &BTreeMap<String, Spanned<PropertyWritten>>,
    faults: &mut Faults<'_>,
) -> Vec<(HeaderName, Template)> {
    let mut headers = Vec::new();
    for (name, value) in written {
        let Some(template) = template(value, value.value.0.expose(), faults) else {
            continue;
        };
        let lower = name.to_ascii_lowercase();
        if !template.names_something() && SECRET_WORDS.iter().any(|word| lower.contains(word)) {
            let help = "give it as `secret_header: { name: HEADER, value: { env: NAME } }`";
            faults.add(value, "usually contains a secret", help);
            continue;
        }
        let is_text = HeaderValue::from_str(value.value.0.expose()).is_ok();
        match HeaderName::from_bytes(name.as_bytes()) {
            Ok(name) if is_text => headers.push((name, template)),
            _ => {
                let help = "letters, digits and `-` in the name, visible ASCII in the value";
                faults.add(value, "is not a header", help);
            }
        }
    }
    headers
}

fn decide_method(written: Option<&Spanned<String>>, faults: &mut Faults<'_>) -> Option<Method> {
    let written = written?;
    let method = Method::from_bytes(written.value.as_bytes());
    if method.is_err() {
        faults.add(
            written,
            "is not a method",
            "one word, such as PURGE, POST or DELETE",
        );
    }
    method.ok()
}

fn decide_content_type(
    written: Option<&Spanned<String>>,
    faults: &mut Faults<'_>,
) -> Option<HeaderValue> {
    let written = written?;
    let value = HeaderValue::from_str(&written.value);
    if value.is_err() {
        faults.add(written, "is not a content type", "such as application/json");
    }
    value.ok()
}

/// A status that may say that nothing of that name was cached: none that is about the caller or the load.
fn says_nothing(status: u16) -> bool {
    (200..300).contains(&status)
        || ((400..500).contains(&status) && ![401, 403, 405, 408, 429].contains(&status))
}

fn decide_statuses(
    written: Option<&[Spanned<StatusWritten>]>,
    may_be: impl Fn(u16) -> bool,
    faults: &mut Faults<'_>,
) -> Option<Vec<u16>> {
    let statuses = written?;
    for status in statuses {
        if !may_be(status.value.0) {
            let message = format!("`{}` is not allowed here", status.value.0);
            let help =
                "from 200 to 299; for nothing cached also 4xx, but not 401, 403, 405, 408, 429";
            faults.add(status, &message, help);
        }
    }
    Some(statuses.iter().map(|status| status.value.0).collect())
}
