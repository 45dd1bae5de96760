//! Registries of a few bytes or many files that would take all time or memory: each has an answer in bounded time.
//! The times are for a busy machine and a build without optimisation; without the bounds they are minutes, or memory ends.

use std::fmt::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use freshet_registry::diagnostics::Diagnostics;
use freshet_registry::{Loaded, load_files};

const SOURCE: &str = "\
database: shop
engine: postgres
tables:
  - table: shop.public.items
    replica_identity: full
    primary_key: [id]
    columns: [{ name: id, type: bigint, nullable: false }]
";

fn family(name: &str, key: &str, rest: &str) -> String {
    format!(
        "\
family: catalog.{name}
schema_version: 1
owner: {{ team: catalog }}
lifecycle: active
freshness: {{ class: strict, within: 2s, objective: 99.9%, window: 28d }}
max_ttl: 1h
redis: {{ target: main, keys: [\"catalog:v1:{key}\"] }}
{rest}"
    )
}

fn one(family: String) -> Vec<(PathBuf, String)> {
    vec![
        ("sources/shop.yaml".into(), SOURCE.to_owned()),
        ("families/item.yaml".into(), family),
    ]
}

/// The answer, which takes at most `seconds`.
fn within(seconds: u64, files: Vec<(PathBuf, String)>) -> Result<Loaded, Diagnostics> {
    let begun = Instant::now();
    let answer = load_files(files);
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(seconds), "{took:?}");
    answer
}

fn refused(seconds: u64, files: Vec<(PathBuf, String)>, code: &str) -> String {
    let found = within(seconds, files).expect_err("refused");
    let text = found.render();
    assert!(text.contains(&format!("error[{code}]")), "{text}");
    assert!(text.contains("item.yaml:"), "{text}");
    // However much is wrong.
    assert!(text.len() < 1 << 20, "{} bytes", text.len());
    text
}

#[test]
fn p14_names_are_counted_before_they_are_made() {
    let places: Vec<String> = (0..80).map(|at| format!("{{p{at}}}")).collect();
    let bound: Vec<String> = (0..80).map(|at| format!("p{at}: [a, b]")).collect();
    // 2^40, and 2^80, which no number here holds.
    for count in [40, 80] {
        let key = format!("item:{}", places[..count].join(":"));
        let rest = format!(
            "sources:\n  - table: shop.public.items\n    bind: {{ {} }}\n",
            bound[..count].join(", ")
        );
        let text = refused(5, one(family("item", &key, &rest)), "FR0018");
        let wanted = if count == 40 {
            "1099511627776 names"
        } else {
            "than can be counted"
        };
        assert!(text.contains(wanted), "{text}");
    }
    let most = "fan_out_max: 10001\nsources:\n  - table: shop.public.items\n    bind: { id: id }\n";
    refused(5, one(family("item", "item:{id}", most)), "FR0003");
    let none = "sources:\n  - table: shop.public.items\n    bind: { id: [] }\n";
    refused(5, one(family("item", "item:{id}", none)), "FR0003");
    // Each template is within `fan_out_max`; together they are not.
    let together =
        "fan_out_max: 3\nsources:\n  - table: shop.public.items\n    bind: { id: [a, b] }\n";
    let two = family("item", "item:{id}\", \"catalog:v1:item:{id}:x", together);
    refused(5, one(two), "FR0018");
    // Few names for one change, but many tables with long ones.
    let mut rest = String::from("fan_out_max: 10000\nsources:\n");
    let list: Vec<String> = (0..100).map(|at| format!("c{at}")).collect();
    for _ in 0..50 {
        let list = list.join(", ");
        let _ = writeln!(
            rest,
            "  - table: shop.public.items\n    bind: {{ a: [{list}], b: [{list}] }}"
        );
    }
    let long = format!("item:{}:{{a}}:{{b}}", "x".repeat(1000));
    let text = refused(20, one(family("item", &long, &rest)), "FR0018");
    assert!(text.contains("67108864 bytes"), "{text}");
}

#[test]
fn p14_faults_are_shown_up_to_a_number_and_all_are_counted() {
    // On long lines, and each on its own.
    for between in [", ", ",\n      "] {
        let mut rest = "sources:\n".to_owned();
        for source in 0..10 {
            let columns: Vec<String> = (0..2_000).map(|at| format!("no{source}x{at}")).collect();
            let columns = columns.join(between);
            let _ = writeln!(
                rest,
                "  - table: shop.public.items\n    bind: {{ id: id }}\n    when_changed: [{columns}]"
            );
        }
        let text = refused(30, one(family("item", "item:{id}", &rest)), "FR0011");
        assert!(text.contains("… and 19900 errors more"), "{text}");
        assert!(text.ends_with("20000 errors, 0 warnings\n"), "{text}");
        assert!(text.len() < 100_000, "{} bytes", text.len());
    }
}

#[test]
fn p12_control_characters_of_a_file_reach_no_terminal() {
    let name = "\"item\\e[2J\\u202E\\0\"";
    let text = family("item", "item:{id}", "sources: []\n").replace("catalog.item", name);
    let shown = refused(5, one(text), "FR0003");
    let raw = one(family(
        "item",
        "item:{id}",
        "# \u{202e}\u{200b}\nsources: [{ table: \u{202e} }]\n",
    ));
    let shown = shown + &within(5, raw).expect_err("refused").render();
    let bad = |it: char| (it.is_control() && it != '\n') || matches!(it, '\u{202e}' | '\u{200b}');
    assert!(!shown.contains(bad), "{}", shown.escape_debug());
}

#[test]
fn p14_yaml_that_stands_for_much_is_refused() {
    let mut laughs = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for at in 1..12 {
        let before = vec![format!("*a{}", at - 1); 10].join(", ");
        let _ = writeln!(laughs, "a{at}: &a{at} [{before}]");
    }
    let deep = format!("family: {}x", "[".repeat(100_000));
    let wide = format!("family: [{}]", "a,".repeat(1 << 20));
    let example = format!(
        "sources: []\nexamples: [{{ change: {{ table: a, op: c, after: {{ a: {}1{} }} }} }}]\n",
        "[".repeat(60),
        "]".repeat(60)
    );
    for text in [laughs, deep, wide, family("item", "item", &example)] {
        refused(10, one(text), "FR0002");
    }
}

/// 2 000 families on one table, each with an example, and 2 000 tables: nothing is compared with everything.
#[test]
fn p14_a_large_registry_is_checked_in_time_with_its_size() {
    let mut source = String::from("database: shop\nengine: postgres\ntables:\n");
    for at in 0..2_000 {
        let _ = writeln!(
            source,
            "  - {{ table: shop.public.t{at}, replica_identity: full, primary_key: [id], columns: [{{ name: id, type: bigint }}] }}"
        );
    }
    let mut files = vec![(PathBuf::from("sources/shop.yaml"), source)];
    for at in 0..2_000 {
        let rest = format!(
            "sources: [{{ table: shop.public.t0, bind: {{ id: id }} }}]\nexamples:\n  - {{ change: {{ table: shop.public.t0, op: c, after: {{ id: 1 }} }}, purges: {{ redis: [\"catalog:v1:n{at}:1\"] }} }}\n"
        );
        let text = family(&format!("n{at}"), &format!("n{at}:{{id}}"), &rest);
        files.push((format!("families/n{at}.yaml").into(), text));
    }
    let loaded = within(60, files).unwrap_or_else(|found| panic!("{}", found.render()));
    assert_eq!(loaded.examples.run, 2_000);
}
