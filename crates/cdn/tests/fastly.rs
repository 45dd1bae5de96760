//! Fastly's purge API as its documentation and recorded answers describe it, over real HTTP.

mod support {
    pub(crate) mod batch;
}

use std::time::Duration;

use anyhow::Result;
use freshet_cdn::{Fastly, FastlyTarget, HttpPurger};
use freshet_core::ports::Purger;
use freshet_core::purge::{PurgeOutcome, PurgeReport, Refusal};
use freshet_core::registry::PurgeMode;
use freshet_testbed::{FakeApi, FakeEdge, FakePages, SeenRequest, http_answer, purger_contract};
use support::batch::{items, purger_of};

fn purger(url: &str) -> HttpPurger {
    let mut target = FastlyTarget::new("SU1Z0isx".to_owned(), "token-abc".to_owned().into());
    url.clone_into(&mut target.api);
    target.timeout = Duration::from_millis(500);
    purger_of(Fastly::new(target).expect("usable"))
}

/// What Fastly does: 256 keys at most, and an id for each.
fn as_fastly(seen: &SeenRequest) -> String {
    let call: serde_json::Value = serde_json::from_str(&seen.body).expect("JSON");
    let keys = call["surrogate_keys"].as_array().expect("keys");
    if keys.len() > 256 {
        let said = r#"{"status": "fail", "reason": "Batch surrogate key request only supports up to 256 surrogate keys"}"#;
        return http_answer("400 Bad Request", "", said);
    }
    let ids: Vec<String> = keys
        .iter()
        .map(|key| format!("{key}:\"4151-1635861748-11038\""))
        .collect();
    http_answer("200 OK", "", &format!("{{{}}}", ids.join(",")))
}

fn start(answer: impl Fn(&SeenRequest) -> String + Send + Sync + 'static) -> FakeApi {
    FakeApi::start(answer).expect("a port")
}

async fn outcome_with(answer: &'static str) -> PurgeReport {
    let api = start(move |_| answer.to_owned());
    purger(&api.url).purge(&items(2, PurgeMode::Hard)).await
}

#[tokio::test]
async fn keys_go_in_batches_of_256_and_soft_is_a_header_that_hard_lacks() {
    let api = start(as_fastly);
    let report = purger(&api.url).purge(&items(300, PurgeMode::Soft)).await;
    assert!(
        report.outcomes.iter().all(|it| *it == PurgeOutcome::Purged),
        "{:?}",
        report.reason
    );
    let seen = api.seen();
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[0].line, "POST /service/SU1Z0isx/purge HTTP/1.1");
    let has = |seen: &SeenRequest, header: &str| {
        seen.headers
            .iter()
            .any(|it| it.eq_ignore_ascii_case(header))
    };
    assert!(has(&seen[0], "Fastly-Key: token-abc") && has(&seen[0], "Accept: application/json"));
    assert!(has(&seen[0], "Fastly-Soft-Purge: 1"));
    purger(&api.url).purge(&items(1, PurgeMode::Hard)).await;
    let hard = api.seen().pop().expect("seen");
    assert_eq!(hard.body, r#"{"surrogate_keys":["item-0"]}"#);
    let soft = |it: &String| it.to_lowercase().starts_with("fastly-soft-purge");
    assert!(
        !hard.headers.iter().any(soft),
        "its presence alone makes a purge soft"
    );
}

#[tokio::test]
async fn a_key_that_the_answer_does_not_name_is_not_purged() {
    let report = outcome_with(
        "HTTP/1.1 200 OK\r\nContent-Length: 16\r\nConnection: close\r\n\r\n{\"item-0\":\"4-1\"}",
    )
    .await;
    assert_eq!(
        report.outcomes,
        [PurgeOutcome::Purged, PurgeOutcome::Forgotten]
    );
}

