//! Whatever lies in a registry's directory: reading it ends, in bounded time and memory, with an answer.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc;
use std::time::Duration;

use freshet_registry::diagnostics::Diagnostics;
use freshet_registry::{Loaded, load};

/// No answer takes longer, however busy the machine is.
const WITHIN: Duration = Duration::from_secs(30);

const SOURCE: &str = include_str!("../../../schemas/fixtures/registry/sources/shop.yaml");
const FAMILY: &str = include_str!("../../../schemas/fixtures/registry/families/item.yaml");

fn registry() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    for folder in ["sources", "families/catalog"] {
        fs::create_dir_all(dir.path().join(folder)).expect("a folder");
    }
    fs::write(dir.path().join("sources/shop.yaml"), SOURCE).expect("source");
    fs::write(dir.path().join("families/catalog/item.yaml"), FAMILY).expect("family");
    dir
}

/// What `load` answers within [`WITHIN`].
fn answer(dir: &Path) -> Result<Loaded, Diagnostics> {
    let (tell, told) = mpsc::channel();
    let dir = dir.to_owned();
    std::thread::spawn(move || drop(tell.send(load(&dir))));
    told.recv_timeout(WITHIN).expect("an answer in time")
}

fn refused(dir: &Path, code: &str, wanted: &str) {
    let found = answer(dir).expect_err("refused").render();
    assert!(found.contains(&format!("error[{code}]")), "{found}");
    assert!(found.contains(wanted), "{found}");
    assert!(found.contains("help: "), "{found}");
}

#[test]
fn p9_a_pipe_a_device_and_a_socket_are_refused_and_never_opened() {
    let dir = registry();
    let odd = dir.path().join("families/odd.yaml");
    let made = Command::new("mkfifo").arg(&odd).status().expect("mkfifo");
    assert!(made.success());
    refused(dir.path(), "FR0001", "it is a pipe");
    fs::remove_file(&odd).expect("removed");
    symlink("/dev/zero", &odd).expect("a link");
    refused(dir.path(), "FR0001", "it is a device");
    fs::remove_file(&odd).expect("removed");
    let _socket = std::os::unix::net::UnixListener::bind(&odd).expect("a socket");
    refused(dir.path(), "FR0001", "it is a socket");
}

/// 20 links to the same folder in a folder, and so on: 20^40 paths lead to one file. Each folder is read once.
#[test]
fn p9_links_in_circles_are_followed_once() {
    let dir = registry();
    let folder = dir.path().join("families/catalog");
    for at in 0..20 {
        symlink(".", folder.join(format!("again{at}"))).expect("a link");
        symlink("..", folder.join(format!("up{at}"))).expect("a link");
    }
    let loaded = answer(dir.path()).unwrap_or_else(|found| panic!("{}", found.render()));
    assert_eq!(loaded.files, 2);
    // A second name of one file is no second family.
    symlink("item.yaml", folder.join("other.yaml")).expect("a link");
    let loaded = answer(dir.path()).unwrap_or_else(|found| panic!("{}", found.render()));
    assert_eq!(loaded.files, 2);
    let warnings = loaded.warnings.render();
    assert!(warnings.contains("other.yaml"), "{warnings}");
}

#[test]
fn p9_files_and_folders_have_a_size() {
    let dir = registry();
    let large = dir.path().join("families/large.yaml");
    // A hole of a terabyte: read to its end it would take all memory.
    File::create(&large)
        .expect("a file")
        .set_len(1 << 40)
        .expect("a hole");
    refused(dir.path(), "FR0009", "larger than 8388608 bytes");
    fs::remove_file(&large).expect("removed");
    for at in 0..5 {
        let file = dir.path().join(format!("families/{at}.yaml"));
        fs::write(file, format!("# {}", " ".repeat(7 << 20))).expect("a file");
    }
    refused(dir.path(), "FR0009", "more than 33554432 bytes");
    let dir = registry();
    let deep = dir.path().join("families").join(["a"; 20].join("/"));
    fs::create_dir_all(deep).expect("folders");
    refused(dir.path(), "FR0009", "more than 16 folders");
}

/// What somebody meant to be read and is not has a line with what to do; what is there for people has none.
#[test]
fn a_file_that_is_not_read_is_reported() {
    let dir = registry();
    for name in [
        "families/Other.YAML",
        "families/catalog/item.yml.bak",
        "families/notes.txt",
        "sources/shop.json",
        "loose.yaml",
    ] {
        fs::write(dir.path().join(name), "x").expect("a file");
    }
    for name in [
        "families/README.md",
        "families/.hidden",
        "README.txt",
        "OWNERS",
    ] {
        fs::write(dir.path().join(name), "x").expect("a file");
    }
    fs::create_dir(dir.path().join("Family")).expect("a folder");
    let loaded = answer(dir.path()).unwrap_or_else(|found| panic!("{}", found.render()));
    let mut names: Vec<String> = loaded
        .warnings
        .iter()
        .inspect(|it| assert_eq!(it.code, "FR0019"))
        .inspect(|it| assert!(it.help.is_some()))
        .map(|it| it.place.file.strip_prefix(dir.path()).expect("below"))
        .map(|it| it.display().to_string())
        .collect();
    names.sort();
    assert_eq!(
        names,
        [
            "Family",
            "families/Other.YAML",
            "families/catalog/item.yml.bak",
            "families/notes.txt",
            "loose.yaml",
            "sources/shop.json",
        ]
    );
}
