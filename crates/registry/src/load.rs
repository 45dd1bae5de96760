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
use crate::source_file::{KnownTable, KnownTables, SourceFile};

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
    let (mut tables, mut families) = (KnownTables::new(), Vec::new());
    let content_hash = hash_of(base, &files);
    let count = files.len();
    for (path, text) in files {
        let below = path.strip_prefix(base).unwrap_or(&path);
        if below.components().any(|part| part.as_os_str() == "sources") {
            read_source(&path, &text, &mut tables, &mut found);
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
    let mut compile = Compile::new(&tables, &mut found);
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
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, files, faults);
        } else if path
            .extension()
            .is_some_and(|it| it == "yaml" || it == "yml")
        {
            match std::fs::read_to_string(&path) {
                Ok(text) => files.push((path, text)),
                Err(error) => {
                    let message = format!("cannot be read: {error}");
                    faults.push(
                        Diagnostic::error("FR0001", Place::file(&path), &message),
                        "",
                    );
                }
            }
        }
    }
}

fn read_source(path: &Path, text: &str, tables: &mut KnownTables, found: &mut Diagnostics) {
    let file = match serde_saphyr::from_str::<SourceFile>(text) {
        Ok(file) => file,
        Err(error) => {
            found.extend(Diagnostics::from_yaml_error("FR0002", path, text, &error));
            return;
        }
    };
    for table in file.tables {
        let place = Place::of(path, &table.table);
        for key in &table.primary_key {
            if !table.columns.iter().any(|column| column.name == key.value) {
                let message = format!("primary key column `{}` is not a column", key.value);
                found.push(
                    Diagnostic::error("FR0011", Place::of(path, key), &message),
                    text,
                );
            }
        }
        let name = table.table.value.clone();
        if name.split('.').count() < 3 || !name.starts_with(&format!("{}.", file.database.value)) {
            let fault = Diagnostic::error(
                "FR0003",
                place,
                "is not the name of a table of this database",
            )
            .with_help("`<server>.<schema>.<table>`, where the server is the `database:` above");
            found.push(fault, text);
            continue;
        }
        if tables
            .insert(
                name,
                KnownTable {
                    engine: file.engine,
                    table,
                },
            )
            .is_some()
        {
            found.push(
                Diagnostic::error("FR0004", place, "the table is declared twice"),
                text,
            );
        }
    }
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