#[tokio::test]
async fn refusals_are_told_apart() {
    let api = start(|_| http_answer("429 Too Many Requests", "Retry-After: 7\r\n", ""));
    let report = purger(&api.url).purge(&items(1, PurgeMode::Hard)).await;
    assert_eq!(
        report.outcomes,
        [PurgeOutcome::Throttled {
            retry_after_ms: 7_000
        }]
    );

    let api = start(|_| {
        http_answer(
            "400 Bad Request",
            "",
            r#"{"status":"fail","reason":"bad key"}"#,
        )
    });
    let report = purger(&api.url).purge(&items(1, PurgeMode::Hard)).await;
    assert_eq!(report.outcomes, [PurgeOutcome::Refused(Refusal::OfPurge)]);
    assert!(report.reason.expect("a reason").contains("bad key"));

    // A wrong token is an operator's slip: the purge waits and everybody is told; it is never counted as done.
    let api = start(|_| {
        http_answer(
            "401 Unauthorized",
            "",
            r#"{"msg":"The token token-abc is missing or invalid"}"#,
        )
    });
    let report = purger(&api.url).purge(&items(1, PurgeMode::Hard)).await;
    assert_eq!(report.outcomes, [PurgeOutcome::Refused(Refusal::OfCaller)]);
    let reason = report.reason.expect("a reason");
    assert!(
        reason.contains("401")
            && reason.contains("<secret>")
            && reason.contains("`fastly.token`")
            && !reason.contains("token-abc"),
        "{reason}"
    );

    // Another service, or none: no purge of the backlog is at fault.
    let api = start(|_| http_answer("404 Not Found", "", r#"{"msg":"Record not found"}"#));
    let report = purger(&api.url).purge(&items(1, PurgeMode::Hard)).await;
    assert_eq!(report.outcomes, [PurgeOutcome::Refused(Refusal::OfCaller)]);
    assert!(
        report
            .reason
            .expect("a reason")
            .contains("`fastly.service_id`")
    );

    let api = start(|_| http_answer("503 Service Unavailable", "Retry-After: 2\r\n", "Busy"));
    let report = purger(&api.url).purge(&items(1, PurgeMode::Hard)).await;
    assert_eq!(
        report.outcomes,
        [PurgeOutcome::Throttled {
            retry_after_ms: 2_000
        }]
    );

    let api = start(|_| http_answer("502 Bad Gateway", "", "Bad Gateway"));
    let report = purger(&api.url).purge(&items(1, PurgeMode::Hard)).await;
    assert_eq!(report.outcomes, [PurgeOutcome::Unreachable]);
}

#[tokio::test]
async fn p12_a_token_is_hidden_before_a_message_is_cut() {
    let api = start(|_| {
        let message = format!("{}token-abc", "x".repeat(195));
        http_answer(
            "400 Bad Request",
            "",
            &format!(r#"{{"reason":"{message}"}}"#),
        )
    });
    let report = purger(&api.url).purge(&items(1, PurgeMode::Hard)).await;
    let reason = report.reason.expect("a reason");
    assert!(
        reason.contains("xxx") && !reason.contains("token"),
        "{reason}"
    );
}

#[tokio::test]
async fn p12_nothing_that_a_terminal_obeys_is_repeated() {
    let api = start(|_| {
        let body = r#"{"reason":"\u001b[2Jbad\nkey"}"#;
        http_answer("400 Bad Request", "", body)
    });
    let report = purger(&api.url).purge(&items(1, PurgeMode::Hard)).await;
    let reason = report.reason.expect("a reason");
    assert!(
        reason.contains("bad\\nkey") && !reason.contains(char::is_control),
        "{reason}"
    );
}

#[tokio::test]
async fn p14_a_body_is_read_up_to_a_limit() {
    let api = start(|_| {
        http_answer(
            "200 OK",
            "",
            &format!("{{\"item-0\":1{}}}", " ".repeat(2 << 20)),
        )
    });
    let report = purger(&api.url).purge(&items(1, PurgeMode::Hard)).await;
    assert_eq!(report.outcomes, [PurgeOutcome::Forgotten]);
    let reason = report.reason.expect("a reason");
    assert!(reason.contains("more than 1048576 bytes"), "{reason}");
}

#[tokio::test]
async fn p14_no_answer_holds_a_target_longer_than_an_hour() {
    let longest = PurgeOutcome::Throttled {
        retry_after_ms: 3_600_000,
    };
    for header in [
        "Retry-After: 4294967",
        "Fastly-RateLimit-Reset: 99999999999",
    ] {
        let api =
            start(move |_| http_answer("429 Too Many Requests", &format!("{header}\r\n"), ""));
        let report = purger(&api.url).purge(&items(1, PurgeMode::Hard)).await;
        assert_eq!(report.outcomes, [longest], "{header}");
    }
}

#[tokio::test]
async fn a_call_that_hangs_ends_in_time() {
    // Twelve calls, and one timeout.
    let api = start(|_| {
        std::thread::park_timeout(Duration::from_secs(5));
        String::new()
    });
    let begun = std::time::Instant::now();
    let report = purger(&api.url).purge(&items(3_000, PurgeMode::Hard)).await;
    assert_eq!(report.outcomes, [PurgeOutcome::Unreachable; 3_000]);
    assert!(begun.elapsed() < Duration::from_secs(3));
}

/// A Fastly of one's own that purges what it is told to.
fn memory_fastly(seen: &SeenRequest, pages: &mut FakePages) -> String {
    if seen.line.starts_with("GET /tokens/self ") {
        return http_answer("200 OK", "", "{}");
    }
    let call: serde_json::Value = serde_json::from_str(&seen.body).expect("JSON");
    let keys: Vec<String> = serde_json::from_value(call["surrogate_keys"].clone()).expect("keys");
    pages.purge(&keys);
    as_fastly(seen)
}

#[tokio::test]
async fn fastly_is_purged_as_the_contract_says() -> Result<()> {
    let mut edge = FakeEdge::start(memory_fastly, |url| Ok(purger(url)))?;
    purger_contract(&mut edge).await
}
