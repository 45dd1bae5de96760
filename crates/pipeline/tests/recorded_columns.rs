//! Every column type in every recorded representation: what is taken for certain is what the server prints.

#[path = "recorded_columns/page.rs"]
mod page;
#[path = "recorded_columns/reading.rs"]
mod reading;
#[path = "recorded_columns/recorded.rs"]
mod recorded;

use reading::{Reading, read};
use recorded::Recorded;

#[test]
fn p15_a_value_that_is_certain_is_what_the_server_prints() {
    let mut faults = Vec::new();
    for engine in ["postgres", "mariadb"] {
        let recorded = Recorded::of(engine);
        for variant in recorded.variants.keys() {
            for reading in Reading::ALL {
                let (tallies, found) = read(&recorded, variant, reading);
                assert!(tallies.len() > 20, "{engine} {variant}: {tallies:?}");
                let found = found.iter();
                faults
                    .extend(found.map(|fault| format!("{engine} {variant} {reading:?}: {fault}")));
            }
        }
    }
    assert!(
        faults.is_empty(),
        "{} faults:\n{}",
        faults.len(),
        faults.join("\n")
    );
}

#[test]
fn p15_the_page_of_column_texts_is_what_the_recordings_show() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/column-texts.md");
    let page = page::page();
    if std::env::var_os("WRITE_PAGES").is_some() {
        std::fs::write(path, &page).expect("written");
    }
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(
        kept, page,
        "docs/column-texts.md is out of date: WRITE_PAGES=1 cargo test -p freshet-pipeline --test recorded_columns"
    );
}
