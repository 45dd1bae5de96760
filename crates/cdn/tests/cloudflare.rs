//! Cloudflare's purge API as its documentation and reports of its answers describe it, over real HTTP.

mod support {
    pub(crate) mod batch;
}

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use freshet_cdn::{Budgets, Cloudflare, CloudflareTarget, HttpPurger};
use freshet_core::ports::Purger;
use freshet_core::purge::{Disposition, PurgeOutcome, PurgeReport, Refusal, disposition};
use freshet_core::registry::PurgeMode::{self, Hard, Soft};
use freshet_testbed::{FakeApi, FakeEdge, FakePages, SeenRequest, http_answer, purger_contract};
use serde_json::{Value, json};
use support::batch::{batch, items, purger_of};

const TOKEN: &str = "token-abc";
const ZONE: &str = "023e105f4ecef8ad9ca31a8372d0c353";

/// A zone whose account may do a lot.
fn target(url: &str) -> CloudflareTarget {
    let mut target = CloudflareTarget::new(ZONE.to_owned(), TOKEN.into());
    url.clone_into(&mut target.api);
    (target.requests_per_minute, target.burst) = (60_000, 10_000);
    target
}

fn purger(target: CloudflareTarget) -> HttpPurger {
    purger_of(Cloudflare::new(target).expect("usable"))
}

fn start(answer: impl Fn(&SeenRequest) -> String + Send + Sync + 'static) -> FakeApi {
    FakeApi::start(answer).expect("a port")
}

fn answer(status: &str, body: &Value) -> String {
    http_answer(
        status,
        "Content-Type: application/json\r\n",
        &body.to_string(),
    )
}

fn success() -> String {
    let body = json!({ "success": true, "errors": [], "messages": [], "result": { "id": ZONE } });
    answer("200 OK", &body)
}

fn failure(status: &str, errors: &[(u32, &str)]) -> String {
    let errors = errors
        .iter()
        .map(|(code, message)| json!({ "code": code, "message": message }));
    let errors: Vec<Value> = errors.collect();
    let body = json!({ "success": false, "errors": errors, "messages": [], "result": null });
    answer(status, &body)
}

fn tags_of(seen: &SeenRequest) -> Vec<String> {
    let call: Value = serde_json::from_str(&seen.body).expect("JSON");
    serde_json::from_value(call["tags"].clone()).expect("tags")
}

async fn report_of(answer: String, mode: PurgeMode) -> PurgeReport {
    let api = start(move |_| answer.clone());
    purger(target(&api.url)).purge(&items(2, mode)).await
}

/// What the API does: at most 100 tags, no word of what was cached.
fn memory_cloudflare(seen: &SeenRequest, pages: &mut FakePages) -> String {
    if seen.header("authorization") != Some("Bearer token-abc") {
        return failure("401 Unauthorized", &[(10000, "Authentication error")]);
    }
    if seen.line.starts_with("GET /user/tokens/verify ") {
        let result = json!({ "id": "1", "status": "active" });
        return answer("200 OK", &json!({ "success": true, "result": result }));
    }
    let tags = tags_of(seen);
    if tags.len() > 100 {
        return failure("400 Bad Request", &[(1134, "too many tags")]);
    }
    pages.purge(&tags);
    success()
}

#[tokio::test]
async fn cloudflare_is_purged_as_the_contract_says() -> Result<()> {
    let mut edge = FakeEdge::start(memory_cloudflare, |url| Ok(purger(target(url))))?;
    purger_contract(&mut edge).await
}

#[tokio::test]
async fn tags_go_in_batches_of_100_to_the_zone_or_to_one_environment() {
    let api = start(|_| success());
    let report = purger(target(&api.url)).purge(&items(201, Hard)).await;
    assert!(report.is_settled(), "{report:?}");
    let counts: Vec<usize> = api.seen().iter().map(|seen| tags_of(seen).len()).collect();
    assert_eq!(counts, [100, 100, 1]);
    let mut few = target(&api.url);
    few.tags_per_call = 30;
    few.environment_id = Some("12abcd3e".to_owned());
    purger(few).purge(&items(31, Hard)).await;
    let seen = api.seen().pop().expect("seen");
    let path = format!("POST /zones/{ZONE}/environments/12abcd3e/purge_cache HTTP/1.1");
    assert_eq!((seen.line, tags_of(&api.seen()[3]).len()), (path, 30));
}

