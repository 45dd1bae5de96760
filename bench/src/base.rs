//! The commit that is compared with: built beside this one, below the target folder.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

/// What of this tree is laid over the other: the bench, and the testbed that it starts servers with. Neither is part of
/// what is measured.
const OVERLAID: [&str; 4] = [
    "bench/src",
    "bench/peers",
    "bench/Cargo.toml",
    "crates/testbed",
];

/// Builds `freshet` and `decode_cost` of a commit; returns the folder with its programs.
///
/// The bench of this tree is laid over that commit's, so that both are measured with the same records. Where it does
/// not build on the older crates, the older bench is used.
///
/// # Errors
/// When the commit is unknown or does not build.
pub fn build(target: &Path, commit: &str) -> anyhow::Result<PathBuf> {
    let worktree = target.join("bench-base");
    if worktree.join(".git").exists() {
        run(git(&worktree).args(["checkout", "-q", "--detach", "--force", commit]))?;
        run(git(&worktree).args(["clean", "-qfd"]))?;
    } else {
        let mut add = git(Path::new("."));
        add.args(["worktree", "add", "-q", "--force", "--detach"]);
        run(add.arg(&worktree).arg(commit))?;
    }
    for part in OVERLAID {
        let mut copy = Command::new("cp");
        run(copy.arg("-rT").arg(part).arg(worktree.join(part)))?;
    }
    if cargo(&worktree).is_err() {
        run(git(&worktree).args(["checkout", "-q", "--force", commit, "--", "."]))?;
        run(git(&worktree).args(["clean", "-qfd"]))?;
        cargo(&worktree)?;
    }
    Ok(worktree.join("target/release"))
}

/// Builds into the other tree's own target folder: cargo takes crates at the same place of two workspaces for the same,
/// so in a shared one it would hand out this tree's programs for that one's.
fn cargo(worktree: &Path) -> anyhow::Result<()> {
    let mut command = Command::new("cargo");
    command
        .current_dir(worktree)
        .env("CARGO_TARGET_DIR", "target");
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
