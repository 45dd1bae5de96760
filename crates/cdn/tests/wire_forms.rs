//! The requests that purgers send, compared with committed texts.
//!
//! `FRESHET_UPDATE_GOLDEN=1 cargo test -p freshet-cdn --test wire_forms` writes the texts again. Headers are in
//! lower case and sorted, because their order and case say nothing; what differs from run to run has a name.

mod support {
    pub(crate) mod batch;
}

use std::path::Path;

use freshet_cdn::{
    Cloudflare, CloudflareTarget, Fastly, FastlyTarget, GenericHttp, HttpPurger, HttpTarget,
    SecretHeader, Template, Varnish, VarnishTarget,
};
use freshet_core::ports::Purger;
use freshet_core::purge::{PurgeBatch, PurgeOutcome};
use freshet_core::registry::PurgeMode::{Hard, Soft};
use freshet_testbed::{FakeApi, SeenRequest, http_answer};
use http::header::HeaderName;
use support::batch::{batch, purger_of};

const TOKEN: &str = "token-that-nobody-may-see";

/// Several tags of both modes, for bounds that make two requests of each.
fn several() -> PurgeBatch {
    batch(&[
        ("item-1", Hard),
        ("list.eu-1", Soft),
        ("item-2", Hard),
        ("list.eu-2", Soft),
        ("catalog.item", Hard),
        ("list.eu-3", Soft),
    ])
}

fn as_varnish(_: &SeenRequest) -> String {
    http_answer("200 Purged 1", "X-Purged: 1\r\n", "")
}

fn as_fastly(seen: &SeenRequest) -> String {
    let call: serde_json::Value = serde_json::from_str(&seen.body).unwrap_or_default();
    let keys = call["surrogate_keys"].as_array();
    let ids = keys
        .into_iter()
        .flatten()
        .map(|key| format!("{key}:\"1-2-3\""));
    let ids: Vec<String> = ids.collect();
    http_answer("200 OK", "", &format!("{{{}}}", ids.join(",")))
}

fn varnish(api: &FakeApi) -> HttpPurger {
    let mut target = VarnishTarget::new(vec![api.url.clone()]);
    target.host = Some("www.example.com".to_owned());
    target.header_bytes_max = 20;
    purger_of(Varnish::new(target).expect("usable"))
}

fn fastly(api: &FakeApi) -> HttpPurger {
    let mut target = FastlyTarget::new("SU1Z0isx".to_owned(), TOKEN.to_owned().into());
    target.api.clone_from(&api.url);
    target.keys_per_call = 2;
    purger_of(Fastly::new(target).expect("usable"))
}

fn as_cloudflare(_: &SeenRequest) -> String {
    let body = r#"{"success":true,"errors":[],"result":{"id":"1","status":"active"}}"#;
    http_answer("200 OK", "", body)
}

fn cloudflare(api: &FakeApi) -> HttpPurger {
    let mut target = CloudflareTarget::new("023e105f".to_owned(), TOKEN.into());
    target.api.clone_from(&api.url);
    target.tags_per_call = 2;
    target.soft = true;
    purger_of(Cloudflare::new(target).expect("usable"))
}

fn template(text: &str) -> Template {
    Template::parse(text).expect("a template")
}

