//! Removes folders of servers when this process ends, however it ends.
//!
//! A folder is removed when its owner is dropped. A server in a `static` is never dropped, and neither is one of a
//! process that is killed; a helper process that notices the end of this one removes what is left of these.

use std::fs::File;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};
use tempfile::TempDir;

/// Reads folders, one a line, until its input ends; then removes those that are not to be kept. Servers may still write while
/// they end.
const SCRIPT: &str = r#"
kept=$1
set --
while IFS= read -r folder; do set -- "$@" "$folder"; done
for folder do
  shift
  [ -e "$folder/$kept" ] || set -- "$@" "$folder"
done
for attempt in 1 2 3 4 5; do rm -rf -- "$@" && break; sleep 1; done
"#;

/// The file that says so, in the folder itself: it is there before this process ends.
const KEPT: &str = "kept";

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

/// Leaves a folder of [`server_folder`](crate::server_folder) where it is when this process ends, for a look at it.
///
/// # Errors
/// When nothing can be written there; then it is removed.
pub fn keep_folder(folder: &mut TempDir) -> Result<()> {
    File::create(folder.path().join(KEPT)).context("mark a folder that is to be kept")?;
    folder.disable_cleanup(true);
    Ok(())
}

fn start() -> Result<ChildStdin> {
    let mut child = Command::new("sh")
        .args(["-c", SCRIPT, "sh", KEPT])
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
    fn a_folder_is_removed_however_its_process_ends_unless_it_is_kept() {
        if let Some(said) = std::env::var_os(LEAVE) {
            let mut kept = server_folder("kept").expect("a folder");
            let left = server_folder("left").expect("a folder");
            keep_folder(&mut kept).expect("writable");
            std::fs::write(left.path().join("log"), "x").expect("writable");
            let paths = format!("{}\n{}", kept.path().display(), left.path().display());
            std::fs::write(said, paths).expect("said");
            std::mem::forget(left);
            std::process::abort();
        }
        let said = tempfile::NamedTempFile::new().expect("a file");
        let ended = Command::new(std::env::current_exe().expect("this test"))
            .args([
                "--exact",
                "cleaner::tests::a_folder_is_removed_however_its_process_ends_unless_it_is_kept",
            ])
            .env(LEAVE, said.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .expect("starts");
        assert!(!ended.success(), "it is aborted");
        let paths = std::fs::read_to_string(said.path()).expect("said");
        let (kept, left) = paths.split_once('\n').expect("two folders");
        let (kept, left) = (PathBuf::from(kept), PathBuf::from(left));
        assert!(left.is_absolute(), "a folder was made: {}", left.display());
        // They are removed in this order.
        wait_until("the folder to be removed", START_DEADLINE, || {
            Ok(!left.exists())
        })
        .expect("removed");
        assert!(kept.exists(), "kept: {}", kept.display());
        std::fs::remove_dir_all(kept).expect("ours to remove");
    }
}
