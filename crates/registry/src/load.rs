//! Directory → files → compiled registry.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use freshet_core::broken::Promise;
use freshet_core::registry::{Registry, RegistryRevision};
use sha2::{Digest, Sha256};
use time::Date;

use crate::compile::compile;
use crate::decided::Decided;
use crate::decided::bound::Known;
use crate::decided::decide::decide;
use crate::diagnostics::{Diagnostics, Spot};
use crate::folder;
use crate::rules;
use crate::rules::example::{self, ExampleReport};
use crate::written::family::FamilyFile;
use crate::written::limits;
use crate::written::source::SourceFile;
use crate::yaml::Yaml;

/// A registry that may take over.
#[derive(Debug)]
pub struct Loaded {
    /// What its files mean.
    pub decided: Decided,
    /// The compiled registry. Its sequence is 1; whoever swaps registries numbers them.
    pub registry: Registry,
    /// What somebody should look at.
    pub warnings: Diagnostics,
    /// What the families' examples came to.
    pub examples: ExampleReport,
    /// Files read.
    pub files: usize,
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
    let loaded = load_below(dir, files, today, found)?;
    if loaded.registry.tables.is_empty() {
        let mut found = loaded.warnings;
        let message = "the registry binds no table, so nothing is consumed or purged";
        let help = "add a family with `lifecycle: active` that binds a table of a source file, as docs/registry.md shows";
        found.error("FR0008", Spot::whole(dir), message, help);
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
    load_below(Path::new(""), files, None, Diagnostics::default())
}

/// The same on a day, which warns of families that were to purge until an earlier one.
///
/// # Errors
/// Every fault of every file.
pub fn load_files_on(files: Vec<(PathBuf, String)>, today: Date) -> Result<Loaded, Diagnostics> {
    load_below(Path::new(""), files, Some(today), Diagnostics::default())
}

fn load_below(
    base: &Path,
    files: Vec<(PathBuf, String)>,
    today: Option<Date>,
    mut found: Diagnostics,
) -> Result<Loaded, Diagnostics> {
    let content_hash = hash_of(base, &files);
    let count = files.len();
    let Some(decided) = read(base, files, &mut found) else {
        return Err(found);
    };
    let known = Known::new(&decided);
    if rules::room::is_over(&known, &mut found) {
        return Err(found);
    }
    rules::check(&known, today, &mut found);
    let revision = RegistryRevision {
        sequence: 1,
        content_hash: Arc::from(content_hash),
    };
    // What a faulty family does to its examples says nothing that its faults do not say.
    let sound = decided.families.iter();
    let sound: Vec<_> = sound
        .filter(|family| !found.has_errors_in(&family.path))
        .collect();
    let registry = compile(&known, &sound, revision);
    let examples = example::run(&registry, &sound, &mut found);
    if found.has_errors() && !Promise::P9.is_broken() {
        return Err(found);
    }
    Ok(Loaded {
        decided,
        registry,
        warnings: found,
        examples,
        files: count,
    })
}

/// What the files say and mean; none where one holds more than it may. No further one is read then: the time that it
/// would take is what the limits are for.
fn read(base: &Path, files: Vec<(PathBuf, String)>, found: &mut Diagnostics) -> Option<Decided> {
    let mut yaml = Yaml::default();
    let (mut sources, mut families) = (Vec::new(), Vec::new());
    for (path, text) in files {
        let below = path.strip_prefix(base).unwrap_or(&path);
        let is_source = below.components().any(|part| part.as_os_str() == "sources");
        if is_source {
            if let Some(mut file) = yaml.read::<SourceFile>(path, text, found) {
                if limits::is_source_over(&file, found) {
                    return None;
                }
                for table in &mut file.says.tables {
                    table.topic = Some(table.arrives_through());
                }
                sources.push(file);
            }
        } else if let Some(file) = yaml.read::<FamilyFile>(path, text, found) {
            if limits::is_family_over(&file, found) {
                return None;
            }
            families.push(decide(file, found));
        }
    }
    families.sort_by(|one, other| one.family.value.cmp(&other.family.value));
    Some(Decided { sources, families })
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
