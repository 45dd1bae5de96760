//! Fastly's purge API as its documentation and recorded answers describe it, over real HTTP.

mod support {
    pub(crate) mod api;
}

use std::time::Duration;

use freshet_cdn::{FastlyPurger, FastlyTarget};
use freshet_core::ports::Purger;
use freshet_core::position::UnixMicros;
use freshet_core::purge::{PurgeBatch, PurgeOutcome, PurgeReport, WantedPurge};
use freshet_core::registry::{FamilyId, PurgeMode, Scope, TargetId};
use support::api::{Api, Seen, http};

fn purger(api: &Api) -> FastlyPurger {
    let mut target = FastlyTarget::new("SU1Z0isx".to_owned(), "token-abc".to_owned().into());
    target.api.clone_from(&api.url);
    target.timeout = Duration::from_millis(500);
    FastlyPurger::new(target).expect("usable")
}

/// What Fastly does: 256 keys at most, and an id for each.
fn as_fastly(seen: &Seen) -> String {
    let call: serde_json::Value = serde_json::from_str(&seen.body).expect("JSON");
    let keys = call["surrogate_keys"].as_array().expect("keys");
    if keys.len() > 256 {
        let said = r#"{"status": "fail", "reason": "Batch surrogate key request only supports up to 256 surrogate keys"}"#;
        return http("400 Bad Request", "", said);
    }
    let ids: Vec<String> = keys
        .iter()
        .map(|key| format!("{key}:\"4151-1635861748-11038\""))
        .collect();
    http("200 OK", "", &format!("{{{}}}", ids.join(",")))
}

fn batch(tags: usize, mode: PurgeMode) -> PurgeBatch {
    let mut batch = PurgeBatch::new(TargetId(0));
    for at in 0..tags {
        let name = format!("item-{at}");
        let (family, scope, committed) = (FamilyId(0), Scope::Tag, UnixMicros(1));
        batch.add(WantedPurge {
            family,
            scope,
            mode,
            committed,
            name: name.as_bytes(),
        });
    }
    batch
}

async fn outcome_with(answer: &'static str) -> PurgeReport {
    let api = Api::start(move |_| answer.to_owned());
    purger(&api).purge(&batch(2, PurgeMode::Hard)).await
}

#[tokio::test]
async fn keys_go_in_batches_of_256_and_soft_is_a_header_that_hard_lacks() {
    let api = Api::start(as_fastly);
    let report = purger(&api).purge(&batch(300, PurgeMode::Soft)).await;
    assert!(
        report.outcomes.iter().all(|it| *it == PurgeOutcome::Purged),
        "{:?}",
        report.reason
    );
    let seen = api.seen();
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[0].line, "POST /service/SU1Z0isx/purge HTTP/1.1");
    let has = |seen: &Seen, header: &str| {
        seen.headers
            .iter()
            .any(|it| it.eq_ignore_ascii_case(header))
    };
    assert!(has(&seen[0], "Fastly-Key: token-abc") && has(&seen[0], "Accept: application/json"));
    assert!(has(&seen[0], "Fastly-Soft-Purge: 1"));
    purger(&api).purge(&batch(1, PurgeMode::Hard)).await;
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
    let api = Api::start(|_| http("429 Too Many Requests", "Retry-After: 7\r\n", ""));
    let report = purger(&api).purge(&batch(1, PurgeMode::Hard)).await;
    assert_eq!(
        report.outcomes,
        [PurgeOutcome::Throttled {
            retry_after_ms: 7_000
        }]
    );

    let api = Api::start(|_| {
        http(
            "400 Bad Request",
            "",
            r#"{"status":"fail","reason":"bad key"}"#,
        )
    });
    let report = purger(&api).purge(&batch(1, PurgeMode::Hard)).await;
    assert_eq!(report.outcomes, [PurgeOutcome::Refused]);
    assert!(report.reason.expect("a reason").contains("bad key"));

    // A wrong token is an operator's slip: the purge waits and everybody is told; it is never counted as done.
    let api = Api::start(|_| {
        http(
            "401 Unauthorized",
            "",
            r#"{"msg":"Provided credentials are missing or invalid"}"#,
        )
    });
    let report = purger(&api).purge(&batch(1, PurgeMode::Hard)).await;
    assert!(matches!(report.outcomes[0], PurgeOutcome::Throttled { .. }));
    let reason = report.reason.expect("a reason");
    assert!(
        reason.contains("401") && !reason.contains("token-abc"),
        "{reason}"
    );

    let api = Api::start(|_| http("503 Service Unavailable", "", "Bad Gateway"));
    let report = purger(&api).purge(&batch(1, PurgeMode::Hard)).await;
    assert_eq!(report.outcomes, [PurgeOutcome::Unreachable]);
}

#[tokio::test]
async fn a_call_that_hangs_ends_in_time() {
    let api = Api::start(|_| {
        std::thread::park_timeout(Duration::from_secs(5));
        String::new()
    });
    let begun = std::time::Instant::now();
    let report = purger(&api).purge(&batch(1, PurgeMode::Hard)).await;
    assert_eq!(report.outcomes, [PurgeOutcome::Unreachable]);
    assert!(begun.elapsed() < Duration::from_secs(3));
}
