//! The purger of any cache over HTTP: against a real nginx with its purge module, a real Varnish, and an API of one's own.

mod support {
    pub(crate) mod batch;
    pub(crate) mod edge;
}

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use freshet_cdn::{GenericHttp, HttpPurger, HttpTarget, SecretHeader, Template};
use freshet_core::ports::Purger;
use freshet_core::purge::{PurgeOutcome, PurgeReport, Refusal};
use freshet_core::registry::PurgeMode::{Hard, Soft};
use freshet_core::secret::Secret;
use freshet_testbed::{
    DEFAULT_VCL, FakeApi, FakeEdge, FakePages, Nginx, SeenRequest, http_answer, purger_contract,
    request,
};
use http::Method;
use http::header::HeaderName;
use support::batch::{batch, items, purger_of};
use support::edge::{Edge, Origin};

fn template(text: &str) -> Template {
    Template::parse(text).expect("a template")
}

/// A target whose purges go to `path` of `url`.
fn target(url: &str, path: &str) -> HttpTarget {
    HttpTarget::new(url.to_owned(), template(&format!("{url}{path}")))
}

fn purger(target: HttpTarget) -> HttpPurger {
    purger_of(GenericHttp::new(target).expect("usable"))
}

/// Pages called as their tags, as nginx's module wants it: one a request.
struct Site {
    nginx: Nginx,
    origin: Origin,
    purger: HttpPurger,
}

impl Site {
    fn start(rules: &str) -> Result<Self> {
        let origin = Origin::default();
        let nginx = Nginx::start(&origin.start()?, rules)?;
        let mut target = target(&nginx.url(), "/purge/{name}");
        target.nothing_cached = vec![404, 412];
        target.timeout = Duration::from_secs(10);
        let purger = purger(target);
        Ok(Self {
            nginx,
            origin,
            purger,
        })
    }

    /// Gets a page as a reader would, and says whether it came from the cache.
    fn is_hit(&self, page: &str) -> Result<bool> {
        let answer = request("GET", &format!("{}/{page}", self.nginx.url()), &[], "")?;
        ensure!(answer.status == 200, "{answer:?}");
        Ok(answer.header("x-cache") == Some("HIT"))
    }

    fn fill(&self, page: &str) -> Result<()> {
        self.is_hit(page)?;
        ensure!(self.is_hit(page)?, "{page} is not cached");
        Ok(())
    }
}

#[tokio::test]
async fn a_real_nginx_is_purged_page_by_page() -> Result<()> {
    let site = Site::start("allow 127.0.0.1; deny all;")?;
    for page in ["item-1", "item-2", "item-10"] {
        site.fill(page)?;
    }
    let wanted = [
        ("item-1", Hard),
        ("never", Hard),
        ("item-2", Soft),
        ("item-1/../x?y#z ü", Hard),
    ];
    let report = site.purger.purge(&batch(&wanted)).await;
    let (purged, nothing) = (PurgeOutcome::Purged, PurgeOutcome::NothingCached);
    ensure!(
        report.outcomes == [purged, nothing, purged, nothing],
        "{report:?}"
    );
    ensure!(report.reason.is_none(), "{report:?}");
    ensure!(site.origin.asked("/item-1") == 1);
    ensure!(!site.is_hit("item-1")? && !site.is_hit("item-2")?);
    ensure!(site.is_hit("item-10")?, "a longer name went with it");
    ensure!(site.purger.ping().await.is_ok());
    Ok(())
}

#[tokio::test]
async fn thousands_of_pages_of_a_real_nginx_go_one_by_one() -> Result<()> {
    let site = Site::start("")?;
    for page in ["item-0", "item-1500", "item-2999", "item-3000"] {
        site.fill(page)?;
    }
    let report = site.purger.purge(&items(3_000, Hard)).await;
    ensure!(report.is_settled(), "{:?}", report.reason);
    let purged: Vec<usize> = (0..3_000)
        .filter(|&at| report.outcome(at) == PurgeOutcome::Purged)
        .collect();
    ensure!(purged == [0, 1_500, 2_999], "{purged:?}");
    ensure!(site.is_hit("item-3000")?);
    Ok(())
}

#[tokio::test]
async fn a_real_nginx_that_denies_or_is_away_is_reported_and_nothing_is_given_up() -> Result<()> {
    let mut site = Site::start("deny all;")?;
    site.fill("item-0")?;
    let one = items(1, Hard);
    let report = site.purger.purge(&one).await;
    let refused = PurgeOutcome::Refused(Refusal::OfCaller);
    ensure!(report.outcomes == [refused], "{report:?}");
    let reason = report.reason.unwrap_or_default();
    let url = site.nginx.url();
    for part in ["403", "`secret_header`", url.as_str()] {
        ensure!(reason.contains(part), "{reason:?} does not say {part:?}");
    }
    ensure!(!reason.contains("item-"), "{reason}");
    ensure!(site.purger.ping().await.is_err() && site.is_hit("item-0")?);
    site.nginx.stop();
    let report = site.purger.purge(&one).await;
    ensure!(report.outcomes == [PurgeOutcome::Unreachable], "{report:?}");
    ensure!(site.purger.ping().await.is_err());
    Ok(())
}

