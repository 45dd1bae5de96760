//! A single Redis that is replaced, cut off, silent, full, loading or not allowed to write.

mod support;

use std::time::{Duration, Instant};

use freshet_core::ports::{Observation, Probe, Purger};
use freshet_core::purge::{PurgeOutcome, PurgeReport};
use freshet_core::registry::Scope;
use freshet_redis::{RedisPurger, RedisTarget};
use freshet_testbed::{Fault, FaultProxy, RedisServer};
use redis::Commands;

use support::{batch, eventually, purge_until_settled};

const ANSWER_TIMEOUT: Duration = Duration::from_millis(200);

fn purger_at(address: &str) -> RedisPurger {
    let mut target = RedisTarget::new(format!("redis://{address}"));
    target.answer_timeout = ANSWER_TIMEOUT;
    target.connect_timeout = ANSWER_TIMEOUT;
    RedisPurger::connect(target).expect("usable")
}

fn connection(server: &RedisServer) -> redis::Connection {
    let client = redis::Client::open(server.url()).expect("url");
    client.get_connection().expect("redis answers")
}

fn command(server: &RedisServer, words: &[&str]) {
    let () = redis::cmd(words[0])
        .arg(&words[1..])
        .query(&mut connection(server))
        .expect("redis obeys");
}

/// Turned away for now and in the server's own word: asked for again, never given up.
#[track_caller]
fn assert_turned_away(report: &PurgeReport, word: &str) {
    let throttled = |it: &PurgeOutcome| matches!(it, PurgeOutcome::Throttled { .. });
    assert!(report.outcomes.iter().all(throttled), "{report:?}");
    let reason = report.reason.as_deref().unwrap_or_default();
    assert!(reason.contains(word), "{reason}");
}

#[tokio::test]
async fn p8_a_restart_counts_as_a_takeover_and_a_new_connection_does_not() {
    let mut server = RedisServer::start().expect("redis");
    let proxy = FaultProxy::before(&server.address()).expect("proxy");
    let purger = purger_at(&proxy.address());
    purge_until_settled(&purger, &batch(Scope::Keys, &["k"])).await;
    proxy.set(Fault::Refuse);
    assert!(!purger.purge(&batch(Scope::Keys, &["k"])).await.is_settled());
    proxy.set(Fault::Pass);
    purge_until_settled(&purger, &batch(Scope::Keys, &["k"])).await;
    assert_eq!((proxy.accepted() > 1, purger.takeovers()), (true, 0));
    server.stop();
    server.restart().expect("redis");
    purge_until_settled(&purger, &batch(Scope::Keys, &["k"])).await;
    assert_eq!(purger.takeovers(), 1);
}

#[tokio::test]
async fn p8_a_demotion_and_promotion_behind_an_open_connection_is_seen_by_a_ping() {
    let (server, other) = (
        RedisServer::start().expect("redis"),
        RedisServer::start().expect("redis"),
    );
    let purger = purger_at(&server.address());
    purger.ping().await.expect("answers");
    command(
        &server,
        &["REPLICAOF", "127.0.0.1", &other.port().to_string()],
    );
    let told = purger.purge(&batch(Scope::Keys, &["k"])).await;
    assert_turned_away(&told, "READONLY");
    let copied = || async {
        let info: String = redis::cmd("INFO")
            .arg("replication")
            .query(&mut connection(&server))
            .expect("info");
        info.contains("master_link_status:up")
    };
    eventually("the copy", copied).await;
    command(&server, &["REPLICAOF", "NO", "ONE"]);
    purger.ping().await.expect("answers");
    assert_eq!(purger.takeovers(), 1);
}

#[tokio::test]
async fn a_server_that_does_not_say_who_it_is_counts_with_each_connection() {
    let server = RedisServer::start().expect("redis");
    command(&server, &["ACL", "SETUSER", "default", "-info"]);
    let proxy = FaultProxy::before(&server.address()).expect("proxy");
    let purger = purger_at(&proxy.address());
    purge_until_settled(&purger, &batch(Scope::Keys, &["k"])).await;
    purger.ping().await.expect("answers");
    assert_eq!(purger.takeovers(), 0);
    proxy.set(Fault::Refuse);
    assert!(!purger.purge(&batch(Scope::Keys, &["k"])).await.is_settled());
    proxy.set(Fault::Pass);
    purge_until_settled(&purger, &batch(Scope::Keys, &["k"])).await;
    assert_eq!(purger.takeovers(), 1);
}

