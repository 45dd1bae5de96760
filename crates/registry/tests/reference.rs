//! `docs/registry.md` against the code: every code, every field, and every answer that the page shows.

mod pages;

use std::collections::{BTreeMap, BTreeSet};

use pages::{blocks, check, codes_in_source, page, sample, schema, sections};
use serde_json::Value;

#[test]
fn every_code_has_a_section_and_every_section_a_code() {
    let sections: BTreeSet<String> = sections().into_keys().collect();
    let codes = codes_in_source();
    assert!(codes.len() > 20, "looked in the wrong place: {codes:?}");
    assert_eq!(sections, codes, "left: docs/registry.md, right: the code");
}

#[test]
fn the_sample_of_the_page_is_good() {
    let loaded = check(&sample()).unwrap_or_else(|found| panic!("{}", found.render()));
    assert!(loaded.warnings.is_empty(), "{}", loaded.warnings.render());
    assert_eq!((loaded.files, loaded.examples.run), (3, 1));
}

/// What `diff` makes of `files`. Hunks are found by their lines.
fn patched(files: &BTreeMap<String, String>, diff: &str) -> BTreeMap<String, String> {
    let mut files = files.clone();
    for part in diff.split("--- ").skip(1) {
        let (name, hunks) = part.split_once('\n').expect("the file's name");
        let text = files.get_mut(name).expect("a file of the sample");
        for hunk in hunks.split("@@\n") {
            let side = |other: char| -> String {
                let lines = hunk.lines().filter(|line| !line.starts_with(other));
                lines.map(|line| format!("{}\n", &line[1..])).collect()
            };
            let (old, new) = (side('+'), side('-'));
            assert_eq!(text.matches(&old).count(), 1, "not once in {name}:\n{old}");
            *text = text.replace(&old, &new);
        }
    }
    files
}

/// Each code is shown with a registry near the refused one that nothing is said of. What is about folders is not in a
/// file: the sample itself is the folder that is accepted.
#[test]
fn every_code_has_an_example_that_is_accepted() {
    let sample = sample();
    for (code, section) in sections() {
        if of_a_folder(&code).is_some() {
            continue;
        }
        let diffs = blocks(&section, "diff");
        let [_, accepted] = diffs[..] else {
            panic!("{code} has not two examples: {diffs:?}");
        };
        match check(&patched(&sample, accepted)) {
            Ok(loaded) => assert!(
                loaded.warnings.is_empty(),
                "{code}: {}",
                loaded.warnings.render()
            ),
            Err(found) => panic!("{code}: {}", found.render()),
        }
    }
}

/// Each code is shown with a change of the sample and with the answer to it: code, file, line, column, text
/// and help. Since every code has a section, every code has its case here.
#[test]
fn every_code_answers_as_its_section_shows() {
    let sample = sample();
    for (code, section) in sections() {
        let shown = *blocks(&section, "text").first().expect("an answer");
        let of_folder = of_a_folder(&code);
        let rendered = if let Some(found) = of_folder {
            found
        } else {
            let diff = *blocks(&section, "diff").first().expect("a change");
            let found = match check(&patched(&sample, diff)) {
                Ok(loaded) => loaded.warnings,
                Err(found) => found,
            };
            let codes: Vec<&str> = found.iter().map(|it| it.code).collect();
            assert_eq!(codes, [code.as_str()], "{}", found.render());
            let place = &found.iter().next().expect("one").place;
            assert!(place.line > 0 && place.column > 0, "{code} has no place");
            found.render()
        };
        let (told, count) = rendered.trim_end().rsplit_once("\n\n").expect("a count");
        assert_eq!(told, shown.trim_end(), "{code}");
        assert!(["1 error, 0 warnings", "0 errors, 1 warning"].contains(&count));
    }
}

