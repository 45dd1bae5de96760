use std::path::PathBuf;

use freshet_core::registry::Scope;
use freshet_core::resolve::{resolve_fallback, widen_family};
use freshet_wire::{DeadLetter, PurgeRequest};

use super::*;
use crate::dlq::letters::LetterId;

const SOURCE: &str = "\
database: shop
engine: postgres
tables:
  - table: shop.public.items
    replica_identity: full
    primary_key: [id]
    columns: [{ name: id, type: bigint, nullable: false }]
";
const FAMILY: &str = "\
family: catalog.item
schema_version: 1
owner: { team: catalog }
lifecycle: active
freshness: { class: strict, within: 2s, objective: 99.9%, window: 28d }
max_ttl: 1h
redis: { target: main, keys: [\"catalog:v1:item:{id}\"] }
cdn: { targets: [edge], tags: [\"item-{id}\"], mode: hard }
sources:
  - table: shop.public.items
    bind: { id: id }
";

fn registry() -> Registry {
    let files = [
        ("sources/shop.yaml", SOURCE),
        ("families/item.yaml", FAMILY),
    ];
    let files = files.map(|(path, text)| (PathBuf::from(path), text.to_owned()));
    let loaded = freshet_registry::load_files(files.to_vec());
    loaded
        .unwrap_or_else(|faults| panic!("{}", faults.render()))
        .registry
}

fn letter(offset: i64) -> Letter {
    Letter {
        id: LetterId {
            partition: 0,
            offset,
        },
        record_key: Vec::new(),
        content: DeadLetter::default(),
        resolution: None,
    }
}

/// Two letters of one family: one purge at each target, Redis first, and the edge once more behind it.
#[test]
fn letters_that_ask_for_the_same_purge_it_once_and_inside_out() {
    let registry = registry();
    let mut owed = Owed::default();
    let (mut by_topic, mut by_family) = (PurgeSet::default(), PurgeSet::default());
    assert!(resolve_fallback(
        &registry,
        "shop.public.items",
        &mut by_topic
    ));
    let family = registry.family_named("catalog.item").expect("the family");
    widen_family(&registry, family, &mut by_family);
    for (at, set) in [by_topic, by_family].iter().enumerate() {
        let letter = letter(at as i64);
        let closure = owed.add(&registry, &letter, set);
        assert_eq!(closure.purges, 2);
        assert_eq!(closure.families, ["catalog.item"]);
        assert_eq!(closure.action, Some(ResolutionAction::Retried));
    }
    let outbox = OutboxConfig {
        topic_prefix: "lane.".to_owned(),
        backlog_prefix: "backlog.".to_owned(),
        positions: Arc::from("freshet.positions"),
        dead_letters: Arc::from("letters"),
        partitions: 1,
        create_topics: true,
    };
    let records = owed.records(&registry, &outbox, WallMicros(9));
    let topics: Vec<&str> = records.iter().map(|record| &*record.topic).collect();
    assert_eq!(topics, ["backlog.main", "lane.edge"]);
    let requests = records
        .iter()
        .map(|record| PurgeRequest::decode(&record.payload));
    let requests: Vec<PurgeRequest> = requests.collect::<Result<_, _>>().expect("requests");
    for request in &requests {
        assert_eq!(request.purges.len(), 1, "merged");
        assert_eq!(request.purges[0].scope, Scope::Family);
        assert_eq!(request.purges[0].committed, WallMicros(0), "not measured");
    }
    assert_eq!(
        requests[0].then.len(),
        1,
        "outer caches follow the inner one"
    );
    assert_eq!(requests[0].then[0].target, "edge");
    assert!(requests[1].then.is_empty());
}

#[test]
fn a_letter_that_stays_open_says_what_can_be_done() {
    let letter = letter(0);
    let said = |family_scope| stays_open(&letter, "why".to_owned(), family_scope).said;
    assert!(said(false).contains("--family-scope"));
    assert!(said(true).contains("discard"));
}