#[tokio::test]
async fn a_reply_that_is_cut_is_no_answer_and_the_next_purge_heals() {
    let server = RedisServer::start().expect("redis");
    let proxy = FaultProxy::before(&server.address()).expect("proxy");
    let purger = purger_at(&proxy.address());
    let names: Vec<String> = (0..500).map(|at| format!("k{at}")).collect();
    purger.ping().await.expect("answers");
    for bytes in [1, 3, 6] {
        let mut fill = redis::pipe();
        for name in &names {
            fill.set(name, "v").ignore();
        }
        let () = fill.query(&mut connection(&server)).expect("filled");
        // Two commands are answered with `:256` and `:244`; the cut is in the first, behind it, or in the second.
        proxy.set(Fault::CutAfter(bytes));
        let report = purger.purge(&batch(Scope::Keys, &names)).await;
        let answered = if bytes < 6 { 0 } else { 256 };
        assert_eq!(
            report.outcomes[answered..],
            vec![PurgeOutcome::Unreachable; 500 - answered],
            "{bytes}"
        );
        assert_eq!(
            report.outcomes[..answered],
            vec![PurgeOutcome::Purged; answered]
        );
        proxy.set(Fault::Pass);
        purge_until_settled(&purger, &batch(Scope::Keys, &names)).await;
        let left: u64 = redis::cmd("DBSIZE")
            .query(&mut connection(&server))
            .expect("size");
        assert_eq!(left, 0);
    }
}

#[tokio::test]
async fn p11_silence_costs_one_timeout_and_a_new_connection() {
    let server = RedisServer::start().expect("redis");
    let proxy = FaultProxy::before(&server.address()).expect("proxy");
    let purger = purger_at(&proxy.address());
    for fault in [Fault::Silent, Fault::Mute, Fault::Delay(3 * ANSWER_TIMEOUT)] {
        purge_until_settled(&purger, &batch(Scope::Keys, &["k"])).await;
        let accepted = proxy.accepted();
        proxy.set(fault);
        let begun = Instant::now();
        let report = purger.purge(&batch(Scope::Keys, &["k"])).await;
        assert_eq!(report.outcomes, [PurgeOutcome::Unreachable], "{fault:?}");
        proxy.set(Fault::Pass);
        purge_until_settled(&purger, &batch(Scope::Keys, &["k"])).await;
        assert!(
            begun.elapsed() < 3 * ANSWER_TIMEOUT,
            "{fault:?}: {:?}",
            begun.elapsed()
        );
        assert_eq!(proxy.accepted(), accepted + 1, "{fault:?}");
    }
    assert_eq!(purger.takeovers(), 0);
}

#[tokio::test]
async fn many_that_wait_for_one_connection_share_its_failure() {
    let server = RedisServer::start().expect("redis");
    let proxy = FaultProxy::before(&server.address()).expect("proxy");
    proxy.set(Fault::Silent);
    let purger = purger_at(&proxy.address());
    let one = batch(Scope::Keys, &["k"]);
    let begun = Instant::now();
    let reports = futures_util::future::join_all((0..50).map(|_| purger.purge(&one))).await;
    assert!(
        reports
            .iter()
            .all(|it| it.outcomes == [PurgeOutcome::Unreachable])
    );
    assert!(
        begun.elapsed() < 3 * ANSWER_TIMEOUT,
        "{:?}",
        begun.elapsed()
    );
}

