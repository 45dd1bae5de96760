//! Every number and every duration of the config: the page states its range, and the program holds it.

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;

use freshet_registry::duration;
use support::small::{CONFIG, FAMILY, deployment, freshet, reported};
use support::written::{pages, structs};

/// The part of a config that a struct of the written config is for: its heading on its page, and how one of its fields is
/// written in a config.
const SECTIONS: [(&str, &str, &str); 15] = [
    ("ConfigWritten", "## Top level", "{field}"),
    (
        "SchemaRegistryWritten",
        "## `schema_registry`",
        "schema_registry: { url: \"http://x:1\", {field} }",
    ),
    (
        "TargetWritten",
        "## `targets.<name>`",
        "  x: { redis: { url: \"redis://x:1\" }, {field} }",
    ),
    (
        "RedisWritten",
        "### `redis`",
        "  x: { redis: { url: \"redis://x:1\", {field} } }",
    ),
    (
        "SentinelWritten",
        "#### `redis.sentinel`",
        "  x: { redis: { sentinel: { nodes: [\"redis://x:1\"], master: m, {field} } } }",
    ),
    (
        "VarnishWritten",
        "## `varnish`",
        "  x: { varnish: { nodes: [\"http://x:1\"], {field} } }",
    ),
    (
        "FastlyWritten",
        "## `fastly`",
        "  x: { fastly: { service_id: x, token: { env: PATH }, {field} } }",
    ),
    (
        "CloudflareWritten",
        "## `cloudflare`",
        "  x: { cloudflare: { zone_id: x, token: { env: PATH }, {field} } }",
    ),
    (
        "HttpWritten",
        "## `http`",
        "  x: { http: { url: \"http://x:1/{name}\", {field} } }",
    ),
    (
        "BeaconWritten",
        "## `beacons.<database>`",
        "beacons: { shop: { table: shop.public.beats, {field} } }",
    ),
    (
        "TransactionsWritten",
        "## `transactions.<database>`",
        "transactions: { shop: { {field} } }",
    ),
    ("OutboxWritten", "## `outbox`", "outbox: { {field} }"),
    ("IntakeWritten", "## `intake`", "intake: { {field} }"),
    ("AuditWritten", "## `audit`", "audit: { {field} }"),
    ("KafkaWritten", "## `kafka`", "kafka: { {field} }"),
];

/// A number or a duration of the config.
struct Ranged {
    section: &'static (&'static str, &'static str, &'static str),
    field: String,
    is_time: bool,
}

/// Every field that holds a number or a duration.
fn ranged() -> Vec<Ranged> {
    let mut found = Vec::new();
    for (of, fields) in structs() {
        for (field, kind) in fields {
            let is_time = kind.contains("DurationWritten");
            let is_number = ["u8", "u16", "u32", "u64", "i32", "i64", "usize", "f64"]
                .iter()
                .any(|it| kind.contains(it));
            if is_time || is_number {
                let section = SECTIONS.iter().find(|(name, ..)| *name == of);
                let section = section.unwrap_or_else(|| panic!("{of} has no section here"));
                found.push(Ranged {
                    section,
                    field,
                    is_time,
                });
            }
        }
    }
    found
}

impl Ranged {
    /// The least and the most by the page: numbers, or milliseconds.
    fn range(&self, page: &str) -> (u64, u64) {
        let section = page
            .lines()
            .skip_while(|line| *line != self.section.1)
            .skip(1)
            .take_while(|line| !line.starts_with('#'));
        let row = format!("| `{}` |", self.field);
        let row = section.filter(|line| line.starts_with(&row)).last();
        let row = row.unwrap_or_else(|| panic!("{} has no row", self.field));
        let (_, range) = row
            .split_once("Range: `")
            .unwrap_or_else(|| panic!("{} {} states no range", self.section.0, self.field));
        let (least, rest) = range.split_once("` to `").expect("two ends");
        let (most, _) = rest.split_once('`').expect("an end");
        (self.read(least), self.read(most))
    }

    fn read(&self, text: &str) -> u64 {
        match self.is_time {
            true => duration::parse(text).expect("a duration").as_millis() as u64,
            false => text.parse().expect("a number"),
        }
    }

