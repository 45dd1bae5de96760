//! What a family file comes to in the registry that is served: every word of every field.

mod small;

use freshet_core::registry::{
    EntryVersion, Family, FreshnessClass, LetterPolicy, OnSnapshot, OnTruncate, Place, PurgeMode,
    Scope,
};
use small::{NOTE, SOURCE, check, refused, with};

/// The family after one change of its file.
fn family(from: &str, to: &str) -> Family {
    let loaded = with(from, to).unwrap_or_else(|found| panic!("{to}: {}", found.render()));
    let family = loaded.registry.families.first();
    family.expect("the only one").clone()
}

/// The family with another line in its file.
fn family_with(line: &str) -> Family {
    family("guard: none\n", &format!("guard: none\n{line}\n"))
}

/// What is said of the file with another line, which is the eighth.
fn told_of(line: &str) -> String {
    let found = with("guard: none\n", &format!("guard: none\n{line}\n"));
    found.expect_err(line).render()
}

/// The family's place at a CDN.
fn tagged(family: &Family) -> &Place {
    let mut places = family.places.iter();
    places
        .find(|place| place.exact == Scope::Tag)
        .expect("a place with tags")
}

#[test]
fn what_a_file_does_not_say_is_the_strict_choice() {
    let family = family("  mode: soft\n", "");
    assert_eq!(tagged(&family).mode, PurgeMode::Hard);
    assert_eq!(family.on_truncate, OnTruncate::Family);
    assert_eq!(family.on_snapshot, OnSnapshot::Ignore);
    assert_eq!(family.dead_letters, LetterPolicy::None);
    assert_eq!(family.entry_version, None);
    assert_eq!(family.fan_out_max, 64);
}

#[test]
fn each_word_of_a_field_is_what_it_says() {
    for (word, class) in [
        ("strict", FreshnessClass::Strict),
        ("soft", FreshnessClass::Soft),
        ("batch", FreshnessClass::Batch),
    ] {
        let family = family("class: strict", &format!("class: {word}"));
        assert_eq!(family.freshness.class, class);
    }
    for (word, mode) in [("soft", PurgeMode::Soft), ("hard", PurgeMode::Hard)] {
        let family = family("mode: soft", &format!("mode: {word}"));
        assert_eq!(tagged(&family).mode, mode);
    }
    for (word, wanted) in [
        ("family", OnTruncate::Family),
        ("ignore", OnTruncate::Ignore),
    ] {
        let family = family_with(&format!("on_truncate: {word}"));
        assert_eq!(family.on_truncate, wanted);
    }
    for (word, wanted) in [
        ("ignore", OnSnapshot::Ignore),
        ("purge", OnSnapshot::Purge),
        ("verify", OnSnapshot::Verify),
    ] {
        let version = "entry_version: { field: rev, column: name }";
        let family = family_with(&format!("on_snapshot: {word}\n{version}"));
        assert_eq!(family.on_snapshot, wanted);
    }
    for (word, wanted) in [
        ("none", LetterPolicy::None),
        ("keys-only", LetterPolicy::KeysOnly),
        ("redacted", LetterPolicy::Redacted),
        ("full", LetterPolicy::Full),
    ] {
        let family = family_with(&format!("dead_letters: {word}"));
        assert_eq!(family.dead_letters, wanted);
    }
    for (format, hash) in [
        ("", false),
        (", format: json", false),
        (", format: hash", true),
    ] {
        let family = family_with(&format!(
            "entry_version: {{ field: rev, column: name{format} }}"
        ));
        let wanted = EntryVersion {
            field: "rev".into(),
            hash,
        };
        assert_eq!(family.entry_version, Some(wanted));
    }
    for lifecycle in ["active", "deprecated", "deprecated(2027-01-31)"] {
        family("lifecycle: active", &format!("lifecycle: {lifecycle}"));
    }
    for guard in ["lease", "version(name)"] {
        family("guard: none", &format!("guard: {guard}"));
    }
}

#[test]
fn a_word_that_no_field_has_is_refused_and_the_others_are_listed() {
    for (line, choices) in [
        ("on_truncate: all", "family, ignore"),
        ("on_snapshot: look", "ignore, verify, purge"),
        ("dead_letters: most", "none, keys-only, redacted, full"),
        (
            "entry_version: { field: rev, column: name, format: xml }",
            "json, hash",
        ),
    ] {
        let told = told_of(line);
        assert!(told.contains("error[FR0003]"), "{told}");
        assert!(told.contains("item.yaml:8:"), "{told}");
        assert!(told.contains(&format!("one of: {choices}\n")), "{told}");
    }
    for (lifecycle, why) in [
        ("shadow", "`shadow` is not supported yet"),
        ("canary", "`canary` is not supported yet"),
        ("canary(5%)", "`canary` is not supported yet"),
        ("deprecated()", "is not a lifecycle"),
        ("deprecated(soon)", "has no valid date"),
    ] {
        let changed = format!("lifecycle: {lifecycle}");
        refused("lifecycle: active", &changed, "FR0026", 4);
        let told = with("lifecycle: active", &changed).expect_err(lifecycle);
        assert!(told.render().contains(why), "{}", told.render());
    }
    for guard in ["version", "version()", "version( )", "leases"] {
        refused("guard: none", &format!("guard: {guard}"), "FR0003", 7);
    }
}

