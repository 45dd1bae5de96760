//! Every input of the corpora, read in bounded time and memory. `make fuzz` finds new ones.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use freshet_fuzz::{TARGETS, Target};

/// Longest time that one input may take, unoptimised and on a busy machine.
const TIME_MAX: Duration = Duration::from_secs(2);
/// Most memory that one input may hold at once.
const BYTES_MAX: u64 = 192 << 20;

fn corpus(target: &Target) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target.name);
    let entries =
        fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("entry").path()).collect();
    files.sort();
    files
}

#[test]
fn p14_every_input_of_the_corpora_is_read_in_bounded_time_and_memory() {
    for target in TARGETS {
        let files = corpus(&target);
        assert!(
            files.len() >= 3,
            "{}: a corpus of {}",
            target.name,
            files.len()
        );
        for file in files {
            let input = fs::read(&file).expect("a readable file");
            let started = Instant::now();
            let memory = allocation_counter::measure(|| (target.read)(&input));
            let (took, shown) = (started.elapsed(), file.display());
            assert!(took <= TIME_MAX, "{shown}: took {took:?}");
            assert!(
                memory.bytes_max <= BYTES_MAX,
                "{shown}: held {} bytes at once",
                memory.bytes_max
            );
        }
    }
}

#[test]
fn every_target_has_its_program() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("libfuzzer/fuzz_targets");
    let mut programs: Vec<String> = fs::read_dir(folder)
        .expect("fuzz_targets")
        .map(|entry| {
            entry
                .expect("entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    programs.sort();
    let mut names: Vec<String> = TARGETS.iter().map(|it| format!("{}.rs", it.name)).collect();
    names.sort();
    assert_eq!(programs, names);
}
