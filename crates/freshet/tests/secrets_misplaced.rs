//! Promise P12 on the real binary: a secret that stands where none belongs is refused, and not repeated.

mod support;

use std::collections::BTreeSet;

use support::marked::{MARK, PLANTED, World, assert_clean};
use support::written::structs;

/// Every other text of the config. None of them is a secret or holds one: names, paths and addresses to listen on.
const PLAIN: [&str; 32] = [
    "AdminWritten.listen",
    "BeaconWritten.engine",
    "BeaconWritten.table",
    "BeaconWritten.targets",
    "BeaconWritten.topic",
    "CloudflareWritten.account_id",
    "CloudflareWritten.environment_id",
    "CloudflareWritten.zone_id",
    "ConfigWritten.beacons",
    "ConfigWritten.heartbeats",
    "ConfigWritten.registry",
    "ConfigWritten.targets",
    "ConfigWritten.transactions",
    "FastlyWritten.service_id",
    "HttpWritten.content_type",
    "HttpWritten.method",
    "HttpWritten.separator",
    "KafkaWritten.group",
    "KafkaWritten.start",
    "KafkaWritten.static_member",
    "LogWritten.level",
    "OutboxWritten.backlog_prefix",
    "OutboxWritten.dead_letters",
    "OutboxWritten.positions",
    "OutboxWritten.topic_prefix",
    "RedisWritten.ca_file",
    "RedisWritten.username",
    "SchemaRegistryWritten.username",
    "SentinelWritten.master",
    "SentinelWritten.username",
    "VarnishWritten.host",
    "VarnishWritten.purge_header",
];

/// `Struct.field` and the type of every field of the config, out of its source.
fn fields() -> Vec<(String, String)> {
    let structs = structs().into_iter();
    let fields = structs.flat_map(|(of, fields)| {
        let named = move |(name, kind)| (format!("{of}.{name}"), kind);
        fields.into_iter().map(named)
    });
    fields.collect()
}

#[test]
fn p12_every_text_of_the_config_is_planted_or_known_to_be_plain() {
    let fields = fields();
    assert!(fields.len() > 60, "{} fields", fields.len());
    let secret = |kind: &str| {
        ["SecretWritten", "AddressWritten", "PropertyWritten"]
            .iter()
            .any(|it| kind.contains(it))
    };
    let named = |wanted: &dyn Fn(&str) -> bool| -> BTreeSet<&str> {
        let found = fields.iter().filter(|(_, kind)| wanted(kind));
        found.map(|(name, _)| name.as_str()).collect()
    };
    let planted: BTreeSet<&str> = PLANTED.into_iter().collect();
    let mut wanted = named(&|kind| secret(kind));
    wanted.insert("SecretHeaderWritten.name");
    assert_eq!(planted, wanted, "left: planted, right: the config");
    let texts = named(&|kind| kind.contains("String") && !secret(kind));
    let known: BTreeSet<&str> = PLAIN.into_iter().chain(PLANTED).collect();
    let new: Vec<_> = texts
        .difference(&known)
        .filter(|it| !it.ends_with("soft_header"))
        .collect();
    assert!(
        new.is_empty(),
        "{new:?}: give it a type that cannot be printed and plant a marker, or add it to PLAIN"
    );
    for (name, _) in &fields {
        let at = name.split('.').nth(1).expect("a field");
        let suspicious = ["password", "token", "secret", "url", "bearer", "key"];
        let is_number =
            name.ends_with("keys_per_command") || name.ends_with("scan_keys_per_second");
        let is_section = name.ends_with("secret_header");
        if suspicious.iter().any(|it| at.contains(it)) && !is_number && !is_section {
            assert!(planted.contains(name.as_str()), "{name} is not planted");
        }
    }
}