#[test]
fn a_family_is_called_by_its_domain_and_its_noun() {
    for name in ["item", ".item", "catalog.", "catalog.Item", "catalog.it em"] {
        refused(
            "family: catalog.item",
            &format!("family: \"{name}\""),
            "FR0003",
            1,
        );
    }
}

#[test]
fn an_objective_is_a_share_above_none_and_below_all() {
    for (written, share) in [("99.9%", 0.999), ("50 %", 0.5), ("0.1%", 0.001)] {
        let family = family("objective: 99.9%", &format!("objective: {written}"));
        let objective = family.freshness.objective;
        assert!((objective - share).abs() < 1e-9, "{written}: {objective}");
    }
    for written in ["0%", "100%", "-1%", "99.9", "most"] {
        refused(
            "objective: 99.9%",
            &format!("objective: {written}"),
            "FR0003",
            5,
        );
    }
}

#[test]
fn one_change_purges_one_name_at_least_and_no_more_than_the_most() {
    for most in [4, 10_000] {
        let family = family_with(&format!("fan_out_max: {most}"));
        assert_eq!(family.fan_out_max, most);
    }
    for (most, why) in [
        (0, "nothing could be purged"),
        (10_001, "could purge more names than one change may"),
    ] {
        let told = told_of(&format!("fan_out_max: {most}"));
        assert!(
            told.contains("error[FR0003]") && told.contains(why),
            "{told}"
        );
    }
}

#[test]
fn a_family_tag_is_short_and_of_what_a_tag_may_hold() {
    let longest = "x".repeat(32);
    let given = family(
        "mode: soft",
        &format!("mode: soft\n  family_tag: {longest}"),
    );
    let all: Vec<_> = tagged(&given).everything().collect();
    assert_eq!(all, [(Scope::Family, longest.as_bytes())]);
    for tag in ["", "Items", "two words", &"x".repeat(33)] {
        refused(
            "mode: soft",
            &format!("mode: soft\n  family_tag: \"{tag}\""),
            "FR0016",
            15,
        );
    }
}

/// What is said of a note's keys, whose placeholders are bound as told.
fn told_of_keys(keys: &[&str], bind: &str, fan_out_max: usize) -> String {
    let keys: Vec<String> = keys
        .iter()
        .map(|key| format!("\"catalog:v1:notes:{key}\""))
        .collect();
    let family = NOTE
        .replace("\"catalog:v1:notes:{id}\"", &keys.join(", "))
        .replace("{ id: id }", &format!("{{ {bind} }}"));
    let family = format!("{family}fan_out_max: {fan_out_max}\n");
    let files = [("sources/s.yaml", SOURCE), ("families/n.yaml", &family)];
    check(&files).map_or_else(|found| found.render(), |_| String::new())
}

#[test]
fn constants_make_no_more_names_than_a_family_may_purge_of_one_change() {
    // Names that no constants are in are purged as one when they are too many.
    assert_eq!(told_of_keys(&["a{id}", "b{id}"], "id: id", 1), "");
    let two = ["{a}", "x{a}"];
    assert_eq!(told_of_keys(&two, "a: [b, c]", 4), "");
    for (keys, why) in [
        (
            &two[..1],
            "error[FR0018]: its constants expand it to 2 names\n",
        ),
        (
            &two[..],
            "error[FR0018]: its constants expand it to 2 names, in addition to 2 of the templates before it\n",
        ),
    ] {
        let told = told_of_keys(keys, "a: [b, c]", 2 * keys.len() - 1);
        assert!(told.contains(why), "{told}");
    }
    // 2^80 names.
    let key: Vec<String> = (0..80).map(|at| format!("{{p{at}}}")).collect();
    let bind: Vec<String> = (0..80).map(|at| format!("p{at}: [a, b]")).collect();
    let told = told_of_keys(&[&key.join(":")], &bind.join(", "), 64);
    let why = "error[FR0018]: its constants expand it to more names than can be counted\n";
    assert!(told.contains(why), "{told}");
}

#[test]
fn names_of_a_registry_take_no_more_than_there_is_room_for() {
    // Each may be as long as the longest.
    let list = |long: usize| {
        let short = (0..1_000).map(|at| at.to_string());
        let list: Vec<String> = short.chain(["x".repeat(long)]).collect();
        told_of_keys(&["{a}"], &format!("a: [{}]", list.join(", ")), 10_000)
    };
    assert_eq!(list(60_000), "");
    let told = list(70_000);
    assert!(
        told.contains("error[FR0018]: the templates of the registry"),
        "{told}"
    );
    assert!(told.contains("more than 67108864 bytes"), "{told}");
}