    /// A config with `value` in this field.
    fn config(&self, value: u64) -> String {
        let unit = if self.is_time { "ms" } else { "" };
        let field = match self.field.as_str() {
            "heartbeats" => format!("heartbeats: {{ shop: {value}{unit} }}"),
            field => format!("{field}: {value}{unit}"),
        };
        let mut section = self.section.2.replace("{field}", &field);
        // Only what goes through a lane waits for quiet.
        if ["window", "max_wait"].contains(&self.field.as_str()) {
            let (redis, varnish) = (
                "redis: { url: \"redis://x:1\" }",
                "varnish: { nodes: [\"http://x:1\"] }",
            );
            section = section.replace(redis, varnish);
        }
        format!("{CONFIG}{section}\n")
    }
}

fn dry_run(folder: &Path, config: &str) -> (Option<i32>, String) {
    fs::write(folder.join("freshet.yaml"), config).expect("config");
    let output = freshet(&["run", "--dry-run"], folder);
    (output.status.code(), reported(&output))
}

#[test]
fn p14_every_number_of_the_config_has_a_range_that_the_page_states() {
    let folder = deployment(CONFIG, FAMILY);
    let page = pages();
    let ranged = ranged();
    assert!(ranged.len() >= 26, "{} fields", ranged.len());
    for field in ranged {
        let (least, most) = field.range(&page);
        let name = format!("{} {}", field.section.0, field.field);
        for good in [least, most] {
            let (code, reported) = dry_run(folder.path(), &field.config(good));
            assert_eq!(code, Some(0), "{name} {good}: {reported}");
        }
        let below = least.checked_sub(1);
        for bad in below.into_iter().chain([most + 1]) {
            let (code, reported) = dry_run(folder.path(), &field.config(bad));
            assert_eq!(code, Some(2), "{name} {bad} is accepted");
            let line = CONFIG.lines().count() + 1;
            for part in [
                format!("freshet.yaml:{line}:"),
                "is too ".to_owned(),
                "help: from ".to_owned(),
            ] {
                assert!(
                    reported.contains(&part),
                    "{name} {bad}: no {part:?} in\n{reported}"
                );
            }
        }
    }
}

#[test]
fn what_was_probably_meant_is_named_for_fields_choices_levels_and_properties() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir_all(folder.path().join("registry")).expect("made");
    for (from, to, meant) in [
        (
            "registry: registry",
            "registry: registry\nlog: { level: debgu }",
            "debug",
        ),
        (
            "registry: registry",
            "registry: registry\nlog: { form: jsn }",
            "json",
        ),
        (
            "registry: registry",
            "registry: registry\nadmin: { lsiten: \"127.0.0.1:1\" }",
            "listen",
        ),
        (
            "127.0.0.1:1\" }\n",
            "127.0.0.1:1\", start: earlyest }\n",
            "earliest",
        ),
        (
            "127.0.0.1:1\" }\n",
            "127.0.0.1:1\", properties: { sesion.timeout.ms: \"1\" } }\n",
            "session.timeout.ms",
        ),
        ("redis: {", "reids: {", "redis"),
    ] {
        let (code, reported) = dry_run(folder.path(), &CONFIG.replacen(from, to, 1));
        assert_eq!(code, Some(2), "{to}: {reported}");
        let wanted = format!("did you mean `{meant}`?");
        assert!(
            reported.contains(&wanted),
            "{to}: no {wanted:?} in\n{reported}"
        );
        assert!(reported.contains("freshet.yaml:"), "{reported}");
    }
}

#[test]
fn a_log_filter_of_the_environment_that_would_silence_everything_is_refused() {
    let output = Command::new(env!("CARGO_BIN_EXE_freshet"))
        .args([
            "run",
            "--dry-run",
            "--config",
            "../../examples/shop/freshet.yaml",
        ])
        .env("FRESHET_LOG", "debgu")
        .output()
        .expect("freshet runs");
    let reported = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{reported}");
    assert!(reported.contains("did you mean `debug`?"), "{reported}");
}
