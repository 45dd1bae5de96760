//! TLS and an ACL user against a real redis-server: what works, and what is said when it does not.

mod support {
    pub(crate) mod real_redis;
}

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use freshet_core::ports::Purger;
use freshet_core::position::WallMicros;
use freshet_core::purge::{
    Disposition, PurgeBatch, PurgeOutcome, Refusal, WantedPurge, disposition,
};
use freshet_core::registry::{FamilyId, PurgeMode, Scope, TargetId};
use freshet_redis::{RedisPurger, RedisTarget, Topology};
use freshet_testbed::{Authority, RedisServer, purger_contract};
use support::real_redis::RealRedis;

const USER: &str = "purging-user";
const PASSWORD: &str = "password-that-nobody-may-see";
const KEY: &[u8] = b"catalog:item:key-that-nobody-may-see";

/// The user that the documentation asks for, given at start so that a restart does not forget it.
fn start(authority: &Authority, names: &[&str]) -> Result<RedisServer> {
    let password = format!(">{PASSWORD}");
    let user = [
        "--user", USER, "on", &password, "~*", "+unlink", "+scan", "+ping",
    ];
    RedisServer::start_tls(authority, names, &user)
}

/// What freshet.yaml would say, trusting `ca` or else the system.
fn target(server: &RedisServer, ca: Option<&str>) -> Result<RedisTarget> {
    let mut target = RedisTarget::new(format!("rediss://127.0.0.1:{}", server.tls_port()?));
    target.username = Some(USER.to_owned());
    target.password = Some(PASSWORD.to_owned().into());
    target.authorities = ca.map(|pem| pem.as_bytes().to_owned());
    Ok(target)
}

fn one_key() -> PurgeBatch {
    let mut batch = PurgeBatch::new(TargetId(0));
    batch.add(WantedPurge {
        family: FamilyId(0),
        scope: Scope::Keys,
        mode: PurgeMode::Hard,
        committed: WallMicros(1),
        name: KEY,
        cause: None,
    });
    batch
}

/// Purges and pings in vain, in good time, and gives what was said; the purge must be asked for again.
async fn said_in_vain(target: RedisTarget) -> Result<(PurgeOutcome, String)> {
    let bound = 2 * (target.connect_timeout + target.answer_timeout) + Duration::from_secs(2);
    let begun = Instant::now();
    let purger = RedisPurger::connect(target)?;
    let report = purger.purge(&one_key()).await;
    let outcome = report.outcome(0);
    ensure!(
        disposition(outcome, true) == Disposition::Retry,
        "{report:?}"
    );
    let reason = report.reason.context("no reason is given")?;
    let told = purger.ping().await.expect_err("the ping is answered");
    ensure!(begun.elapsed() < bound, "after {:?}", begun.elapsed());
    for text in [&reason, &told] {
        for secret in [PASSWORD, "key-that-nobody-may-see", "BEGIN CERTIFICATE"] {
            ensure!(!text.contains(secret), "a secret is shown: {text}");
        }
    }
    ensure!(reason == told, "{reason:?} is not {told:?}");
    Ok((outcome, reason))
}

#[tokio::test]
async fn the_contract_holds_over_tls_for_the_least_of_users() -> Result<()> {
    let authority = Authority::new()?;
    let ca = authority.pem();
    let server = start(&authority, &["127.0.0.1"])?;
    let target = target(&server, Some(&ca))?;
    purger_contract(&mut RealRedis::with(server, target)?).await
}

fn at(url: String) -> Topology {
    Topology::Standalone { url }
}

#[tokio::test]
async fn a_name_is_as_good_as_an_address() -> Result<()> {
    let authority = Authority::new()?;
    let ca = authority.pem();
    let server = start(&authority, &["localhost"])?;
    let mut target = target(&server, Some(&ca))?;
    target.topology = at(format!("rediss://localhost:{}", server.tls_port()?));
    let purger = RedisPurger::connect(target)?;
    ensure!(purger.ping().await == Ok(()));
    ensure!(purger.purge(&one_key()).await.is_settled());
    Ok(())
}

#[tokio::test]
async fn an_authority_that_is_not_trusted_is_named_as_the_cause() -> Result<()> {
    let authority = Authority::new()?;
    let server = start(&authority, &["127.0.0.1"])?;
    let other = Authority::new()?.pem();
    // Neither the system's authorities nor one of the same name with another key.
    for ca in [None, Some(other.as_str())] {
        let (outcome, reason) = said_in_vain(target(&server, ca)?).await?;
        ensure!(outcome == PurgeOutcome::Unreachable, "{outcome:?}");
        ensure!(reason.contains("certificate"), "{reason}");
    }
    Ok(())
}

#[tokio::test]
async fn a_certificate_of_somebody_else_is_named_as_the_cause() -> Result<()> {
    let authority = Authority::new()?;
    let ca = authority.pem();
    let server = start(&authority, &["redis.example.com"])?;
    let (outcome, reason) = said_in_vain(target(&server, Some(&ca))?).await?;
    ensure!(outcome == PurgeOutcome::Unreachable, "{outcome:?}");
    ensure!(
        reason.contains("certificate") && reason.contains("not valid for name"),
        "{reason}"
    );
    Ok(())
}

#[tokio::test]
async fn tls_on_one_side_only_ends_in_time() -> Result<()> {
    let authority = Authority::new()?;
    let ca = authority.pem();
    let server = start(&authority, &["127.0.0.1"])?;
    let mut to_plain = target(&server, Some(&ca))?;
    to_plain.topology = at(format!("rediss://{}", server.address()));
    let mut to_tls = target(&server, None)?;
    to_tls.topology = at(format!("redis://127.0.0.1:{}", server.tls_port()?));
    for target in [to_plain, to_tls] {
        let at = format!("{:?}", target.topology);
        let (outcome, reason) = said_in_vain(target).await.context(at.clone())?;
        ensure!(outcome == PurgeOutcome::Unreachable, "{at}: {outcome:?}");
        ensure!(!reason.is_empty(), "{at}");
    }
    Ok(())
}

#[tokio::test]
async fn a_wrong_password_over_tls_waits_for_the_right_one() -> Result<()> {
    let authority = Authority::new()?;
    let ca = authority.pem();
    let server = start(&authority, &["127.0.0.1"])?;
    let mut target = target(&server, Some(&ca))?;
    let wrong = format!("wrong-{PASSWORD}");
    target.password = Some(wrong.into());
    let (outcome, reason) = said_in_vain(target).await?;
    let refused = PurgeOutcome::Refused(Refusal::OfCaller);
    ensure!(outcome == refused, "{outcome:?}");
    ensure!(reason.contains("WRONGPASS"), "{reason}");
    Ok(())
}

#[tokio::test]
async fn authorities_that_are_none_are_refused_at_the_start() -> Result<()> {
    let authority = Authority::new()?;
    let server = start(&authority, &["127.0.0.1"])?;
    let of_garbage = target(&server, Some("no certificate"))?;
    let refused = RedisPurger::connect(of_garbage).expect_err("no authorities");
    let told = refused.to_string();
    ensure!(told.contains("no PEM certificate"), "{told}");
    ensure!(!told.contains(PASSWORD), "{told}");
    Ok(())
}

#[test]
fn a_url_that_is_none_is_not_shown() {
    let target = RedisTarget::new("rediss://user:SECRET@[::".to_owned());
    let refused = RedisPurger::connect(target).expect_err("not a url");
    let shown = format!("{refused} {refused:?}");
    assert!(!shown.contains("SECRET"), "{shown}");
}
