//! Registry and config of the suite.

use std::fs;
use std::path::Path;

use anyhow::Result;

/// The topic, which is also the table's name.
pub(crate) const TOPIC: &str = "shop.public.items";

/// The tag of everything that the CDN holds for the suite.
pub(crate) const EDGE_TAG: &str = "faults-edge";

/// The entry of one change at a Redis target.
pub(crate) fn entry_of(target: &str, number: u64) -> String {
    format!("faults:v1:{target}:{number}")
}

/// The entry of one row, which many changes outdate.
pub(crate) fn entry_of_row(row: u32) -> String {
    format!("faults:v1:row:{row}")
}

/// Writes the registry below `folder`.
pub(crate) fn write_registry(folder: &Path) -> Result<()> {
    let sources = folder.join("registry/sources");
    let families = folder.join("registry/families/faults");
    fs::create_dir_all(&sources)?;
    fs::create_dir_all(&families)?;
    fs::write(
        sources.join("shop.yaml"),
        format!(
            "database: shop\nengine: postgres\ntables:\n  - table: {TOPIC}\n    replica_identity: full\n    \
             primary_key: [id]\n    columns:\n      - {{ name: id, type: bigint, nullable: false }}\n      \
             - {{ name: number, type: bigint, nullable: false }}\n"
        ),
    )?;
    let of = [
        (
            "main",
            "bind: { id: id, number: number }",
            "redis: { target: main, keys: [\"faults:v1:main:{number}\", \"faults:v1:row:{id}\"] }",
        ),
        (
            "side",
            "bind: { number: number }",
            "redis: { target: side, keys: [\"faults:v1:side:{number}\"] }",
        ),
        (
            "edge",
            "bind: { number: number }",
            &format!(
                "cdn: {{ targets: [edge], tags: [\"change-{{number}}\"], family_tag: {EDGE_TAG}, mode: hard }}"
            ),
        ),
    ];
    for (name, bind, purges) in of {
        let text = format!(
            "family: faults.{name}\nschema_version: 1\nowner: {{ team: faults, contact: \"#faults\" }}\n\
             lifecycle: active\nfreshness: {{ class: strict, within: 2s, objective: 99.9%, window: 28d }}\n\
             max_ttl: 1h\nguard: none\n{purges}\nsources:\n  - table: {TOPIC}\n    {bind}\n"
        );
        fs::write(families.join(format!("{name}.yaml")), text)?;
    }
    Ok(())
}

/// Where a member finds everything.
#[derive(Debug)]
pub(crate) struct Addresses {
    pub(crate) brokers: String,
    /// What stands below `redis:` for the main target.
    pub(crate) main: String,
    pub(crate) side: String,
    pub(crate) edge: String,
    pub(crate) backlog_purges_per_second: u32,
}

/// The config of a member, whose folder is beside the registry.
pub(crate) fn config(addresses: &Addresses) -> String {
    let Addresses {
        brokers,
        main,
        side,
        edge,
        backlog_purges_per_second: pace,
    } = addresses;
    // The broker's shortest session: a member that was killed holds its partitions for that long.
    format!(
        "registry: ../registry\n\
         kafka:\n  brokers: \"{brokers}\"\n  group: faults\n  properties: {{ session.timeout.ms: \"6000\", \
         heartbeat.interval.ms: \"1500\" }}\n\
         targets:\n  main: {{ redis: {main}, backlog_purges_per_second: {pace} }}\n  \
         side: {{ redis: {{ url: \"redis://{side}\" }} }}\n  \
         edge: {{ varnish: {{ nodes: [\"http://{edge}\"] }}, window: 20ms, max_wait: 200ms }}\n\
         outbox: {{ partitions: 2 }}\n"
    )
}