/// Part of a config, with `{wrong}` where the mistake stands.
enum Part {
    Kafka(&'static str),
    Section(&'static str),
    Target(&'static str),
}

impl Part {
    fn config(&self, wrong: &str) -> String {
        let (kafka, section, target) = match self {
            Self::Kafka(kafka) => (*kafka, "", ""),
            Self::Section(section) => ("brokers: \"127.0.0.1:1\"", *section, ""),
            Self::Target(target) => ("brokers: \"127.0.0.1:1\"", "", *target),
        };
        let config = format!(
            "registry: registry\nkafka: {{ {kafka} }}\ntargets:\n  main: {{ redis: {{ url: \"redis://x:1\" }} }}\n{target}\n{section}\n"
        );
        config.replace("{wrong}", wrong)
    }
}

const PROPERTIES: Part = Part::Kafka("brokers: \"x:1\", properties: { {wrong} }");

/// Where a secret belongs.
const SECRETS: [(&str, Part); 8] = [
    (
        "KafkaWritten.secret_properties",
        Part::Kafka("brokers: \"x:1\", secret_properties: { sasl.password: {wrong} }"),
    ),
    (
        "SchemaRegistryWritten.password",
        Part::Section("schema_registry: { url: \"http://x:1\", password: {wrong} }"),
    ),
    (
        "SchemaRegistryWritten.bearer",
        Part::Section("schema_registry: { url: \"http://x:1\", bearer: {wrong} }"),
    ),
    (
        "RedisWritten.password",
        Part::Target("  x: { redis: { url: \"redis://x:1\", password: {wrong} } }"),
    ),
    (
        "SentinelWritten.password",
        Part::Target(
            "  x: { redis: { sentinel: { nodes: [\"redis://x:1\"], master: m, password: {wrong} } } }",
        ),
    ),
    (
        "FastlyWritten.token",
        Part::Target("  x: { fastly: { service_id: x, token: {wrong} } }"),
    ),
    (
        "CloudflareWritten.token",
        Part::Target("  x: { cloudflare: { zone_id: x, token: {wrong} } }"),
    ),
    (
        "SecretHeaderWritten.value",
        Part::Target(
            "  x: { varnish: { nodes: [\"http://x:1\"], secret_header: { name: X-A, value: {wrong} } } }",
        ),
    ),
];

/// Forms of a secret that are none. The first is what everybody tries.
const NO_SECRETS: [&str; 12] = [
    "{mark}",
    "[{mark}]",
    "{ {mark} }",
    "{ env: {mark} }",
    "{ file: {mark} }",
    "{ env: {mark}, file: {mark} }",
    "{ env: [{mark}] }",
    "*{mark}",
    "&{mark}",
    "",
    "!{mark} x",
    "\"{mark}",
];

/// Where an address belongs.
const ADDRESSES: [(&str, &str, Part); 10] = [
    (
        "KafkaWritten.brokers",
        "plaintext",
        Part::Kafka("brokers: \"{wrong}\""),
    ),
    (
        "SchemaRegistryWritten.url",
        "http",
        Part::Section("schema_registry: { url: \"{wrong}\" }"),
    ),
    (
        "VarnishWritten.nodes",
        "http",
        Part::Target("  x: { varnish: { nodes: [\"{wrong}\"] } }"),
    ),
    (
        "FastlyWritten.api",
        "https",
        Part::Target("  x: { fastly: { service_id: x, token: { env: PATH }, api: \"{wrong}\" } }"),
    ),
    (
        "CloudflareWritten.api",
        "https",
        Part::Target("  x: { cloudflare: { zone_id: x, token: { env: PATH }, api: \"{wrong}\" } }"),
    ),
    (
        "HttpWritten.url",
        "http",
        Part::Target("  x: { http: { url: \"{wrong}\", method: PURGE } }"),
    ),
    (
        "HttpWritten.ping",
        "http",
        Part::Target("  x: { http: { url: \"http://x/{name}\", ping: \"{wrong}\" } }"),
    ),
    (
        "RedisWritten.url",
        "redis",
        Part::Target("  x: { redis: { url: \"{wrong}\" } }"),
    ),
    (
        "SentinelWritten.nodes",
        "redis",
        Part::Target("  x: { redis: { sentinel: { nodes: [\"{wrong}\"], master: m } } }"),
    ),
    (
        "ClusterWritten.nodes",
        "redis",
        Part::Target("  x: { redis: { cluster: { nodes: [\"{wrong}\"] } } }"),
    ),
];

/// Forms of an address with credentials in it.
const NO_ADDRESSES: [&str; 2] = ["{scheme}://u:{mark}@127.0.0.1:1", "{scheme}://{mark}@x"];
/// Forms that only a URL is refused for.
const NO_URLS: [&str; 4] = [
    "{scheme}://x/?token={mark}",
    "ftp://{mark}",
    "{scheme}:/{mark}",
    "{mark} x",
];

/// Properties in the wrong place, with a wrong value, or in the line of another fault.
const NO_PROPERTIES: [&str; 14] = [
    "sasl.oauthbearer.config: {mark}",
    "sasl.password: {mark}",
    "ssl.key.password: {mark}",
    "ssl.key.pem: {mark}",
    "ssl.keystore.password: {mark}",
    "group.id: {mark}",
    "acks: {mark}",
    "no.such.property: {mark}",
    "session.timeout.ms: {mark}",
    "security.protocol: {mark}",
    "bootstrap.servers: {mark}",
    "enable.auto.commit: {mark}",
    "sasl.oauthbearer.token.endpoint.url: \"https://u:{mark}@x\"",
    "client.rack: {mark}, securty.protocol: ssl",
];

/// Texts of a purge with a secret in them.
const NO_TEXTS: [(&str, &str); 4] = [
    (
        "HttpWritten.headers",
        "headers: { Authorization: \"Bearer {mark}\" }",
    ),
    ("HttpWritten.headers", "headers: { X-Api-Key: {mark} }"),
    (
        "HttpWritten.headers",
        "headers: { X-Tags: \"{names} {{mark}}\" }",
    ),
    (
        "HttpWritten.body",
        "body: \"{ \\\"token\\\": \\\"{{mark}}\\\" }\"",
    ),
];

/// Configs in which somebody wrote the secret itself, one mistake each, by the field.
fn mistakes() -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    for wrong in NO_PROPERTIES {
        found.push(("KafkaWritten.properties", PROPERTIES.config(wrong)));
    }
    for (field, part) in &SECRETS {
        found.extend(NO_SECRETS.map(|wrong| (*field, part.config(wrong))));
    }
    for (field, scheme, part) in &ADDRESSES {
        let is_url = *field != "KafkaWritten.brokers";
        for form in NO_ADDRESSES.iter().chain(NO_URLS.iter().filter(|_| is_url)) {
            found.push((*field, part.config(&form.replace("{scheme}", scheme))));
        }
    }
    let http = Part::Target("  x: { http: { url: \"http://x/{name}\", {wrong} } }");
    found.extend(NO_TEXTS.map(|(field, wrong)| (field, http.config(wrong))));
    let header = Part::Target(
        "  x: { varnish: { nodes: [\"http://x:1\"], secret_header: { name: {wrong}, value: { env: PATH } } } }",
    );
    found.push(("SecretHeaderWritten.name", header.config("\"X-A: {mark}\"")));
    for (_, config) in &mut found {
        *config = config.replace("{mark}", MARK);
    }
    found
}

#[test]
fn p12_a_secret_in_the_wrong_place_is_refused_with_its_place_and_not_repeated() {
    let world = World::new();
    let mistakes = mistakes();
    let planted: BTreeSet<&str> = mistakes.iter().map(|(field, _)| *field).collect();
    assert_eq!(
        planted,
        PLANTED.into_iter().collect(),
        "left: mistakes, right: all"
    );
    for (field, config) in &mistakes {
        world.write(config);
        for args in [
            &["run"][..],
            &["run", "--dry-run"],
            &["run", "--log-form", "json"],
            &["dlq", "list"],
        ] {
            let (code, written) = world.ends(args);
            assert_eq!(code, Some(2), "{field}: {args:?}\n{config}\n{written}");
            assert!(
                written.contains("freshet.yaml:"),
                "{field} has no place: {written}"
            );
            assert_clean(&format!("{args:?} with a wrong {field}"), &written);
        }
    }
}
