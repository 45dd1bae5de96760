//! The smallest deployment: one table, one family, one target, and nothing behind their addresses.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

/// `registry/sources/shop.yaml`.
pub const SOURCE: &str = include_str!("../../../../schemas/fixtures/registry/sources/shop.yaml");

/// `registry/families/item.yaml`.
pub const FAMILY: &str = include_str!("../../../../schemas/fixtures/registry/families/item.yaml");

/// `freshet.yaml`. Its last line may be followed by another target or section.
pub const CONFIG: &str = "\
registry: registry
kafka: { brokers: \"127.0.0.1:1\" }
targets:
  main: { redis: { url: \"redis://127.0.0.1:1\" } }
";

/// A folder with this config, and a registry of [`SOURCE`] and this family.
pub fn deployment(config: &str, family: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (file, text) in [
        ("registry/sources/shop.yaml", SOURCE),
        ("registry/families/item.yaml", family),
        ("freshet.yaml", config),
    ] {
        let path = folder.path().join(file);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(path, text).expect("written");
    }
    folder
}

/// Runs the binary in `folder` to its end.
pub fn freshet(args: &[&str], folder: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_freshet"))
        .args(args)
        .current_dir(folder)
        .env_remove("FRESHET_LOG")
        .output()
        .expect("freshet runs")
}

/// What it reported.
pub fn reported(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
