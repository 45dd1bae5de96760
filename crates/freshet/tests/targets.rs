//! Targets over HTTP in the config: what is good is described, and what is wrong is refused at its place.

mod support;

use std::fs;

use support::small::{CONFIG, FAMILY, deployment, freshet, reported};

/// Exit code and everything that a dry run says of a config with this target, which stands in line 5.
fn dry_run(target: &str) -> (Option<i32>, String) {
    let config = format!("{CONFIG}  x: {{ {target} }}\n");
    let folder = deployment(&config, FAMILY);
    fs::write(folder.path().join("secret"), "hunter2\n").expect("secret");
    let output = freshet(&["run", "--dry-run"], folder.path());
    (output.status.code(), reported(&output))
}

#[test]
fn every_provider_is_taken_with_all_that_its_page_describes() {
    for target in [
        "varnish: { nodes: [\"http://x:1\"], purge_header: a, soft_header: b, host: c }",
        "fastly: { service_id: SU1Z0isx, token: { file: secret }, api: \"http://x:1\" }",
        "cloudflare: { zone_id: a1, token: { file: secret }, account_id: b2, environment_id: c3, soft: true, tags_per_call: 30, requests_per_minute: 300, burst: 25 }",
        "http: { url: \"http://x:1/purge/{name}\", nothing_cached: [404, 412] }",
        "http: { url: \"https://x/p?tags={names}&t={name}\", method: DELETE, names_per_call: 7 }",
        "http: { url: \"http://x\", headers: { Surrogate-Key: \"{names}\", X-Mode: hard }, separator: \", \", success: [204] }",
        "http: { url: \"http://x/\", method: POST, body: \"{ \\\"tags\\\": {names_json} }\", ping: \"http://x/health\", secret_header: { name: Authorization, value: { file: secret } } }",
    ] {
        let (code, shown) = dry_run(target);
        assert_eq!(code, Some(0), "{target}: {shown}");
    }
}

/// Each with `^` before the place that is named.
const WRONG: [(&str, &str); 20] = [
    ("varnish: ^{ nodes: [] }", "`nodes` has no node"),
    (
        "varnish: ^{ nodes: [\"http://x:1\"], purge_header: \"a b\" }",
        "`purge_header` is not",
    ),
    (
        "^varnish: { nodes: [\"http://x:1\"] }, http: { url: \"http://x/{name}\" }",
        "one of: redis, varnish, fastly, cloudflare, http",
    ),
    (
        "fastly: { service_id: ^a/b, token: { file: secret } }",
        "`service_id` is not an id",
    ),
    (
        "cloudflare: { zone_id: a, token: { file: secret }, account_id: ^../x }",
        "`account_id` is not an id",
    ),
    (
        "cloudflare: { zone_id: a, token: { file: secret }, secret_header: { name: ^Authorization, value: { file: secret } } }",
        "a purge already has",
    ),
    (
        "http: ^{ url: \"http://x/purge-all\" }",
        "has no placeholder",
    ),
    (
        "http: { url: ^\"http://x/{nmae}\" }",
        "did you mean `{name}`?",
    ),
    ("http: { url: ^\"http://{name}/x\" }", "in the host"),
    (
        "http: { url: ^\"http://x/{name}?key=hunter2\" }",
        "a query without a placeholder",
    ),
    (
        "http: { url: ^\"http://u:hunter2@x/{name}\" }",
        "contains credentials",
    ),
    (
        "http: { url: \"http://x/{name}\", method: ^\"a b\" }",
        "is not a method",
    ),
    (
        "http: { url: \"http://x/{name}\", headers: { Authorization: ^hunter2 } }",
        "`secret_header:",
    ),
    (
        "http: { url: \"http://x/{name}\", headers: { \"a b\": ^c } }",
        "is not a header",
    ),
    (
        "http: { url: \"http://x/{name}\", body: ^\"{hunter2}\" }",
        "`{name}`, `{names}` or `{names_json}`",
    ),
    (
        "http: { url: \"http://x/{name}\", content_type: ^\"a\\nb\" }",
        "is not a content type",
    ),
    (
        "http: { url: \"http://x/{name}\", success: [^404] }",
        "`404` is not allowed here",
    ),
    (
        "http: { url: \"http://x/{name}\", nothing_cached: [404, ^401] }",
        "`401` is not allowed here",
    ),
    (
        "http: ^{ url: \"http://x\", headers: { X-Tags: \"{names}\" }, separator: \"\\n\" }",
        "`separator` has characters",
    ),
    (
        "http: { url: \"http://x/{name}\", ping: ^x }",
        "is not a valid URL",
    ),
];

#[test]
fn what_is_wrong_with_a_target_is_refused_at_its_place_with_help() {
    for (target, fault) in WRONG {
        let column = "  x: { ".len() + target.find('^').expect("a place") + 1;
        let (code, shown) = dry_run(&target.replace('^', ""));
        assert_eq!(code, Some(2), "{target} is accepted");
        // A target that is several things is named as a whole.
        let column = if target.starts_with('^') { 6 } else { column };
        let place = format!("freshet.yaml:5:{column}\n");
        for part in [place.as_str(), fault, "help: "] {
            assert!(shown.contains(part), "{target}: no {part:?} in\n{shown}");
        }
        assert!(!shown.contains("hunter2"), "{target}: {shown}");
    }
}

/// A family takes `main` for a Redis or for a cache of pages; the config says which it is.
#[test]
fn a_target_is_described_as_what_the_config_makes_it_and_must_suit_the_families() {
    let keys = "redis: { target: main, keys: [\"catalog:v1:item:{id}\"] }";
    let tags = "cdn: { targets: [main], tags: [\"item-{id}\"] }";
    let redis = "redis: { url: \"redis://127.0.0.1:1\" }";
    let provider = "http: { url: \"http://x/{name}\" }";
    for (names, cache, code, said) in [
        (keys, redis, 0, "purges main (redis, at once)"),
        (
            tags,
            provider,
            0,
            "purges main (http, through freshet.purges.main)",
        ),
        (
            keys,
            provider,
            2,
            "target `main` as redis, but the config declares it as http",
        ),
        (
            tags,
            redis,
            2,
            "target `main` as varnish or fastly or cloudflare or http, but the config declares it as redis",
        ),
    ] {
        let (config, family) = (CONFIG.replace(redis, cache), FAMILY.replace(keys, names));
        let folder = deployment(&config, &family);
        let output = freshet(&["run", "--dry-run"], folder.path());
        let shown = reported(&output) + &String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(code), "{shown}");
        assert!(shown.contains(said), "no {said:?} in\n{shown}");
    }
}
