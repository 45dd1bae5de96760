//! The purger against a real Varnish with vmod xkey.

mod support {
    pub(crate) mod batch;
    pub(crate) mod edge;
}

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use freshet_cdn::SecretHeader;
use freshet_core::ports::Purger;
use freshet_core::purge::{
    Disposition, PurgeBatch, PurgeOutcome, PurgeReport, Refusal, disposition,
};
use freshet_core::registry::PurgeMode;
use freshet_core::secret::Secret;
use freshet_testbed::{DEFAULT_VCL, purger_contract};
use support::batch::batch;
use support::edge::Edge;

fn hard(tags: &[String]) -> PurgeBatch {
    let tags = tags.iter().map(|tag| (tag.as_str(), PurgeMode::Hard));
    batch(&tags.collect::<Vec<_>>())
}

/// Tags as long as the codec makes them.
fn long_tags(count: usize) -> Vec<String> {
    (0..count)
        .map(|at| format!("long-tag-00.{at:020}"))
        .collect()
}

/// Asked again, whether it was alone or one of many: neither given up nor put aside.
fn is_owed(report: &PurgeReport) -> bool {
    report.outcomes.iter().all(|&outcome| {
        [true, false].map(|alone| disposition(outcome, alone)) == [Disposition::Retry; 2]
    })
}

#[tokio::test]
async fn a_real_varnish_is_purged_as_the_contract_says() -> Result<()> {
    purger_contract(&mut Edge::start(1)?).await
}

/// A handful of tags a request, on two nodes.
#[tokio::test]
async fn narrow_requests_to_several_nodes_change_nothing() -> Result<()> {
    let mut edge = Edge::start_with(2, DEFAULT_VCL, |target| target.header_bytes_max = 200)?;
    purger_contract(&mut edge).await
}

#[tokio::test]
async fn a_hard_purge_leaves_nothing_to_serve() -> Result<()> {
    let edge = Edge::start(1)?;
    edge.fill("/p/1", "item-1 catalog")?;
    let report = edge
        .purger
        .purge(&batch(&[("item-1", PurgeMode::Hard)]))
        .await;
    ensure!(report.outcomes == [PurgeOutcome::Purged], "{report:?}");
    ensure!(report.removed == 1, "{report:?}");
    ensure!(!edge.holds(0, "/p/1")?, "it is still cached");
    // The reader waits for the origin.
    ensure!(edge.get(0, "/p/1", "item-1")?.body == "copy 2");
    Ok(())
}

#[tokio::test]
async fn a_soft_purge_leaves_the_old_answer_until_the_new_one_is_there() -> Result<()> {
    let edge = Edge::start(1)?;
    edge.fill("/p/1", "item-1 catalog")?;
    let soft = batch(&[("item-1", PurgeMode::Soft)]);
    let report = edge.purger.purge(&soft).await;
    ensure!(report.outcomes == [PurgeOutcome::Purged], "{report:?}");
    ensure!(
        edge.origin.asked("/p/1") == 1,
        "the purge itself fetches nothing"
    );
    edge.origin.hold_back(true);
    // The origin does not answer, and readers get what they got, while one request is on its way to it.
    for _ in 0..3 {
        let answer = edge.get(0, "/p/1", "item-1 catalog")?;
        ensure!(answer.body == "copy 1", "{answer:?}");
        ensure!(answer.header("x-cache") == Some("HIT"), "{answer:?}");
    }
    freshet_testbed::wait_until("the refresh", Duration::from_secs(10), || {
        Ok(edge.origin.asked("/p/1") == 2)
    })?;
    // It is stale already, so this softpurge counts nothing; it is settled all the same.
    let again = edge.purger.purge(&soft).await;
    ensure!(again.outcomes == [PurgeOutcome::Purged], "{again:?}");
    edge.origin.hold_back(false);
    edge.wait_for_copy("/p/1", "copy 2")?;
    ensure!(
        edge.origin.asked("/p/1") == 2,
        "one reader's request refreshed it for all"
    );
    Ok(())
}

