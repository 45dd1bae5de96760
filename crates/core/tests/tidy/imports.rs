//! Who may import whom. A crate exists to forbid an import; here is what each forbids.

use crate::workspace::{Package, packages};
use crate::{Offence, assert_tidy};

/// What each crate may name of ours, dev-dependencies aside. A new crate gets a line here first.
const LAW: &[(&str, &[&str])] = &[
    ("freshet-core", &[]),
    ("freshet-registry", &["core"]),
    ("freshet-wire", &["core"]),
    ("freshet-kafka", &["core", "wire"]),
    ("freshet-redis", &["core", "wire"]),
    ("freshet-cdn", &["core", "wire"]),
    ("freshet-pipeline", &["core", "registry", "wire"]),
    ("freshet-desk", &["core", "wire"]),
    ("freshet-audit", &["core", "registry", "wire"]),
    (
        "freshet-sim",
        &["core", "registry", "wire", "pipeline", "audit"],
    ),
    ("freshet-server", &["core", "registry", "pipeline", "desk"]),
    ("freshet-client", &["core", "registry"]),
    // The contract suites are written against the ports, and every adapter's tests have them from here.
    ("freshet-testbed", &["core"]),
    (
        "freshet",
        &[
            "core", "registry", "wire", "kafka", "redis", "cdn", "pipeline", "audit", "desk",
            "server", "client",
        ],
    ),
];

/// Crates that decide and never wait.
const PURE: [&str; 3] = ["freshet-core", "freshet-registry", "freshet-wire"];

/// What would let a pure crate wait.
const EDGES: [&str; 8] = [
    "tokio",
    "async-std",
    "reqwest",
    "hyper",
    "axum",
    "rdkafka",
    "redis",
    "metrics",
];

/// Outside crates that only some of ours may name: the adapter, and what only developers run.
const OWNED: [(&str, &[&str]); 2] = [
    ("rdkafka", &["freshet-kafka", "freshet-testbed"]),
    ("redis", &["freshet-redis"]),
];

/// Programs beside the crates (benchmarks, the demo, the shop) stand for users and operators: they may name anything.
fn is_bound(package: &Package) -> bool {
    package.folder.starts_with("crates/")
}

/// Names of what a package depends on, dev-dependencies aside, with the line of each.
fn dependencies(package: &Package) -> Vec<(String, usize)> {
    let mut tables = vec![
        package.manifest.get("dependencies"),
        package.manifest.get("build-dependencies"),
    ];
    let targets = package
        .manifest
        .get("target")
        .and_then(toml::Value::as_table);
    for target in targets.into_iter().flat_map(|targets| targets.values()) {
        tables.extend([target.get("dependencies"), target.get("build-dependencies")]);
    }
    let tables = tables
        .into_iter()
        .flatten()
        .filter_map(toml::Value::as_table);
    let named = tables.flatten().map(|(name, value)| {
        let renamed = value.get("package").and_then(toml::Value::as_str);
        (
            renamed.unwrap_or(name).to_owned(),
            package.manifest_line(name),
        )
    });
    named.collect()
}

fn offences_of(package: &Package) -> Vec<Offence> {
    let path = package.manifest_path();
    let Some((_, allowed)) = LAW.iter().find(|(name, _)| *name == package.name) else {
        return vec![Offence::new(
            &path,
            1,
            "the import law does not know this crate",
        )];
    };
    let mut offences = Vec::new();
    for (name, line) in dependencies(package) {
        let ours = name
            .strip_prefix("freshet-")
            .or((name == "freshet").then_some("freshet"));
        if ours.is_some_and(|ours| !allowed.contains(&ours)) {
            offences.push(Offence::new(&path, line, format!("may not import {name}")));
        }
        if PURE.contains(&&*package.name) && EDGES.contains(&&*name) {
            offences.push(Offence::new(
                &path,
                line,
                format!("is pure and may not import {name}"),
            ));
        }
        for (owned, owners) in OWNED {
            if name == owned && !owners.contains(&&*package.name) {
                offences.push(Offence::new(
                    &path,
                    line,
                    format!("only {owners:?} may import {name}"),
                ));
            }
        }
    }
    offences
}

#[test]
fn crates_import_only_what_the_law_allows() {
    let packages = packages();
    let bound = packages.iter().filter(|package| is_bound(package));
    assert_tidy("import law", bound.flat_map(offences_of).collect());
}

#[test]
fn every_package_takes_the_lints_of_the_workspace() {
    let packages = packages();
    let without = packages.iter().filter(|package| {
        let lints = package
            .manifest
            .get("lints")
            .and_then(|lints| lints.get("workspace"));
        lints.and_then(toml::Value::as_bool) != Some(true)
    });
    let offences = without.map(|package| {
        let line = package.manifest_line("[lints]");
        Offence::new(
            &package.manifest_path(),
            line,
            "has no `[lints] workspace = true`",
        )
    });
    assert_tidy("workspace lints", offences.collect());
}

fn sample(name: &str, rest: &str) -> Package {
    let manifest_text = format!("[package]\nname = \"{name}\"\n{rest}");
    Package {
        name: name.to_owned(),
        folder: format!("crates/{name}"),
        manifest: manifest_text.parse().expect("a manifest"),
        manifest_text,
    }
}

#[test]
fn the_law_sees_every_way_to_import() {
    for rest in [
        "[dependencies]\nfreshet-kafka = { workspace = true }",
        "[dependencies]\nserde = \"1\"\nquick = { package = \"rdkafka\", version = \"1\" }",
        "[dependencies.redis]\nversion = \"1\"",
        "[target.'cfg(unix)'.dependencies]\nfreshet = { path = \"../freshet\" }",
        "[build-dependencies]\nfreshet-testbed = { workspace = true }",
    ] {
        assert_eq!(offences_of(&sample("freshet-cdn", rest)).len(), 1, "{rest}");
    }
    let dev = "[dev-dependencies]\nfreshet-testbed = { workspace = true }\nrdkafka = \"1\"";
    assert_eq!(offences_of(&sample("freshet-cdn", dev)), []);
    assert_eq!(
        offences_of(&sample("freshet-wire", "[dependencies]\ntokio = \"1\"")).len(),
        1
    );
    assert_eq!(
        offences_of(&sample("freshet-new", "")).len(),
        1,
        "unknown crates are asked for"
    );
}
