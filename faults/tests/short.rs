//! The short run of the suite, as `make faults SHORT=1` does it.

use std::path::Path;
use std::process::Command;

/// Both programs lie in the same folder; this package's tests alone build only one of them.
fn build_freshet() {
    let suite = Path::new(env!("CARGO_BIN_EXE_freshet-faults"));
    if suite.with_file_name("freshet").is_file() {
        return;
    }
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--package", "freshet", "--bin", "freshet"]);
    if suite
        .parent()
        .is_some_and(|folder| folder.ends_with("release"))
    {
        build.arg("--release");
    }
    assert!(build.status().expect("cargo runs").success());
}

#[test]
fn nothing_is_lost_whatever_fails() {
    build_freshet();
    let played = Command::new("setpriv")
        .args(["--pdeathsig", "KILL", "--"])
        .arg(env!("CARGO_BIN_EXE_freshet-faults"))
        .args(["--short", "--kills", "10", "--rate", "300"])
        .output()
        .expect("the suite runs");
    let said = String::from_utf8_lossy(&played.stdout);
    let complained = String::from_utf8_lossy(&played.stderr);
    println!("{said}");
    assert!(played.status.success(), "{said}\n{complained}");
    let faults = [
        "kill-members",
        "kafka-killed",
        "topic-recreated",
        "redis-killed",
        "redis-paused",
        "redis-cut",
        "cdn-429",
        "cdn-hangs",
        "stop-while-all-down",
        "sentinel-failover",
        "cluster-reshard",
    ];
    for fault in faults {
        let row = said.lines().find(|line| line.starts_with(fault));
        assert!(row.is_some(), "{fault} was not played:\n{said}");
    }
}