#[tokio::test]
async fn modes_may_be_mixed_and_each_purge_gets_its_own_outcome() -> Result<()> {
    use PurgeMode::{Hard, Soft};
    let edge = Edge::start(1)?;
    for tag in ["soft-1", "soft-2", "kept"] {
        edge.fill(&format!("/{tag}"), tag)?;
    }
    let mixed = [
        ("soft-1", Soft),
        ("never-1", Hard),
        ("soft-2", Soft),
        ("never-2", Hard),
    ];
    let report = edge.purger.purge(&batch(&mixed)).await;
    let (purged, nothing) = (PurgeOutcome::Purged, PurgeOutcome::NothingCached);
    ensure!(
        report.outcomes == [purged, nothing, purged, nothing],
        "{report:?}"
    );
    for tag in ["soft-1", "soft-2"] {
        ensure!(edge.holds(0, &format!("/{tag}"))?, "{tag} was dropped");
        edge.wait_for_copy(&format!("/{tag}"), "copy 2")?;
    }
    ensure!(edge.get(0, "/kept", "kept")?.body == "copy 1");
    Ok(())
}

/// 40 KB of tags.
#[tokio::test]
async fn tags_that_no_header_line_holds_go_in_several() -> Result<()> {
    let edge = Edge::start(1)?;
    let tags = long_tags(1_200);
    for at in (0..tags.len()).step_by(50) {
        edge.fill(&format!("/{at}"), &tags[at])?;
    }
    let report = edge.purger.purge(&hard(&tags)).await;
    ensure!(report.is_settled(), "{:?}", report.reason);
    ensure!(report.removed == 24, "{}", report.removed);
    for at in (0..tags.len()).step_by(50) {
        ensure!(!edge.holds(0, &format!("/{at}"))?, "{at} is still cached");
    }
    Ok(())
}

/// Where the bound comes from: `http_req_hdr_len` is 8 KiB for name and value.
#[tokio::test]
async fn a_header_line_that_is_too_long_is_refused_and_may_be_split() -> Result<()> {
    let edge = Edge::start_with(1, DEFAULT_VCL, |target| target.header_bytes_max = 20_000)?;
    let tags = long_tags(300);
    let report = edge.purger.purge(&hard(&tags)).await;
    let refused = PurgeOutcome::Refused(Refusal::OfPurge);
    ensure!(report.outcomes == [refused; 300]);
    let reason = report.reason.unwrap_or_default();
    ensure!(
        reason.contains("400") && !reason.contains("long-tag"),
        "{reason}"
    );
    ensure!(disposition(refused, false) == Disposition::Split);
    ensure!(edge.purger.purge(&hard(&tags[..200])).await.is_settled());
    Ok(())
}

#[tokio::test]
async fn a_node_that_lets_nobody_purge_is_told_of_and_nothing_is_given_up() -> Result<()> {
    let elsewhere = DEFAULT_VCL
        .replace("\"127.0.0.1\";", "\"192.0.2.1\";")
        .replace("\"::1\";", "");
    for (vcl, status) in [
        (elsewhere.clone(), "405"),
        (elsewhere.replace("synth(405", "synth(403"), "403"),
    ] {
        let edge = Edge::start_with(1, &vcl, |_| {})?;
        edge.fill("/p/1", "item-1")?;
        let asked = batch(&[("item-1", PurgeMode::Hard), ("item-2", PurgeMode::Soft)]);
        let report = edge.purger.purge(&asked).await;
        ensure!(is_owed(&report), "{report:?}");
        let refused = PurgeOutcome::Refused(Refusal::OfCaller);
        ensure!(report.outcomes == [refused; 2], "{report:?}");
        ensure!(refused.pause_ms() >= 1_000, "asked again without a pause");
        let reason = report.reason.unwrap_or_default();
        let node = edge.nodes[0].url();
        for part in [status, "not allowed to purge", node.as_str()] {
            ensure!(reason.contains(part), "{reason:?} does not say {part:?}");
        }
        ensure!(!reason.contains("item-"), "{reason}");
        let told = edge.purger.ping().await.expect_err("it must not be ready");
        ensure!(told.contains(status), "{told}");
        ensure!(edge.holds(0, "/p/1")?);
    }
    Ok(())
}