/// Cancelled requests must not shift replies (a known failure of pooled connections).
#[tokio::test]
async fn abandoned_purges_mix_up_no_answers() {
    let server = RedisServer::start().expect("redis");
    let mut filler = connection(&server);
    let () = filler.set("there", "v").expect("set");
    let purger = purger_at(&server.address());
    let gone = batch(Scope::Keys, &["gone"]);
    for round in 0..3_000_u64 {
        let wait = Duration::from_micros(round % 97);
        let _abandoned = tokio::time::timeout(wait, purger.purge(&gone)).await;
        let seen = purger.observe(b"there", None).await;
        assert!(
            matches!(seen, Observation::Present { .. }),
            "round {round}: {seen:?}"
        );
        let report = purger.purge(&gone).await;
        assert_eq!(
            (report.is_settled(), report.removed),
            (true, 0),
            "round {round}"
        );
    }
}

#[tokio::test]
async fn a_server_that_is_full_still_forgets() {
    let server = RedisServer::start().expect("redis");
    let () = connection(&server).set("k", "v").expect("set");
    command(&server, &["CONFIG", "SET", "maxmemory", "1"]);
    let full: Result<(), _> = connection(&server).set("x", "v");
    assert_eq!(full.expect_err("full").code(), Some("OOM"));
    let report = purger_at(&server.address())
        .purge(&batch(Scope::Keys, &["k"]))
        .await;
    assert_eq!(
        (report.outcomes[0], report.removed),
        (PurgeOutcome::Purged, 1)
    );
}

#[tokio::test]
async fn a_replica_and_a_server_that_cannot_save_turn_purges_away() {
    let folder = tempfile::tempdir().expect("folder");
    let dir = folder.path().display().to_string();
    let server = RedisServer::start_with(&["--save", "3600 1", "--dir", &dir]).expect("redis");
    let () = connection(&server).set("k", "v").expect("set");
    // A folder where the file should be: the save fails, for root too.
    std::fs::create_dir(folder.path().join("dump.rdb")).expect("folder");
    command(&server, &["BGSAVE"]);
    let purger = purger_at(&server.address());
    eventually("MISCONF", || async {
        let report = purger.purge(&batch(Scope::Keys, &["k"])).await;
        report.reason.is_some_and(|it| it.contains("MISCONF"))
    })
    .await;
    assert_turned_away(&purger.purge(&batch(Scope::Keys, &["k"])).await, "MISCONF");
    command(
        &server,
        &["CONFIG", "SET", "stop-writes-on-bgsave-error", "no"],
    );
    purge_until_settled(&purger, &batch(Scope::Keys, &["k"])).await;
    let of = format!("127.0.0.1 {}", server.port());
    let replica = RedisServer::start_with(&["--replicaof", &of]).expect("redis");
    let purger = purger_at(&replica.address());
    let report = purger.purge(&batch(Scope::Keys, &["k"])).await;
    assert_turned_away(&report, "READONLY");
    command(&replica, &["REPLICAOF", "NO", "ONE"]);
    purge_until_settled(&purger, &batch(Scope::Keys, &["k"])).await;
}

#[tokio::test]
async fn a_server_that_loads_its_data_is_asked_again() {
    let options = [
        "--enable-debug-command",
        "yes",
        "--key-load-delay",
        "2000",
        "--loading-process-events-interval-bytes",
        "1024",
    ];
    let server = RedisServer::start_with(&options).expect("redis");
    let mut fill = redis::pipe();
    for at in 0..300 {
        fill.set(format!("k{at}"), "v".repeat(1024)).ignore();
    }
    let () = fill.query(&mut connection(&server)).expect("filled");
    let purger = purger_at(&server.address());
    purger.ping().await.expect("answers");
    let address = server.url();
    let reload = std::thread::spawn(move || {
        let mut connection = redis::Client::open(address)
            .and_then(|client| client.get_connection())
            .expect("redis answers");
        redis::cmd("DEBUG")
            .arg("RELOAD")
            .query::<()>(&mut connection)
    });
    eventually("LOADING", || async {
        let report = purger.purge(&batch(Scope::Keys, &["k1"])).await;
        let loading = report
            .reason
            .as_deref()
            .is_some_and(|it| it.contains("LOADING"));
        if loading {
            assert_turned_away(&report, "LOADING");
        }
        loading
    })
    .await;
    purge_until_settled(&purger, &batch(Scope::Keys, &["k2"])).await;
    reload.join().expect("no panic").expect("reloaded");
}
