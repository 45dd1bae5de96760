//! The demo as a newcomer runs it, with the real `freshet` beside it: good when all is well, and not otherwise.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

/// Both programs lie in the same folder; this package's tests alone build only one of them.
fn build_freshet() {
    let shop = Path::new(env!("CARGO_BIN_EXE_freshet-demo"));
    if shop.with_file_name("freshet").is_file() {
        return;
    }
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--package", "freshet", "--bin", "freshet"]);
    if shop
        .parent()
        .is_some_and(|folder| folder.ends_with("release"))
    {
        build.arg("--release");
    }
    assert!(build.status().expect("cargo runs").success());
}

/// Little traffic: the machine may be running every other test at the same time.
fn start(more: &[&str]) -> (Child, BufReader<ChildStdout>) {
    build_freshet();
    let mut shop = Command::new(env!("CARGO_BIN_EXE_freshet-demo"))
        .args(["demo", "--rate", "50", "--reads", "400"])
        .args(more)
        .env_remove("DEMO_SECONDS")
        .stdout(Stdio::piped())
        .spawn()
        .expect("the shop starts");
    let out = shop.stdout.take().expect("piped");
    (shop, BufReader::new(out))
}

fn rest(mut out: BufReader<ChildStdout>) -> String {
    let mut text = String::new();
    out.read_to_string(&mut text).expect("text");
    text
}

/// Reads until the second called `second` has been shown.
fn read_until(out: &mut BufReader<ChildStdout>, second: &str) {
    let mut shown = String::new();
    loop {
        let before = shown.len();
        let read = out.read_line(&mut shown).expect("text");
        assert!(read > 0, "ended before {second}:\n{shown}");
        if shown[before..].trim_start().starts_with(second) {
            return;
        }
    }
}

/// The freshet that this shop has started.
fn freshet_of(shop: &Child) -> String {
    let parent = format!("PPid:\t{}", shop.id());
    let processes = fs::read_dir("/proc").expect("a /proc");
    let child = processes.filter_map(|entry| entry.ok()).find(|entry| {
        let text = |file: &str| fs::read_to_string(entry.path().join(file)).unwrap_or_default();
        text("status").lines().any(|line| line == parent) && text("comm").trim() == "freshet"
    });
    child
        .expect("the shop has a freshet")
        .file_name()
        .into_string()
        .expect("a number")
}

fn signal(name: &str, process: &str) {
    let sent = Command::new("kill")
        .args([name, process])
        .status()
        .expect("kill runs");
    assert!(sent.success());
}

#[test]
fn a_demo_ends_by_itself_and_all_is_well() {
    let (mut shop, out) = start(&["--seconds", "3"]);
    let text = rest(out);
    assert_eq!(shop.wait().expect("ends").code(), Some(0), "{text}");
    for wanted in [
        "redis-cli -p ",
        "stale >100ms",
        "   0:03",
        "0 differ",
        "\nok: every purge",
    ] {
        assert!(text.contains(wanted), "no {wanted:?} in\n{text}");
    }
}

#[test]
fn an_interrupted_demo_still_sums_up() {
    let (mut shop, mut out) = start(&[]);
    read_until(&mut out, "0:01");
    signal("-INT", &shop.id().to_string());
    let text = rest(out);
    assert_eq!(shop.wait().expect("ends").code(), Some(0), "{text}");
    assert!(text.contains("\nok: every purge"), "{text}");
}

#[test]
fn a_demo_that_loses_its_purger_fails_and_says_why() {
    let (mut shop, mut out) = start(&[]);
    read_until(&mut out, "0:01");
    signal("-KILL", &freshet_of(&shop));
    let text = rest(out);
    assert_eq!(shop.wait().expect("ends").code(), Some(1), "{text}");
    for wanted in ["not ok:", "freshet has ended", "did not arrive"] {
        assert!(text.contains(wanted), "no {wanted:?} in\n{text}");
    }
    let log = text
        .split("freshet's log, ")
        .nth(1)
        .and_then(|rest| rest.split(", ends").next());
    let folder = Path::new(log.expect("says where the log is"))
        .parent()
        .expect("a folder");
    assert!(folder.join("freshet.yaml").is_file(), "kept for a look");
    fs::remove_dir_all(folder).expect("ours to remove");
}