/// The VCL of the documentation, but whoever purges must know a secret, by `PURGE` and by `BAN`.
fn guarded_vcl() -> String {
    let guard = "if (req.method == \"PURGE\" || req.method == \"BAN\") {
        if (req.http.X-Purge-Secret != \"open sesame\") { return (synth(403, \"Wrong secret\")); }";
    let vcl = DEFAULT_VCL.replacen("if (req.method == \"PURGE\") {", guard, 1);
    vcl.replacen(
        "if (req.method == \"PURGE\") {",
        "if (req.method == \"PURGE\" || req.method == \"BAN\") {",
        1,
    )
}

#[tokio::test]
async fn a_secret_header_opens_a_varnish_that_asks_for_one() -> Result<()> {
    for method in ["PURGE", "BAN"] {
        let secret = SecretHeader::new("X-Purge-Secret", &Secret::from("open sesame"))?;
        let edge = Edge::start_with(1, &guarded_vcl(), |target| {
            target.secret_header = Some(secret);
            target.method = method.to_owned();
        })?;
        edge.fill("/p/1", "item-1")?;
        edge.purger.ping().await.map_err(anyhow::Error::msg)?;
        let asked = batch(&[("item-1", PurgeMode::Hard), ("item-2", PurgeMode::Soft)]);
        let report = edge.purger.purge(&asked).await;
        ensure!(report.is_settled(), "{method}: {report:?}");
        ensure!(!edge.holds(0, "/p/1")?, "{method}: still cached");
    }
    Ok(())
}

#[tokio::test]
async fn p12_a_wrong_secret_is_reported_as_refused_without_the_secret_and_nothing_is_given_up()
-> Result<()> {
    let answers_405 = guarded_vcl().replace("synth(403, \"Wrong", "synth(405, \"Wrong");
    for (wrong, vcl, status) in [
        (None, guarded_vcl(), "403"),
        (Some("open says me"), guarded_vcl(), "403"),
        (Some("open says me"), answers_405, "405"),
    ] {
        let secret = wrong.map(|it| SecretHeader::new("X-Purge-Secret", &Secret::from(it)));
        let secret = secret.transpose()?;
        let edge = Edge::start_with(1, &vcl, |target| target.secret_header = secret)?;
        edge.fill("/p/1", "item-1")?;
        let asked = batch(&[("item-1", PurgeMode::Hard)]);
        let report = edge.purger.purge(&asked).await;
        let refused = PurgeOutcome::Refused(Refusal::OfCaller);
        ensure!(
            report.outcomes == [refused] && is_owed(&report),
            "{report:?}"
        );
        ensure!(refused.name() == "refused");
        ensure!(edge.holds(0, "/p/1")?);
        let pinged = edge.purger.ping().await.expect_err("it must not be ready");
        for shown in [report.reason.unwrap_or_default(), pinged] {
            let refused = format!("refused the purge with {status}");
            for part in [refused.as_str(), "`secret_header`", "VCL"] {
                ensure!(shown.contains(part), "{shown:?} does not say {part:?}");
            }
            ensure!(!shown.contains("open says me"), "{shown}");
        }
        let shown = format!("{:?}", edge.purger);
        ensure!(!shown.contains("open says me"), "{shown}");
    }
    Ok(())
}

/// The built-in rules pass a method they do not know to the origin, and origins say 200 to anything.
#[tokio::test]
async fn a_varnish_without_the_purging_rules_has_not_purged() -> Result<()> {
    let vcl = "vcl 4.1;\nbackend default { .host = \"{{BACKEND_HOST}}\"; .port = \"{{BACKEND_PORT}}\"; }\n";
    let edge = Edge::start_with(1, vcl, |_| {})?;
    edge.fill("/p/1", "item-1")?;
    let report = edge
        .purger
        .purge(&batch(&[("item-1", PurgeMode::Hard)]))
        .await;
    ensure!(edge.holds(0, "/p/1")?, "nothing was purged");
    ensure!(is_owed(&report), "{report:?}");
    let reason = report.reason.unwrap_or_default();
    ensure!(reason.to_lowercase().contains("x-purged"), "{reason}");
    ensure!(edge.purger.ping().await.is_err());
    Ok(())
}

#[tokio::test]
async fn one_node_of_two_that_is_down_keeps_a_purge_open() -> Result<()> {
    let mut edge = Edge::start(2)?;
    edge.fill("/p/1", "item-1")?;
    edge.nodes[1].stop();
    let asked = batch(&[("item-1", PurgeMode::Hard)]);
    let report = edge.purger.purge(&asked).await;
    ensure!(
        report.outcomes == [PurgeOutcome::Unreachable] && is_owed(&report),
        "{report:?}"
    );
    let reason = report.reason.unwrap_or_default();
    let down = edge.nodes[1].url();
    ensure!(
        reason.contains(&down) && !reason.contains(&edge.nodes[0].url()),
        "{reason}"
    );
    ensure!(
        !edge.holds(0, "/p/1")?,
        "the node that is up was not waited for"
    );
    let told = edge.purger.ping().await.expect_err("one is down");
    ensure!(told.contains(&down), "{told}");
    edge.nodes[1].restart()?;
    edge.fill("/p/1", "item-1")?;
    let report = edge.purger.purge(&asked).await;
    ensure!(
        report.outcomes == [PurgeOutcome::Purged] && report.removed == 2,
        "{report:?}"
    );
    ensure!(!edge.holds(0, "/p/1")? && !edge.holds(1, "/p/1")?);
    ensure!(edge.purger.ping().await.is_ok());
    Ok(())
}

#[tokio::test]
async fn a_node_that_accepts_and_stays_silent_is_unreachable_in_time() -> Result<()> {
    let timeout = Duration::from_secs(1);
    let edge = Edge::start_with(2, DEFAULT_VCL, |target| target.timeout = timeout)?;
    edge.fill("/p/1", "item-1")?;
    let asked = batch(&[("item-1", PurgeMode::Hard)]);
    ensure!(
        edge.purger
            .purge(&batch(&[("x", PurgeMode::Hard)]))
            .await
            .is_settled()
    );
    let mut tags = long_tags(1_200);
    tags.push("item-1".to_owned());
    let six_requests = hard(&tags);
    edge.nodes[0].pause()?;
    let begun = Instant::now();
    let report = edge.purger.purge(&six_requests).await;
    ensure!(
        report.outcomes == [PurgeOutcome::Unreachable; 1_201],
        "{report:?}"
    );
    ensure!(
        begun.elapsed() < 4 * timeout,
        "six requests may not wait one by one: {:?}",
        begun.elapsed()
    );
    ensure!(
        !edge.holds(1, "/p/1")?,
        "the other node was asked for the last tags too"
    );
    let reason = report.reason.unwrap_or_default();
    ensure!(
        reason == format!("{} did not answer in time", edge.nodes[0].url()),
        "{reason}"
    );
    edge.nodes[0].resume()?;
    let deadline = Instant::now() + Duration::from_secs(10);
    while !edge.purger.purge(&asked).await.is_settled() {
        ensure!(Instant::now() < deadline, "not healed");
    }
    ensure!(!edge.holds(0, "/p/1")? && !edge.holds(1, "/p/1")?);
    Ok(())
}

#[tokio::test]
async fn a_connection_that_varnish_has_closed_is_not_used_again() -> Result<()> {
    let edge = Edge::start(1)?;
    let asked = batch(&[("item-1", PurgeMode::Hard)]);
    ensure!(edge.purger.purge(&asked).await.is_settled());
    // Opened after the purger's and as idle: when it is closed, the purger's is.
    let address = edge.nodes[0].url().replace("http://", "");
    let mut younger = TcpStream::connect(address)?;
    younger.set_read_timeout(Some(Duration::from_secs(20)))?;
    younger.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")?;
    younger.read_to_end(&mut Vec::new())?;
    let tags = long_tags(1_000);
    let report = edge.purger.purge(&hard(&tags)).await;
    ensure!(report.is_settled(), "{:?}", report.reason);
    Ok(())
}