/// All names in one header, as xkey takes them.
#[tokio::test]
async fn a_real_varnish_is_purged_as_the_contract_says() -> Result<()> {
    let mut edge = Edge::purged_by(1, DEFAULT_VCL, |nodes| {
        let mut target = target(&nodes[0].url(), "/");
        let tags = HeaderName::from_static("xkey-purge");
        target.headers = vec![(tags, template("{names}"))];
        target.timeout = Duration::from_secs(10);
        Ok(purger(target))
    })?;
    purger_contract(&mut edge).await
}

/// Takes tags in a JSON body, from whoever knows the secret.
fn own_api(seen: &SeenRequest, pages: &mut FakePages) -> String {
    if seen.header("authorization") != Some("Bearer open sesame") {
        return http_answer("403 Forbidden", "", "");
    }
    if seen.line == "GET /health HTTP/1.1" {
        return http_answer("200 OK", "", "");
    }
    let call: serde_json::Value = serde_json::from_str(&seen.body).expect("JSON");
    let tags: Vec<String> = serde_json::from_value(call["tags"].clone()).expect("tags");
    match pages.purge(&tags) {
        0 => http_answer("208 Already Reported", "", ""),
        _ => http_answer("202 Accepted", "", ""),
    }
}

fn own_target(url: &str) -> HttpTarget {
    let secret = SecretHeader::new("Authorization", &Secret::from("Bearer open sesame"));
    let mut target = target(url, "/invalidate");
    target.method = Method::POST;
    target.secret_header = Some(secret.expect("a header"));
    target.body = Some(template(r#"{"tags": {names_json}}"#));
    target.success = vec![202];
    target.nothing_cached = vec![208];
    target.ping = Some(format!("{url}/health"));
    target
}

#[tokio::test]
async fn an_api_of_ones_own_is_purged_as_the_contract_says() -> Result<()> {
    let mut edge = FakeEdge::start(own_api, |url| Ok(purger(own_target(url))))?;
    purger_contract(&mut edge).await
}

async fn report_of(status: &'static str) -> (PurgeReport, Result<(), String>) {
    let answer = move |_: &SeenRequest| http_answer(status, "Retry-After: 3\r\n", "");
    let api = FakeApi::start(answer).expect("a port");
    let mut target = target(&api.url, "/p?tag={name}");
    target.nothing_cached = vec![404];
    let purger = purger(target);
    (purger.purge(&items(1, Hard)).await, purger.ping().await)
}

/// Done is only what the settings say.
#[tokio::test]
async fn statuses_mean_what_the_settings_say() {
    let retry_after_ms = 3_000;
    let (of_caller, of_purge) = (Refusal::OfCaller, Refusal::OfPurge);
    for (status, outcome) in [
        ("200 OK", PurgeOutcome::Purged),
        ("204 No Content", PurgeOutcome::Purged),
        ("202 Accepted", PurgeOutcome::Refused(of_caller)),
        ("404 Not Found", PurgeOutcome::NothingCached),
        ("301 Moved", PurgeOutcome::Refused(of_caller)),
        ("401 Unauthorized", PurgeOutcome::Refused(of_caller)),
        ("412 Precondition Failed", PurgeOutcome::Refused(of_purge)),
        ("429 Slow Down", PurgeOutcome::Throttled { retry_after_ms }),
        ("500 No", PurgeOutcome::Unreachable),
    ] {
        let (report, ping) = report_of(status).await;
        assert_eq!(report.outcomes, [outcome], "{status}");
        assert_eq!(ping.is_ok(), report.is_settled(), "{status}: {ping:?}");
        let reason = report.reason.unwrap_or_default();
        assert!(!reason.contains("item-"), "{reason}");
    }
}

/// A name that no header may hold is refused alone, and is not sent in part.
#[tokio::test]
async fn a_name_that_cannot_be_sent_is_refused_without_asking() {
    let api = FakeApi::start(|_| http_answer("200 OK", "", "")).expect("a port");
    let mut by_header = target(&api.url, "/");
    by_header.headers = vec![(HeaderName::from_static("x-tags"), template("{names}"))];
    let broken = batch(&[("item-1", Hard), ("item-2\r\nx: y", Hard)]);
    let report = purger(by_header).purge(&broken).await;
    let refused = PurgeOutcome::Refused(Refusal::OfPurge);
    assert_eq!(report.outcomes, [refused; 2]);
    let reason = report.reason.expect("a reason");
    assert!(reason.contains("not allowed in headers") && !reason.contains("item-"));
    assert!(api.seen().is_empty());
}

/// Sixteen are under way when the first is not answered; the other thousands are not asked.
#[tokio::test]
async fn a_cache_that_stays_silent_costs_one_timeout() {
    let api = FakeApi::start(|_| {
        std::thread::park_timeout(Duration::from_secs(5));
        String::new()
    });
    let api = api.expect("a port");
    let mut silent = target(&api.url, "/{name}");
    silent.timeout = Duration::from_millis(500);
    let started = Instant::now();
    let report = purger(silent).purge(&items(3_000, Hard)).await;
    assert_eq!(report.outcomes, [PurgeOutcome::Unreachable; 3_000]);
    assert!(
        started.elapsed() < Duration::from_secs(4),
        "{:?}",
        started.elapsed()
    );
    assert_eq!(api.seen().len(), 16);
}

#[test]
fn a_request_that_names_nothing_is_refused() {
    let error = GenericHttp::new(target("http://x", "/purge-all")).expect_err("names nothing");
    assert_eq!(error.field, "url");
    let mut by_body = target("http://x", "/");
    by_body.body = Some(template("{names}"));
    assert!(GenericHttp::new(by_body).is_ok());
}
