//! A registry's directory → its files. What is read is bounded, whatever lies there.

use std::collections::HashSet;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::diagnostics::{Diagnostics, Spot};
use crate::files::{self, FileError};

const UNREADABLE: &str = "FR0001";
const TOO_LARGE: &str = "FR0009";
const NOT_READ: &str = "FR0019";

/// Largest file of a registry, in bytes.
pub(crate) const FILE_BYTES_MAX: u64 = 8 << 20;
/// All files of a registry together, in bytes.
const REGISTRY_BYTES_MAX: u64 = 32 << 20;
/// Files and folders of a registry.
const ENTRIES_MAX: usize = 50_000;
/// Folders inside each other.
const DEPTH_MAX: usize = 16;
/// What people put beside registry files on purpose.
const FOR_PEOPLE: [&str; 3] = ["README.md", "OWNERS", "CODEOWNERS"];

/// The walk through a registry's directory.
#[derive(Default)]
struct Walk {
    files: Vec<(PathBuf, String)>,
    found: Diagnostics,
    /// Device and inode of what was read: links may lead to a file or folder more than once.
    seen: HashSet<(u64, u64)>,
    entries: usize,
    bytes: u64,
    is_over: bool,
}

/// Every registry file below `dir` as (path, text), by path, and what was found on the way.
pub(crate) fn read(dir: &Path) -> (Vec<(PathBuf, String)>, Diagnostics) {
    let mut walk = Walk::default();
    for folder in ["sources", "families"] {
        walk.folder(&dir.join(folder), 1);
    }
    walk.beside(dir);
    walk.files.sort();
    (walk.files, walk.found)
}

impl Walk {
    fn folder(&mut self, dir: &Path, depth: usize) {
        if depth > DEPTH_MAX {
            return self.limit(dir, &format!("nested more than {DEPTH_MAX} folders deep"));
        }
        match dir.metadata() {
            Ok(it) if !self.is_new(&it) => return,
            // That it is no directory is what reading it says.
            _ => {}
        }
        let entries = match fs::read_dir(dir) {
            Ok(entries) => entries,
            Err(error) => {
                let message = format!("directory cannot be read: {error}");
                let help = "a registry has `sources/` and `families/`";
                return self
                    .found
                    .error(UNREADABLE, Spot::whole(dir), &message, help);
            }
        };
        let mut paths = Vec::new();
        for entry in entries {
            self.entries += 1;
            if self.entries > ENTRIES_MAX {
                return self.limit(dir, &format!("more than {ENTRIES_MAX} files and folders"));
            }
            match entry {
                Ok(entry) => paths.push(entry.path()),
                Err(error) => self.unreadable(dir, &error.into()),
            }
        }
        // Of two links to one file, the same one counts every time.
        paths.sort();
        for path in paths.iter().filter(|it| !is_hidden(it)) {
            if self.is_over {
                return;
            }
            if path.is_dir() {
                self.folder(path, depth + 1);
            } else {
                self.file(path);
            }
        }
    }

    fn file(&mut self, path: &Path) {
        if !is_yaml(path) {
            let name = path.file_name().unwrap_or_default();
            if !FOR_PEOPLE.iter().any(|it| name == *it) {
                let help = "name it `*.yaml` or `*.yml`, or move it out of the registry; names that start with a dot are skipped";
                self.not_read(path, help);
            }
            return;
        }
        match path.metadata() {
            Ok(it) if it.is_file() && !self.is_new(&it) => {
                self.not_read(path, "another link to this file was read: remove one");
                return;
            }
            _ => {}
        }
        match files::read_text(path, FILE_BYTES_MAX) {
            Ok(text) => {
                self.bytes += text.len() as u64;
                if self.bytes > REGISTRY_BYTES_MAX {
                    let message = format!("more than {REGISTRY_BYTES_MAX} bytes with this file");
                    return self.limit(path, &message);
                }
                self.files.push((path.to_owned(), text));
            }
            Err(FileError::TooLarge(most)) => {
                let message = format!("the file is larger than {most} bytes");
                let help = "split it: a database may have several source files";
                self.found
                    .error(TOO_LARGE, Spot::whole(path), &message, help);
            }
            Err(error) => self.unreadable(path, &error),
        }
    }

