//! Directory → files → compiled registry.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use freshet_core::broken::Promise;
use freshet_core::registry::{Registry, RegistryRevision};
use sha2::{Digest, Sha256};
use time::Date;

use crate::compile::Compile;
use crate::diagnostics::{Diagnostic, Diagnostics, Place};
use crate::examples::{self, ExampleReport};
use crate::family_file::FamilyFile;
use crate::folder;
use crate::limits;
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
    /// Codes of warnings that arose and are acknowledged.
    pub(crate) acknowledged: RefCell<BTreeSet<&'static str>>,
}

/// Loads `sources/*.yaml` and `families/**/*.yaml` below `dir`, without warnings that depend on the day.
///
/// # Errors
/// Every fault of every file.
pub fn load(dir: &Path) -> Result<Loaded, Diagnostics> {
    load_dir(dir, None)
}

/// The same on a day, which warns of families that were to purge until an earlier one.
///
/// # Errors
/// Every fault of every file.
pub fn load_on(dir: &Path, today: Date) -> Result<Loaded, Diagnostics> {
    load_dir(dir, Some(today))
}

fn load_dir(dir: &Path, today: Option<Date>) -> Result<Loaded, Diagnostics> {
    let (files, found) = folder::read(dir);
    if found.has_errors() {
        return Err(found);
    }
    // Shown as given, hashed by what they are called below the directory.
    let loaded = load_below((dir, today), files, found)?;
    if loaded.registry.tables.is_empty() {
        let mut found = loaded.warnings;
        let message = "the registry binds no table, so that nothing is consumed or purged";
        let fault = Diagnostic::error("FR0008", Place::file(dir), message).with_help(
            "add a family with `lifecycle: active` that binds a table of a source file, as docs/registry.md shows",
        );
        found.push(fault, "");
        return Err(found);
    }
    Ok(loaded)
}

/// Loads files that are in memory already, given as (path, text); a path tells by a component `sources` or
/// `families` what the file is.
///
/// # Errors
/// Every fault of every file.
pub fn load_files(files: Vec<(PathBuf, String)>) -> Result<Loaded, Diagnostics> {
    load_below((Path::new(""), None), files, Diagnostics::default())
}

/// The same on a day, which warns of families that were to purge until an earlier one.
///
/// # Errors
/// Every fault of every file.
pub fn load_files_on(files: Vec<(PathBuf, String)>, today: Date) -> Result<Loaded, Diagnostics> {
    load_below((Path::new(""), Some(today)), files, Diagnostics::default())
}

fn load_below(
    (base, today): (&Path, Option<Date>),
    files: Vec<(PathBuf, String)>,
    mut found: Diagnostics,
) -> Result<Loaded, Diagnostics> {
    let content_hash = hash_of(base, &files);
    let count = files.len();
    let Some((sources, mut families)) = parse(base, files, &mut found) else {
        return Err(found);
    };
    families.sort_by(|one, other| one.file.family.value.cmp(&other.file.family.value));
    if limits::are_families_over(&families, &mut found) {
        return Err(found);
    }
    rules::across_families(&families, &mut found);
    let mut compile = Compile::new(&sources.tables, today, &mut found);
    for source in &families {
        compile.add(source);
    }
    rules::acknowledgements(&families, compile.found);
    let revision = RegistryRevision {
        sequence: 1,
        content_hash: Arc::from(content_hash),
    };
    let registry = compile.finish(revision);
    let examples = examples::run(&registry, &families, &mut found);
    if found.has_errors() && !Promise::P9.is_broken() {
        return Err(found);
    }
    Ok(Loaded {
        registry,
        warnings: found,
        examples,
        files: count,
    })
}

/// The files as they are written; none where one holds more than it may. No further one is read then: the time that it
/// would take is what the limits are for.
fn parse(
    base: &Path,
    files: Vec<(PathBuf, String)>,
    found: &mut Diagnostics,
) -> Option<(Sources, Vec<FamilySource>)> {
    let (mut sources, mut families) = (Sources::default(), Vec::new());
    for (path, text) in files {
        let below = path.strip_prefix(base).unwrap_or(&path);
        let is_source = below.components().any(|part| part.as_os_str() == "sources");
        if is_source {
            if sources.read(&path, &text, found).is_break() {
                return None;
            }
            continue;
        }
        match sources.yaml.parse::<FamilyFile>(&text) {
            Ok(file) => families.push(FamilySource {
                path,
                text,
                file,
                acknowledged: RefCell::default(),
            }),
            Err(error) => {
                found.extend(Diagnostics::from_yaml_error("FR0002", &path, &text, &error));
                continue;
            }
        }
        if families
            .last()
            .is_some_and(|family| limits::is_family_over(family, found))
        {
            return None;
        }
    }
    Some((sources, families))
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
