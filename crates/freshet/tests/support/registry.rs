//! The registry of the end-to-end tests: the same families once per wire form, told apart by their domain.

use std::fs;
use std::path::Path;

/// One wire form of one database.
#[derive(Clone, Copy)]
pub struct Form {
    /// Domain of the families, prefix of every key.
    pub domain: &'static str,
    /// Debezium's topic prefix.
    pub server: &'static str,
    /// Schema (Postgres) or database (MariaDB).
    pub schema: &'static str,
    /// `postgres` or `mariadb`.
    pub engine: &'static str,
}

/// The shop in Postgres.
pub const SHOP: Form = Form {
    domain: "shop",
    server: "shop",
    schema: "public",
    engine: "postgres",
};

/// Writes sources and families of `forms` into `dir`.
pub fn write(dir: &Path, forms: &[Form]) {
    for form in forms {
        let sources = dir.join("sources");
        fs::create_dir_all(&sources).expect("sources");
        fs::write(sources.join(format!("{}.yaml", form.server)), source(form)).expect("source");
        let families = dir.join("families").join(form.domain);
        fs::create_dir_all(&families).expect("families");
        for (name, text) in families_of(form) {
            fs::write(families.join(format!("{name}.yaml")), text).expect("family");
        }
    }
}

fn source(form: &Form) -> String {
    let Form {
        server,
        schema,
        engine,
        ..
    } = form;
    let notes_identity = if *engine == "postgres" {
        "default"
    } else {
        "full"
    };
    format!(
        "\
database: {server}
engine: {engine}
tables:
  - table: {server}.{schema}.items
    replica_identity: full
    primary_key: [id]
    columns:
      - {{ name: id, type: bigint, nullable: false }}
      - {{ name: category_id, type: bigint, nullable: false }}
      - {{ name: tenant, type: int, nullable: false }}
      - {{ name: name, type: text, nullable: false }}
      - {{ name: body, type: text, nullable: true, default: false }}
  - table: {server}.{schema}.notes
    replica_identity: {notes_identity}
    primary_key: [id]
    columns:
      - {{ name: id, type: bigint, nullable: false }}
      - {{ name: item_id, type: bigint, nullable: false }}
      - {{ name: text, type: text, nullable: false }}
"
    )
}

fn families_of(form: &Form) -> Vec<(&'static str, String)> {
    FAMILIES
        .iter()
        .map(|&(name, table, rest)| {
            let Form {
                domain,
                server,
                schema,
                ..
            } = form;
            let rest = rest.replace("{d}", domain);
            let text = format!(
                "\
family: {domain}.{name}
schema_version: 1
owner: {{ team: testers, contact: \"#testers\" }}
lifecycle: active
freshness: {{ class: strict, within: 5s, objective: 99.9%, window: 28d }}
max_ttl: 1h
guard: none
sources:
  - table: {server}.{schema}.{table}
{rest}"
            );
            (name, text)
        })
        .collect()
}

/// Name, table, and the rest with `{d}` for the domain.
const FAMILIES: [(&str, &str, &str); 5] = [
    (
        "item",
        "items",
        "    bind: { id: id, category_id: category_id }
    when_changed: [name]
redis: { target: main, keys: [\"{d}:v1:item:{id}\"] }
cdn: { targets: [edge], tags: [\"{d}-item-{id}\", \"{d}-cat-{category_id}\"], mode: hard }
",
    ),
    (
        "listing",
        "items",
        "    bind: { category_id: category_id, region: [eu, us] }
    when_changed: [name]
redis: { target: main, keys: [\"{d}:v1:listing:{category_id}:region:{region}\"] }
",
    ),
    (
        "doc",
        "items",
        "    bind: { body: body }
    when_changed: [name]
redis: { target: main, keys: [\"{d}:v1:doc:{body}\"] }
",
    ),
    (
        "note",
        "notes",
        "    bind: { id: id }
redis: { target: main, keys: [\"{d}:v1:note:{id}\"] }
cdn: { targets: [edge], tags: [\"{d}-note-{id}\"], mode: hard }
",
    ),
    (
        "item_notes",
        "notes",
        "    bind: { item_id: item_id }
redis: { target: main, keys: [\"{d}:v1:item_notes:{item_id}\"] }
",
    ),
];
