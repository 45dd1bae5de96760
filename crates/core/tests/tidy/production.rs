//! What production code never says.

use crate::sources::{RustFile, Token, production_files, sample};
use crate::{Offence, assert_tidy};

/// Packages whose work it is to start things.
const SPAWNING: [&str; 4] = [
    "freshet-pipeline",
    "freshet",
    "freshet-testbed",
    "freshet-sim",
];

/// Threads of adapters, each with the reason why it cannot be the pipeline's.
const ADAPTER_THREADS: [(&str, &str); 4] = [
    (
        "crates/kafka/src/client/ask.rs",
        "asking blocks until a broker answers; records flow meanwhile",
    ),
    (
        "crates/kafka/src/client/deliver.rs",
        "a producer's deliveries are heard by polling; whoever awaits one must not be the one who polls",
    ),
    (
        "crates/kafka/src/client/close.rs",
        "closing a consumer blocks for as long as its broker is silent; leaving must not",
    ),
    (
        "crates/kafka/src/mock.rs",
        "the in-process broker lives as long as its own thread",
    ),
];

/// Crates to which the time is given.
const CLOCKLESS: [&str; 3] = ["freshet-core", "freshet-registry", "freshet-wire"];

fn text(tokens: &[Token], at: usize) -> &str {
    tokens.get(at).map_or("", |token| &token.text)
}

/// Whether the tokens from `at` on are `wanted`.
fn is_at(tokens: &[Token], at: usize, wanted: &[&str]) -> bool {
    wanted
        .iter()
        .enumerate()
        .all(|(step, want)| text(tokens, at + step) == *want)
}

/// Steps over a turbofish that begins at `at`.
fn after_turbofish(tokens: &[Token], at: usize) -> usize {
    if !is_at(tokens, at, &[":", ":", "<"]) {
        return at;
    }
    let mut depth = 0_usize;
    for next in at + 2..tokens.len() {
        match text(tokens, next) {
            "<" => depth += 1,
            // The arrow of a function type closes nothing.
            ">" if text(tokens, next - 1) != "-" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return next + 1;
        }
    }
    tokens.len()
}

/// What is wrong with the token at `at`, wherever it stands.
fn banned(tokens: &[Token], at: usize) -> Option<&'static str> {
    let is_call = |name: &str| text(tokens, at) == name && text(tokens, at + 1) == "(";
    match text(tokens, at) {
        "unwrap" if is_call("unwrap") => Some("unwrap() panics on what the outside may send"),
        "todo" | "unimplemented" | "dbg" if text(tokens, at + 1) == "!" => Some("is unfinished"),
        "unbounded_channel" | "unbounded" => Some("every queue has a limit"),
        "channel" if is_unbounded_channel(tokens, at) => {
            Some("a channel without a bound: every queue has a limit")
        }
        _ => None,
    }
}

/// A channel that is given no bound; one for a single answer needs none.
fn is_unbounded_channel(tokens: &[Token], at: usize) -> bool {
    let is_oneshot = at >= 3 && is_at(tokens, at - 3, &["oneshot", ":", ":"]);
    !is_oneshot && is_at(tokens, after_turbofish(tokens, at + 1), &["(", ")"])
}

fn is_spawn(tokens: &[Token], at: usize) -> bool {
    let called = text(tokens, after_turbofish(tokens, at + 1)) == "(";
    text(tokens, at).starts_with("spawn") && called && at > 0 && text(tokens, at - 1) != "fn"
}

fn is_clock(tokens: &[Token], at: usize) -> bool {
    matches!(text(tokens, at), "Instant" | "SystemTime")
        && is_at(tokens, at + 1, &[":", ":", "now"])
}

fn offences_of(file: &RustFile) -> Vec<Offence> {
    let may_spawn = SPAWNING.contains(&&*file.package)
        || !file.path.starts_with("crates/")
        || ADAPTER_THREADS.iter().any(|(path, _)| *path == file.path);
    let mut offences = Vec::new();
    for (at, token) in file.tokens.iter().enumerate() {
        let mut say = |what: &str| offences.push(Offence::new(&file.path, token.line, what));
        if let Some(what) = banned(&file.tokens, at) {
            say(&format!("`{}`: {what}", token.text));
        }
        if !may_spawn && is_spawn(&file.tokens, at) {
            say("only the pipeline spawns");
        }
        if CLOCKLESS.contains(&&*file.package) && is_clock(&file.tokens, at) {
            say("is given the time and reads no clock");
        }
    }
    offences
}

#[test]
fn production_code_is_bounded_and_finished_and_spawns_in_one_place() {
    let files = production_files();
    assert_tidy(
        "production code",
        files.iter().flat_map(offences_of).collect(),
    );
}

#[test]
fn every_exception_is_still_needed() {
    let files = production_files();
    for (path, why) in ADAPTER_THREADS {
        let spawns = |file: &&RustFile| {
            file.path == path && (0..file.tokens.len()).any(|at| is_spawn(&file.tokens, at))
        };
        assert!(
            files.iter().any(|file| spawns(&file)),
            "{path} spawns no longer ({why})"
        );
    }
}

#[test]
fn every_ban_bites() {
    for line in [
        "value.unwrap();",
        "format!(\"{}\", value.unwrap());",
        "todo!()",
        "dbg!(a)",
        "unimplemented!()",
        "mpsc::unbounded_channel()",
        "std::sync::mpsc::channel();",
        "mpsc::channel::<Vec<fn() -> u8>>();",
        "tokio::spawn(f());",
        "tasks.spawn(f());",
        "thread::spawn::<F, ()>(f);",
        "tokio::task::spawn_blocking(f);",
        "Instant::now();",
        "std::time::SystemTime::now();",
    ] {
        let file = sample(
            "crates/wire/src/a.rs",
            "freshet-wire",
            &format!("fn f() {{ {line} }}"),
        );
        assert_eq!(offences_of(&file).len(), 1, "{line}");
    }
    for line in [
        "value.unwrap_or_default();",
        "mpsc::channel(8);",
        "tokio::sync::oneshot::channel::<u8>();",
        "mpsc::channel::<u8>(8);",
        "let spawned = 1;",
        "let _ = \"unwrap()\";",
        "// todo!()",
    ] {
        let file = sample(
            "crates/wire/src/a.rs",
            "freshet-wire",
            &format!("fn f() {{ {line}\n }}"),
        );
        assert_eq!(offences_of(&file), [], "{line}");
    }
    let outside = sample(
        "crates/pipeline/src/a.rs",
        "freshet-pipeline",
        "fn f() { tokio::spawn(g()) }",
    );
    assert_eq!(offences_of(&outside), []);
}
