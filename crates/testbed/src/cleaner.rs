//! Removes folders of servers when this process ends, however it ends.
//!
//! A folder is removed when its owner is dropped. A server in a `static` is never dropped, and neither is one of a
//! process that is killed; a helper process that notices the end of this one removes what is left of these.

use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};

/// Reads folders, one a line, until its input ends; then removes them. Servers may still write while they end.
const SCRIPT: &str = r#"
set --
while IFS= read -r folder; do set -- "$@" "$folder"; done
for attempt in 1 2 3 4 5; do rm -rf -- "$@" && break; sleep 1; done
"#;

static CLEANER: Mutex<Option<ChildStdin>> = Mutex::new(None);

/// Removes `folder` when this process has ended, if it is still there.
pub(crate) fn remove_at_exit(folder: &Path) -> Result<()> {
    let mut cleaner = CLEANER.lock().unwrap_or_else(PoisonError::into_inner);
    let input = match &mut *cleaner {
        Some(input) => input,
        None => cleaner.insert(start()?),
    };
    let mut line = folder.as_os_str().as_bytes().to_vec();
    line.push(b'\n');
    input
        .write_all(&line)
        .context("name a folder to be removed")
}

fn start() -> Result<ChildStdin> {
    let mut child = Command::new("sh")
        .args(["-c", SCRIPT])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // What interrupts this process's group must not end it.
        .process_group(0)
        .spawn()
        .context("start the removal of folders")?;
    child.stdin.take().context("its input is a pipe")
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::process::{START_DEADLINE, server_folder, wait_until};

    /// Tells the test below, started once more, to leave a folder behind.
    const LEAVE: &str = "FRESHET_TEST_LEAVE_A_FOLDER";

    #[test]
    fn a_folder_is_removed_however_its_process_ends() {
        if let Some(said) = std::env::var_os(LEAVE) {
            let folder = server_folder("left").expect("a folder");
            std::fs::write(folder.path().join("log"), "x").expect("writable");
            std::fs::write(said, folder.path().as_os_str().as_bytes()).expect("said");
            std::mem::forget(folder);
            std::process::abort();
        }
        let said = tempfile::NamedTempFile::new().expect("a file");
        let ended = Command::new(std::env::current_exe().expect("this test"))
            .args([
                "--exact",
                "cleaner::tests::a_folder_is_removed_however_its_process_ends",
            ])
            .env(LEAVE, said.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .expect("starts");
        assert!(!ended.success(), "it is aborted");
        let left = std::fs::read_to_string(said.path()).expect("said");
        let left = PathBuf::from(left);
        assert!(left.is_absolute(), "a folder was made: {}", left.display());
        wait_until("the folder to be removed", START_DEADLINE, || {
            Ok(!left.exists())
        })
        .expect("removed");
    }
}
