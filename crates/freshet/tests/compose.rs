//! What `docker-compose.yml` mounts fits together and fits the shop's registry.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

fn examples(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../examples")
        .join(name)
}

#[test]
fn the_config_is_good_and_serves_every_target_of_the_registry() {
    let output = Command::new(env!("CARGO_BIN_EXE_freshet"))
        .args(["run", "--dry-run", "--config"])
        .arg(examples("compose/freshet.yaml"))
        .output()
        .expect("freshet starts");
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{told}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    for part in ["purges main (redis", "purges edge (varnish"] {
        assert!(told.contains(part), "{told}");
    }
}

#[test]
fn the_connector_sends_exactly_the_bound_tables() {
    let registry = freshet_registry::load(&examples("shop/registry"))
        .expect("the shop's registry compiles")
        .registry;
    let text = fs::read_to_string(examples("compose/connector.json")).expect("connector.json");
    let connector: Value = serde_json::from_str(&text).expect("JSON");
    let setting = |name: &str| connector[name].as_str().expect("a text").to_owned();
    let sent: BTreeSet<String> = setting("table.include.list")
        .split(',')
        .map(|table| format!("{}.{table}", setting("topic.prefix")))
        .collect();
    let bound: BTreeSet<String> = registry.topics().map(str::to_owned).collect();
    assert_eq!(sent, bound);
    // Debezium leaves truncates out unless told otherwise.
    assert_eq!(setting("skipped.operations"), "none");
}

#[test]
fn the_topics_are_made_before_they_are_subscribed_to() {
    let compose =
        fs::read_to_string(examples("../docker-compose.yml")).expect("docker-compose.yml");
    let registry = freshet_registry::load(&examples("shop/registry"))
        .expect("the shop's registry compiles")
        .registry;
    for topic in registry.topics() {
        let table = topic.rsplit('.').next().unwrap_or_default();
        let loops = compose.lines().find(|line| line.contains("for table in"));
        assert!(
            loops.is_some_and(|line| line.contains(&format!(" {table}"))),
            "docker-compose.yml does not create {topic}"
        );
    }
}
