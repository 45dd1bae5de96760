//! Registry files: written by many teams, and reloaded while the process runs.

use std::path::PathBuf;

use freshet_registry::load_files;

/// Longest text of all diagnostics together that anybody reads or a log takes.
const RENDERED_BYTES_MAX: usize = 1 << 20;

const SOURCE: &str = include_str!("../registry/sources/shop.yaml");
const FAMILY: &str = include_str!("../registry/families/listing.yaml");

fn load(source: &str, family: &str) {
    let files = vec![
        (PathBuf::from("sources/shop.yaml"), source.to_owned()),
        (PathBuf::from("families/family.yaml"), family.to_owned()),
    ];
    let diagnostics = match load_files(files) {
        Ok(loaded) => loaded.warnings,
        Err(faults) => {
            assert!(faults.has_errors(), "refused without an error");
            faults
        }
    };
    let rendered = diagnostics.render();
    assert!(
        rendered.len() <= RENDERED_BYTES_MAX,
        "{} bytes of diagnostics",
        rendered.len()
    );
}

pub(crate) fn family_file(input: &[u8]) {
    load(SOURCE, &String::from_utf8_lossy(input));
}

pub(crate) fn source_file(input: &[u8]) {
    load(&String::from_utf8_lossy(input), FAMILY);
}

/// The input is the text of a key template.
pub(crate) fn template(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let quoted = serde_json::Value::from(&*text).to_string();
    load(
        SOURCE,
        &FAMILY.replace("\"catalog:v1:listing:{category_id}\"", &quoted),
    );
}
