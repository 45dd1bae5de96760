//! The written pages against the code: every config field, every link, and the codec as other languages read it.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use freshet_core::codec;
use support::written::{pages, structs};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn page(name: &str) -> String {
    let path = root().join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Texts between the first marks of code in `line`, cell by cell.
fn ticked(line: &str) -> Vec<String> {
    let words = line.split('`').skip(1).step_by(2);
    words.map(str::to_owned).collect()
}

#[test]
fn the_configuration_pages_have_every_field_and_no_other() {
    let fields = structs().into_values().flat_map(BTreeMap::into_keys);
    let code: BTreeSet<String> = fields.collect();
    let written: BTreeSet<String> = pages()
        .lines()
        .filter(|line| line.starts_with("| `"))
        .filter_map(|line| line.split(" | ").next())
        .flat_map(ticked)
        // Tables of placeholders and answers begin with code, too.
        .filter(|name| {
            name.bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        })
        .collect();
    assert_eq!(
        written, code,
        "left: docs/configuration.md and docs/targets, right: the code"
    );
}

#[test]
fn the_sample_config_of_the_page_is_good() {
    let text = page("docs/configuration.md");
    let sample = text
        .split("```yaml\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next())
        .expect("a sample");
    let dir = tempfile::tempdir().expect("a folder");
    let registry = fs::canonicalize(root().join("examples/shop/registry")).expect("registry");
    let secret = dir.path().join("secret");
    fs::write(&secret, "hidden\n").expect("secret");
    let sample = sample
        .replace(
            "registry: registry ",
            &format!("registry: {} ", registry.display()),
        )
        .replace("/run/secrets/schemas", &secret.display().to_string())
        .replace("/run/secrets/fastly", &secret.display().to_string());
    let config = dir.path().join("freshet.yaml");
    fs::write(&config, sample).expect("config");
    let output = Command::new(env!("CARGO_BIN_EXE_freshet"))
        .args(["run", "--dry-run", "--config"])
        .arg(&config)
        .env("KAFKA_PASSWORD", "hidden")
        .env("REDIS_PASSWORD", "hidden")
        .env("PURGE_SECRET", "hidden")
        .output()
        .expect("freshet starts");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
}

#[test]
fn the_codec_is_as_the_page_says() {
    let text = page("docs/event-semantics.md");
    let mut rows = 0;
    let table = text
        .split("| value | in a Redis key | in a tag |")
        .nth(1)
        .expect("the table");
    for line in table
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'))
    {
        let [value, in_key, in_tag] = ticked(line).try_into().expect("three cells");
        let (mut key, mut tag) = (Vec::new(), Vec::new());
        codec::push_redis_value(&mut key, &value);
        codec::push_tag_value(&mut tag, &value);
        assert_eq!(
            String::from_utf8_lossy(&key),
            in_key,
            "{value} in a Redis key"
        );
        assert_eq!(String::from_utf8_lossy(&tag), in_tag, "{value} in a tag");
        rows += 1;
    }
    assert!(rows >= 5, "the table has {rows} rows");
    let mut tag = b"product-".to_vec();
    codec::push_tag_value(&mut tag, "a-very-long-article-number-0001");
    codec::shorten_tag(&mut tag, 0);
    let mut hashed = Vec::new();
    codec::push_redis_value(&mut hashed, &"x".repeat(129));
    for shown in [tag, hashed] {
        let shown = String::from_utf8(shown).expect("ASCII");
        assert!(
            text.contains(&format!("`{shown}`")),
            "{shown} is not on the page"
        );
    }
}

fn markdown(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("a folder") {
        let path = entry.expect("entry").path();
        if path.is_dir() {
            markdown(&path, found);
        } else if path.extension().is_some_and(|it| it == "md") {
            found.push(path);
        }
    }
}

/// GitHub's name of a heading.
fn anchor(heading: &str) -> String {
    let words = heading.trim_start_matches('#').trim().to_lowercase();
    words
        .chars()
        .filter(|it| it.is_alphanumeric() || [' ', '-', '_'].contains(it))
        .map(|it| if it == ' ' { '-' } else { it })
        .collect()
}

#[test]
fn every_link_leads_somewhere() {
    let mut pages = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"]
        .map(|name| root().join(name))
        .to_vec();
    for dir in ["docs", "dashboards", "examples"] {
        markdown(&root().join(dir), &mut pages);
    }
    let mut broken = Vec::new();
    for path in pages {
        let text = fs::read_to_string(&path).expect("readable");
        for rest in text.split("](").skip(1) {
            let link = rest.split(')').next().unwrap_or_default();
            if link.starts_with("http") {
                continue;
            }
            let (file, part) = link.split_once('#').unwrap_or((link, ""));
            let target = match file {
                "" => path.clone(),
                _ => path.parent().expect("a folder").join(file),
            };
            let there = match (target.exists(), part) {
                (false, _) => false,
                (true, "") => true,
                (true, part) => fs::read_to_string(&target)
                    .unwrap_or_default()
                    .lines()
                    .any(|line| line.starts_with('#') && anchor(line) == part),
            };
            if !there {
                broken.push(format!("{}: {link}", path.display()));
            }
        }
    }
    assert!(
        broken.is_empty(),
        "links to nowhere:\n  {}",
        broken.join("\n  ")
    );
}