/// A soft purge must never do less than it says: where the account has no invalidation, it is a hard one.
#[tokio::test]
async fn a_soft_purge_invalidates_where_it_is_set_and_is_hard_elsewhere() {
    let api = start(|_| success());
    let both = [("a-1", Soft), ("a-2", Hard)];
    purger(target(&api.url)).purge(&batch(&both)).await;
    let mut soft = target(&api.url);
    soft.soft = true;
    purger(soft).purge(&batch(&both)).await;
    let lines: Vec<String> = api.seen().into_iter().map(|seen| seen.line).collect();
    let purge = format!("POST /zones/{ZONE}/purge_cache HTTP/1.1");
    let invalidate = format!("POST /zones/{ZONE}/invalidate_cache HTTP/1.1");
    assert_eq!(lines, [purge.as_str(), &purge, &purge, &invalidate]);
    let report = report_of(failure("404 Not Found", &[(7003, "no route")]), Soft).await;
    let reason = report.reason.expect("a reason");
    assert!(reason.contains("`soft: false`"), "{reason}");
}

/// Nothing is known of the tags beside a bad one: all are asked again, in smaller batches, until it is alone.
#[tokio::test]
async fn p12_a_tag_that_is_refused_with_200_is_looked_for_and_not_named() {
    for (code, message) in [
        (
            1100,
            "Tag exceeds maximum length of 1024 characters: item-1",
        ),
        (
            1315,
            "Non-printable characters are forbidden in tags: item-1",
        ),
    ] {
        let errors = [(code, message), (1016, "One or more cache purge errors")];
        let report = report_of(failure("200 OK", &errors), Hard).await;
        let refused = PurgeOutcome::Refused(Refusal::OfPurge);
        assert_eq!(report.outcomes, [refused; 2]);
        assert_eq!(disposition(refused, false), Disposition::Split);
        assert_eq!(disposition(refused, true), Disposition::Quarantine);
        let reason = report.reason.expect("a reason");
        let said = format!("cloudflare answered 200 OK with errors {code}, 1016");
        assert!(
            reason.starts_with(&said) && !reason.contains("item-"),
            "{reason}"
        );
    }
}