    /// What lies beside the two folders and looks as if it should be read.
    fn beside(&mut self, dir: &Path) {
        let Ok(entries) = fs::read_dir(dir) else {
            return;
        };
        let mut paths: Vec<PathBuf> = entries
            .take(ENTRIES_MAX)
            .filter_map(|it| Some(it.ok()?.path()))
            .filter(|it| !is_hidden(it))
            .collect();
        paths.sort();
        for path in paths {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let alike = name.to_lowercase();
            let is_meant = alike.starts_with("famil") || alike.starts_with("source");
            let is_known = name == "families" || name == "sources";
            if path.is_dir() && is_meant && !is_known {
                self.not_read(&path, "folders are called `families` and `sources`");
            } else if !path.is_dir() && is_yaml(&path) {
                self.not_read(&path, "move it into `families/` or `sources/`");
            }
        }
    }

    /// Whether it was not met before, under this name or another one.
    fn is_new(&mut self, it: &Metadata) -> bool {
        self.seen.insert((it.dev(), it.ino()))
    }

    fn not_read(&mut self, path: &Path, help: &str) {
        let message = match path.is_dir() {
            true => "the folder is not read",
            false => "the file is not read",
        };
        self.found
            .warning(NOT_READ, Spot::whole(path), message, help);
    }

    fn unreadable(&mut self, path: &Path, error: &FileError) {
        let message = format!("cannot be read: {error}");
        let help = "a registry file is a regular file of UTF-8 text that this user may read";
        self.found
            .error(UNREADABLE, Spot::whole(path), &message, help);
    }

    /// The registry as a whole is too large: nothing more of it is read.
    fn limit(&mut self, path: &Path, message: &str) {
        self.is_over = true;
        let message = format!("the registry is too large: {message}");
        let help = "give `freshet` the registry's own directory, or split the registry";
        self.found
            .error(TOO_LARGE, Spot::whole(path), &message, help);
    }
}

/// A mounted ConfigMap keeps its earlier copies in hidden folders beside the files.
fn is_hidden(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| name.to_string_lossy().starts_with('.'))
}

fn is_yaml(path: &Path) -> bool {
    path.extension()
        .is_some_and(|it| it == "yaml" || it == "yml")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registry() -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("a folder");
        for folder in ["sources", "families"] {
            fs::create_dir(dir.path().join(folder)).expect("a folder");
        }
        dir
    }

    /// A file of zero bytes, which are text and take no room on the disk.
    fn hole(path: PathBuf, bytes: u64) {
        let file = fs::File::create(path).expect("a file");
        file.set_len(bytes).expect("a hole");
    }

    /// How many files are read, and what is said of the rest.
    fn outcome(dir: &tempfile::TempDir) -> (usize, String) {
        let (files, found) = read(dir.path());
        let told = found.iter().map(|fault| fault.message.clone() + "\n");
        (files.len(), told.collect())
    }

    #[test]
    fn files_of_exactly_the_largest_size_are_read() {
        let dir = registry();
        let families = dir.path().join("families");
        for at in 0..REGISTRY_BYTES_MAX / FILE_BYTES_MAX {
            hole(families.join(format!("{at}.yaml")), FILE_BYTES_MAX);
        }
        assert_eq!(outcome(&dir), (4, String::new()));
        hole(families.join("last.yaml"), 1);
        let (files, told) = outcome(&dir);
        assert_eq!(files, 4);
        assert!(told.contains("more than 33554432 bytes"), "{told}");
        hole(families.join("0.yaml"), FILE_BYTES_MAX + 1);
        let (files, told) = outcome(&dir);
        assert_eq!(files, 4);
        assert!(told.contains("larger than 8388608 bytes"), "{told}");
        assert!(!told.contains("the registry is too large"), "{told}");
    }

    #[test]
    fn folders_as_deep_as_allowed_are_read() {
        let dir = registry();
        let mut deepest = dir.path().join("families");
        (1..DEPTH_MAX).for_each(|_| deepest.push("a"));
        fs::create_dir_all(&deepest).expect("folders");
        hole(deepest.join("item.yaml"), 1);
        assert_eq!(outcome(&dir), (1, String::new()));
        fs::create_dir(deepest.join("a")).expect("a folder");
        let (_, told) = outcome(&dir);
        assert!(told.contains("more than 16 folders"), "{told}");
    }

    #[test]
    fn as_many_entries_as_allowed_are_read() {
        let dir = registry();
        let sources = dir.path().join("sources");
        (0..3).for_each(|at| hole(sources.join(format!("{at}.yaml")), 1));
        let told = |earlier: usize| {
            let mut walk = Walk {
                entries: earlier,
                ..Walk::default()
            };
            walk.folder(&sources, 1);
            walk.found.render()
        };
        let all = told(ENTRIES_MAX - 3);
        assert!(all.starts_with("0 errors"), "{all}");
        let over = told(ENTRIES_MAX - 2);
        assert!(over.contains("more than 50000 files"), "{over}");
    }
}