/// Names in every place that there is.
fn by_template(api: &FakeApi) -> HttpPurger {
    let url = template(&format!("{}/purge/{{names}}", api.url));
    let mut target = HttpTarget::new(api.url.clone(), url);
    let secret = SecretHeader::new("X-Purge-Secret", &TOKEN.into());
    target.secret_header = Some(secret.expect("a header"));
    let tags = HeaderName::from_static("surrogate-key");
    target.headers = vec![(tags, template("{names}"))];
    target.body = Some(template(r#"{"tags": {names_json}, "all": "{names}"}"#));
    target.separator = ", ".to_owned();
    target.names_per_call = 2;
    purger_of(GenericHttp::new(target).expect("usable"))
}

/// Everything that an API was sent, as text.
fn transcript(api: &FakeApi) -> String {
    let text = |seen: &SeenRequest| {
        let lower = |header: &String| match header.split_once(':') {
            Some((name, value)) => format!("{}:{value}", name.to_lowercase()),
            None => header.to_lowercase(),
        };
        let mut headers: Vec<String> = seen.headers.iter().map(lower).collect();
        headers.sort();
        let (line, headers, body) = (&seen.line, headers.join("\n"), &seen.body);
        match body.is_empty() {
            true => format!("{line}\n{headers}\n"),
            false => format!("{line}\n{headers}\n\n{body}\n"),
        }
    };
    let texts: Vec<String> = api.seen().iter().map(text).collect();
    let host = api.url.trim_start_matches("http://");
    texts
        .join("###\n")
        .replace(TOKEN, "<token>")
        .replace(host, "<host>")
        .replace(
            concat!("freshet/", env!("CARGO_PKG_VERSION")),
            "freshet/<version>",
        )
}

fn compare(name: &str, api: &FakeApi) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas/fixtures/cdn");
    let path = folder.join(format!("{name}.http"));
    let sent = transcript(api);
    assert!(!sent.contains(TOKEN), "the token stands in {name}");
    if std::env::var_os("FRESHET_UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(&folder).expect("the folder can be made");
        std::fs::write(&path, &sent).expect("the text can be written");
        return;
    }
    let committed = std::fs::read_to_string(&path).expect("the text is committed");
    assert_eq!(sent, committed, "{name}.http");
}

async fn purge_all(purger: &impl Purger, batch: &PurgeBatch) {
    let report = purger.purge(batch).await;
    let purged = report.outcomes.iter().all(|it| *it == PurgeOutcome::Purged);
    assert!(purged, "{report:?}");
}

#[tokio::test]
async fn varnish_is_asked_as_committed() {
    for (name, wanted) in [
        ("varnish-hard", batch(&[("item-1", Hard)])),
        ("varnish-soft", batch(&[("item-1", Soft)])),
        ("varnish-several", several()),
    ] {
        let api = FakeApi::start(as_varnish).expect("a port");
        purge_all(&varnish(&api), &wanted).await;
        compare(name, &api);
    }
    let api = FakeApi::start(as_varnish).expect("a port");
    varnish(&api).ping().await.expect("answered");
    compare("varnish-ping", &api);
}

#[tokio::test]
async fn fastly_is_asked_as_committed() {
    for (name, wanted) in [
        ("fastly-hard", batch(&[("item-1", Hard)])),
        ("fastly-soft", batch(&[("item-1", Soft)])),
        ("fastly-several", several()),
    ] {
        let api = FakeApi::start(as_fastly).expect("a port");
        purge_all(&fastly(&api), &wanted).await;
        compare(name, &api);
    }
    let api = FakeApi::start(as_fastly).expect("a port");
    fastly(&api).ping().await.expect("answered");
    compare("fastly-ping", &api);
}

#[tokio::test]
async fn cloudflare_is_asked_as_committed() {
    for (name, wanted) in [
        ("cloudflare-hard", batch(&[("item-1", Hard)])),
        ("cloudflare-soft", batch(&[("item-1", Soft)])),
        ("cloudflare-several", several()),
    ] {
        let api = FakeApi::start(as_cloudflare).expect("a port");
        purge_all(&cloudflare(&api), &wanted).await;
        compare(name, &api);
    }
    let api = FakeApi::start(as_cloudflare).expect("a port");
    cloudflare(&api).ping().await.expect("answered");
    compare("cloudflare-ping", &api);
}

#[tokio::test]
async fn templates_are_filled_as_committed() {
    for (name, wanted) in [
        ("http-hard", batch(&[("item-1", Hard)])),
        ("http-several", several()),
    ] {
        let api = FakeApi::start(as_varnish).expect("a port");
        purge_all(&by_template(&api), &wanted).await;
        compare(name, &api);
    }
    let api = FakeApi::start(as_varnish).expect("a port");
    by_template(&api).ping().await.expect("answered");
    compare("http-ping", &api);
}

/// Of several requests, one that fails says nothing about the others.
#[tokio::test]
async fn each_request_answers_for_its_own_purges() {
    let throttled = PurgeOutcome::Throttled { retry_after_ms: 0 };
    let purged = PurgeOutcome::Purged;
    let fails = |answer: fn(&SeenRequest) -> String, tag: &'static str| {
        move |seen: &SeenRequest| {
            let text = format!("{}{}", seen.headers.join(" "), seen.body);
            match text.contains(tag) {
                true => http_answer("503 Service Unavailable", "", ""),
                false => answer(seen),
            }
        }
    };
    // item-1 item-2 | catalog.item | list.eu-1 list.eu-2 | list.eu-3
    let of_first_soft = [purged, throttled, purged, throttled, purged, purged];
    let api = FakeApi::start(fails(as_fastly, "list.eu-2")).expect("a port");
    let report = fastly(&api).purge(&several()).await;
    assert_eq!(report.outcomes, of_first_soft);
    assert!(report.reason.expect("a reason").contains("503"));
    let api = FakeApi::start(fails(as_varnish, "list.eu-2")).expect("a port");
    let report = varnish(&api).purge(&several()).await;
    assert_eq!(report.outcomes, of_first_soft);
    let reason = report.reason.expect("a reason");
    assert!(
        reason.contains("503") && !reason.contains("list"),
        "{reason}"
    );
}