#[tokio::test]
async fn a_success_that_is_none_is_forgotten_and_asked_for_again() {
    for unclear in [
        failure(
            "200 OK",
            &[(1016, "One or more cache purge errors: item-1")],
        ),
        failure("200 OK", &[]),
        http_answer("200 OK", "", "<html>welcome</html>"),
        http_answer("200 OK", "", r#"{"result":{}}"#),
        http_answer("200 OK", "", r#"{"success":"true"}"#),
        http_answer("204 No Content", "", ""),
    ] {
        let report = report_of(unclear, Hard).await;
        assert_eq!(report.outcomes, [PurgeOutcome::Forgotten; 2]);
        let reason = report.reason.expect("a reason");
        assert!(reason.starts_with("cloudflare answered 20") && !reason.contains("item-"));
    }
}

#[tokio::test]
async fn a_success_may_leave_out_what_is_empty() {
    for body in [
        r#"{"success":true}"#,
        r#"{"success":true,"errors":null,"messages":null,"result":null}"#,
    ] {
        let report = report_of(http_answer("200 OK", "", body), Hard).await;
        assert_eq!(report.outcomes, [PurgeOutcome::Purged; 2], "{body}");
    }
}

#[tokio::test]
async fn p12_a_refusal_of_the_caller_is_reported_without_the_token_and_nothing_is_given_up() {
    for (status, code, advice) in [
        ("401 Unauthorized", 10000, "`cloudflare.token`"),
        ("403 Forbidden", 9109, "`cloudflare.token`"),
        ("400 Bad Request", 6003, "`cloudflare.token`"),
        ("200 OK", 1107, "`cloudflare.token`"),
        ("404 Not Found", 7003, "`cloudflare.zone_id`"),
        ("403 Forbidden", 4711, "`cloudflare.token`"),
    ] {
        let message = format!("Invalid access: {TOKEN}");
        let report = report_of(failure(status, &[(code, &message)]), Hard).await;
        let refused = PurgeOutcome::Refused(Refusal::OfCaller);
        assert_eq!(report.outcomes, [refused; 2], "{status} {code}");
        let reason = report.reason.expect("a reason");
        for part in [&status[..3], advice, "Invalid access: <secret>"] {
            assert!(reason.contains(part), "{reason:?} does not say {part:?}");
        }
        assert!(!reason.contains(TOKEN), "{reason}");
    }
}

#[tokio::test]
async fn statuses_say_what_they_say_elsewhere() {
    for (status, outcome) in [
        ("400 Bad Request", PurgeOutcome::Refused(Refusal::OfPurge)),
        ("500 Internal Server Error", PurgeOutcome::Unreachable),
        ("502 Bad Gateway", PurgeOutcome::Unreachable),
        (
            "503 Service Unavailable",
            PurgeOutcome::Throttled { retry_after_ms: 0 },
        ),
    ] {
        let with_codes = failure(status, &[(4711, "item-1")]);
        for answer in [with_codes, http_answer(status, "", "no JSON")] {
            let report = report_of(answer, Hard).await;
            assert_eq!(report.outcomes, [outcome; 2], "{status}");
            assert!(!report.reason.expect("a reason").contains("item-"));
        }
    }
}

/// The account is asked nothing more until the pause is over, by no target of it.
#[tokio::test]
async fn a_pause_is_kept_by_every_target_of_the_account() {
    let api = start(|_| http_answer("429 Too Many Requests", "Retry-After: 7\r\n", ""));
    let budgets = Budgets::default();
    let of_account = |zone: &str, token: &str| {
        let mut target = target(&api.url);
        zone.clone_into(&mut target.zone_id);
        target.token = token.into();
        let provider = Cloudflare::new(target).expect("usable");
        HttpPurger::new(Arc::new(provider), &budgets).expect("a client")
    };
    let paused = |report: &PurgeReport| match report.outcomes[..] {
        [PurgeOutcome::Throttled { retry_after_ms }] => retry_after_ms,
        _ => panic!("{report:?}"),
    };
    let one = items(1, Hard);
    let report = of_account("zone1", TOKEN).purge(&one).await;
    assert_eq!(paused(&report), 7_000);
    let report = of_account("zone2", TOKEN).purge(&one).await;
    assert!((6_000..=8_000).contains(&paused(&report)), "{report:?}");
    let reason = report.reason.expect("a reason");
    assert!(reason.contains("is paused"), "{reason}");
    assert_eq!(api.seen().len(), 1, "asked in spite of the pause");
    of_account("zone3", "another").purge(&one).await;
    assert_eq!(api.seen().len(), 2, "another account waits with it");
}

#[tokio::test]
async fn what_the_account_may_not_send_is_throttled_and_not_waited_for() {
    let api = start(|_| success());
    let mut free = target(&api.url);
    (free.requests_per_minute, free.burst) = (5, 2);
    let started = Instant::now();
    let report = purger(free).purge(&items(301, Hard)).await;
    assert!(started.elapsed() < Duration::from_secs(10), "it waited");
    assert_eq!(api.seen().len(), 2);
    assert_eq!(report.outcomes[..200], [PurgeOutcome::Purged; 200]);
    for outcome in &report.outcomes[200..] {
        let PurgeOutcome::Throttled { retry_after_ms } = outcome else {
            panic!("{outcome:?}");
        };
        assert!((11_000..=13_000).contains(retry_after_ms), "{outcome:?}");
    }
}

/// Ten a second after the first one: four more take less than a second, and come one by one.
#[tokio::test]
async fn a_short_wait_for_the_account_is_waited_out() {
    let api = start(|_| success());
    let mut pro = target(&api.url);
    (pro.requests_per_minute, pro.burst) = (600, 1);
    let started = Instant::now();
    let report = purger(pro).purge(&items(401, Hard)).await;
    assert!(report.is_settled(), "{report:?}");
    assert!(started.elapsed() >= Duration::from_millis(390), "not paced");
}

fn verified(status: &'static str, seen: &SeenRequest) -> String {
    match seen.line.starts_with("GET ") {
        true => answer(
            "200 OK",
            &json!({ "success": true, "result": { "id": "1", "status": status } }),
        ),
        false => failure("500 Internal Server Error", &[]),
    }
}

#[tokio::test]
async fn a_ping_asks_for_the_token_and_not_again_while_purges_succeed() {
    let api = start(|seen| verified("active", seen));
    let of_user = purger(target(&api.url));
    for _ in 0..3 {
        of_user.ping().await.expect("active");
    }
    assert_eq!(api.seen().len(), 1, "each ping counts towards a limit");
    of_user.purge(&items(1, Hard)).await;
    of_user.ping().await.expect("active");
    let lines: Vec<String> = api.seen().into_iter().map(|seen| seen.line).collect();
    assert_eq!(
        lines[2], "GET /user/tokens/verify HTTP/1.1",
        "after a failure"
    );
    let mut of_account = target(&api.url);
    of_account.account_id = Some("abc".to_owned());
    purger(of_account).ping().await.expect("active");
    let last = api.seen().pop().expect("seen");
    assert_eq!(last.line, "GET /accounts/abc/tokens/verify HTTP/1.1");

    let api = start(|seen| verified("disabled", seen));
    let reason = purger(target(&api.url)).ping().await.expect_err("disabled");
    assert!(reason.contains("`cloudflare.token`"), "{reason}");
    let refused = failure("401 Unauthorized", &[(1000, &format!("Invalid {TOKEN}"))]);
    let api = start(move |_| refused.clone());
    let reason = purger(target(&api.url)).ping().await.expect_err("refused");
    assert!(
        reason.contains("401") && !reason.contains(TOKEN),
        "{reason}"
    );
}

#[test]
fn what_cannot_stand_in_a_path_is_refused() {
    for (zone, account, environment, field) in [
        ("a/b", None, None, "zone_id"),
        ("", None, None, "zone_id"),
        ("a", Some("a b"), None, "account_id"),
        ("a", None, Some("../x"), "environment_id"),
    ] {
        let mut target = CloudflareTarget::new(zone.to_owned(), TOKEN.into());
        target.account_id = account.map(str::to_owned);
        target.environment_id = environment.map(str::to_owned);
        let error = Cloudflare::new(target).expect_err("no id");
        assert_eq!(error.field, field);
    }
    let target = CloudflareTarget::new("a".to_owned(), "token\nabc".into());
    let error = Cloudflare::new(target).expect_err("no header");
    assert!(error.field == "token" && !error.to_string().contains("abc"));
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(64))]

    /// Whatever the codes and words, done is only what says `success`, and the token is not repeated.
    #[test]
    fn p12_only_a_success_is_done_and_no_token_is_repeated(
        status in proptest::sample::select(vec!["200 OK", "400 Bad Request", "403 Forbidden", "429 Slow", "500 No"]),
        success in proptest::option::of(proptest::bool::ANY),
        codes in proptest::collection::vec(0_u32..12_000, 0..8),
    ) {
        let errors: Vec<Value> = codes
            .iter()
            .map(|code| json!({ "code": code, "message": format!("{TOKEN} item-1") }))
            .collect();
        let mut body = json!({ "errors": errors });
        if let Some(success) = success {
            body["success"] = success.into();
        }
        let text = answer(status, &body);
        let api = start(move |_| text.clone());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let report = runtime.expect("a runtime").block_on(purger(target(&api.url)).purge(&items(3, Hard)));
        let done = success == Some(true) && status.starts_with("200");
        proptest::prop_assert_eq!(report.is_settled(), done);
        proptest::prop_assert_eq!(report.reason.is_none(), done);
        let reason = report.reason.unwrap_or_default();
        proptest::prop_assert!(!reason.contains(TOKEN), "{}", reason);
    }
}
