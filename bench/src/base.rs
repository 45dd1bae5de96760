//! The commit that is compared with: built beside this one, below the target folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

/// Builds `freshet` and `decode_cost` of a commit; returns the folder with its programs.
///
/// The bench of this commit is laid over that one's, so that both are measured with the same records. Where it does
/// not build on the older crates, the older bench is used.
///
/// # Errors
/// When the commit is unknown or does not build.
pub fn build(target: &Path, commit: &str) -> anyhow::Result<PathBuf> {
    let worktree = target.join("bench-base");
    fs::create_dir_all(target)?;
    if worktree.join(".git").exists() {
        run(git(&worktree).args(["checkout", "-q", "--detach", "--force", commit]))?;
        run(git(&worktree).args(["clean", "-qfd", "-e", "target"]))?;
    } else {
        let mut add = git(Path::new("."));
        run(add
            .args(["worktree", "add", "-q", "--force", "--detach"])
            .arg(&worktree)
            .arg(commit))?;
    }
    let bench = worktree.join("bench");
    let own = ["bench/src", "bench/peers", "bench/Cargo.toml"];
    for part in own {
        let mut copy = Command::new("cp");
        run(copy.arg("-rT").arg(part).arg(worktree.join(part)))?;
    }
    if cargo(&worktree).is_err() {
        run(git(&worktree).args(["checkout", "-q", "--force", commit, "--", "bench"]))?;
        run(git(&worktree)
            .args(["clean", "-qfd"])
            .arg(bench.file_name().context("bench")?))?;
        cargo(&worktree)?;
    }
    Ok(worktree.join("target/release"))
}

fn cargo(worktree: &Path) -> anyhow::Result<()> {
    let mut command = Command::new("cargo");
    command.current_dir(worktree).env_remove("CARGO_TARGET_DIR");
    command.args([
        "build",
        "-q",
        "--release",
        "-p",
        "freshet",
        "-p",
        "freshet-bench",
    ]);
    run(command.args(["--bin", "freshet", "--bin", "decode_cost"]))
}

fn git(folder: &Path) -> Command {
    let mut command = Command::new("git");
    command.arg("-C").arg(folder);
    command
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let shown = format!("{command:?}");
    let status = command.status().with_context(|| format!("start {shown}"))?;
    if !status.success() {
        bail!("{shown} failed with {status}");
    }
    Ok(())
}