/// What is said of a directory, for codes that are not about what stands in a file.
fn of_a_folder(code: &str) -> Option<String> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    std::fs::create_dir(path("sources")).expect("sources");
    if code != "FR0001" {
        for (name, text) in sample() {
            let name = path(name.strip_prefix("registry/").expect("below"));
            std::fs::create_dir_all(name.parent().expect("a folder")).expect("a folder");
            std::fs::write(name, text).expect("a file");
        }
    }
    match code {
        "FR0001" => {}
        "FR0009" => {
            let large = std::fs::File::create(path("sources/large.yaml")).expect("a file");
            large.set_len(9 << 20).expect("its size");
        }
        "FR0019" => std::fs::write(path("families/catalog/Cart.YAML"), "").expect("a file"),
        "FR0008" => {
            std::fs::remove_dir_all(path("families")).expect("removed");
            std::fs::create_dir(path("families")).expect("a folder");
        }
        _ => return None,
    }
    let found = match freshet_registry::load(folder.path()) {
        Ok(loaded) => loaded.warnings,
        Err(found) => found,
    };
    let path = folder.path().display().to_string();
    Some(found.render().replace(&path, "registry"))
}

/// Fields by the path of their object, as the page has them below `heading`.
fn fields_of_page(heading: &str) -> BTreeMap<String, BTreeSet<String>> {
    let page = page();
    let part = page.split(&format!("\n## {heading}\n")).nth(1);
    let part = part.and_then(|rest| rest.split("\n## ").next());
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut path = String::new();
    for line in part.expect("the part").lines() {
        if let Some(heading) = line.strip_prefix("### ") {
            path = heading.trim_matches('`').to_owned();
        } else if let Some(row) = line.strip_prefix("| `") {
            let cells: Vec<&str> = row.split(" | ").collect();
            assert_eq!(cells.len(), 4, "{line}");
            let name = cells[0].trim_end_matches('`').to_owned();
            assert!(found.entry(path.clone()).or_default().insert(name));
        }
    }
    found
}

fn fields_of_schema(schema: &Value, path: &str, found: &mut BTreeMap<String, BTreeSet<String>>) {
    if let Some(properties) = schema["properties"].as_object() {
        found.insert(path.to_owned(), properties.keys().cloned().collect());
        for (name, inner) in properties {
            let dot = if path.is_empty() { "" } else { "." };
            fields_of_schema(inner, &format!("{path}{dot}{name}"), found);
        }
    } else if schema["items"].is_object() {
        fields_of_schema(&schema["items"], &format!("{path}[]"), found);
    }
}

#[test]
fn the_page_has_every_field_and_no_other() {
    for (heading, name) in [("Source files", "source"), ("Family files", "family")] {
        let mut wanted = BTreeMap::new();
        fields_of_schema(&schema(name), "", &mut wanted);
        let on_page = fields_of_page(heading);
        assert_eq!(on_page, wanted, "left: docs/registry.md, right: {name}");
    }
}

/// What the page calls required, and the defaults it tells, are the schema's.
#[test]
fn the_page_tells_what_is_required() {
    for (heading, name) in [("Source files", "source"), ("Family files", "family")] {
        let page = page();
        let part = page.split(&format!("\n## {heading}\n")).nth(1);
        let part = part
            .and_then(|rest| rest.split("\n## ").next())
            .expect("it");
        let schema = schema(name);
        let mut object = schema.clone();
        for line in part.lines() {
            if let Some(path) = line.strip_prefix("### ") {
                object = schema.clone();
                for step in path.trim_matches('`').split('.') {
                    let (step, list) = step
                        .strip_suffix("[]")
                        .map_or((step, false), |it| (it, true));
                    object = object["properties"][step].clone();
                    if list {
                        object = object["items"].clone();
                    }
                }
            } else if let Some(row) = line.strip_prefix("| `") {
                let cells: Vec<&str> = row.split(" | ").collect();
                let field = cells[0].trim_end_matches('`');
                let none = Vec::new();
                let required = object["required"].as_array().unwrap_or(&none);
                let must = required.contains(&Value::from(field));
                assert_eq!(cells[2] == "required", must, "{heading}: {line}");
                match &object["properties"][field]["default"] {
                    Value::Null => {}
                    Value::String(text) => assert_eq!(cells[2], format!("`{text}`"), "{line}"),
                    other => assert_eq!(cells[2], format!("`{other}`"), "{line}"),
                }
            }
        }
    }
}
