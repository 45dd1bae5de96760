//! Directory → files → compiled registry.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use freshet_core::registry::{Registry, RegistryRevision};
use sha2::{Digest, Sha256};

use crate::compile::Compile;
use crate::diagnostics::{Diagnostic, Diagnostics, Place};
use crate::examples::{self, ExampleReport};
use crate::family_file::FamilyFile;
use crate::rules;
use crate::sources::Sources;

/// A registry that may take over.
#[derive(Debug)]
pub struct Loaded {
    /// The compiled registry. Its sequence is 1; whoever swaps registries numbers them.
    pub registry: Registry,
    /// What somebody should look at.
    pub warnings: Diagnostics,
    /// What the families' examples came to.
    pub examples: ExampleReport,
    /// Files read.
    pub files: usize,
}

/// A family file with what is needed to speak of it.
#[derive(Debug)]
pub(crate) struct FamilySource {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
    pub(crate) file: FamilyFile,
}

/// Loads `sources/*.yaml` and `families/**/*.yaml` below `dir`.
///
/// # Errors
/// Every fault of every file.
pub fn load(dir: &Path) -> Result<Loaded, Diagnostics> {
    let mut files = Vec::new();
    let mut faults = Diagnostics::default();
    for folder in ["sources", "families"] {
        collect(&dir.join(folder), &mut files, &mut faults);
    }
    if faults.has_errors() {
        return Err(faults);
    }
    files.sort();
    // Shown as given, hashed by what they are called below the directory.
    load_below(dir, files)
}

/// Loads files that are in memory already, given as (path, text); a path tells by a component `sources` or
/// `families` what the file is.
///
/// # Errors
/// Every fault of every file.
pub fn load_files(files: Vec<(PathBuf, String)>) -> Result<Loaded, Diagnostics> {
    load_below(Path::new(""), files)
}

fn load_below(base: &Path, files: Vec<(PathBuf, String)>) -> Result<Loaded, Diagnostics> {
    let mut found = Diagnostics::default();
    let (mut sources, mut families) = (Sources::default(), Vec::new());
    let content_hash = hash_of(base, &files);
    let count = files.len();
    for (path, text) in files {
        let below = path.strip_prefix(base).unwrap_or(&path);
        if below.components().any(|part| part.as_os_str() == "sources") {
            sources.read(&path, &text, &mut found);
        } else {
            match serde_saphyr::from_str::<FamilyFile>(&text) {
                Ok(file) => families.push(FamilySource { path, text, file }),
                Err(error) => {
                    found.extend(Diagnostics::from_yaml_error("FR0002", &path, &text, &error))
                }
            }
        }
    }
    families.sort_by(|one, other| one.file.family.value.cmp(&other.file.family.value));
    rules::across_families(&families, &mut found);
    let mut compile = Compile::new(&sources.tables, &mut found);
    for source in &families {
        compile.add(source);
    }
    let revision = RegistryRevision {
        sequence: 1,
        content_hash: Arc::from(content_hash),
    };
    let registry = compile.finish(revision);
    let examples = examples::run(&registry, &families, &mut found);
    if found.has_errors() {
        return Err(found);
    }
    Ok(Loaded {
        registry,
        warnings: found,
        examples,
        files: count,
    })
}

fn collect(dir: &Path, files: &mut Vec<(PathBuf, String)>, faults: &mut Diagnostics) {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) => {
            let message = format!("directory cannot be read: {error}");
            let fault = Diagnostic::error("FR0001", Place::file(dir), &message)
                .with_help("a registry holds `sources/` and `families/`");
            faults.push(fault, "");
            return;
        }
    };
    for entry in entries {
        let path = match entry {
            Ok(entry) => entry.path(),
            Err(error) => {
                faults.push(unreadable(dir, &error), "");
                continue;
            }
        };
        // A mounted ConfigMap keeps its earlier copies in hidden folders beside the files.
        let hidden = path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if hidden {
            continue;
        }
        if path.is_dir() {
            collect(&path, files, faults);
        } else if path
            .extension()
            .is_some_and(|it| it == "yaml" || it == "yml")
        {
            match std::fs::read_to_string(&path) {
                Ok(text) => files.push((path, text)),
                Err(error) => faults.push(unreadable(&path, &error), ""),
            }
        }
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Diagnostic {
    let message = format!("cannot be read: {error}");
    Diagnostic::error("FR0001", Place::file(path), &message)
        .with_help("a registry file is UTF-8 text that this user may read")
}

/// First 16 hex digits of the SHA-256 over names and contents, in order of names.
fn hash_of(base: &Path, files: &[(PathBuf, String)]) -> String {
    let mut sorted: Vec<_> = files.iter().collect();
    sorted.sort();
    let mut hasher = Sha256::new();
    for (path, text) in sorted {
        let below = path.strip_prefix(base).unwrap_or(path).to_string_lossy();
        hasher.update((below.len() as u64).to_be_bytes());
        hasher.update(below.as_bytes());
        hasher.update((text.len() as u64).to_be_bytes());
        hasher.update(text.as_bytes());
    }
    hasher
        .finalize()
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
