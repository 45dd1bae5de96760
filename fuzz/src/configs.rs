//! Configs of the process. They are written by hand, by templates and by whoever may write to a mounted volume.

use std::path::Path;

/// Longest text of all faults together that anybody reads or a log takes.
const RENDERED_BYTES_MAX: usize = 1 << 20;

/// What the secret file beside the corpora holds.
const SECRET: &str = include_str!("../secret.txt");

/// The input is a config file that stands beside the registry of the other targets.
pub(crate) fn config(input: &[u8]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("freshet.yaml");
    let Err(faults) = freshet::check_config(&path, &String::from_utf8_lossy(input)) else {
        return;
    };
    assert!(faults.has_errors(), "refused without an error");
    let rendered = faults.render();
    assert!(
        rendered.len() <= RENDERED_BYTES_MAX,
        "{} bytes of faults",
        rendered.len()
    );
    assert!(!rendered.contains(SECRET.trim_end()), "{rendered}");
}
