use freshet_core::ports::{ScanError, WriterSchemaError};
use freshet_core::record::{Found, StoredRecord};
use freshet_core::registry::Scope;
use freshet_wire::{DeadLetter, PurgeRequest};

use super::*;
use crate::letter::LetterId;

const SOURCE: &str = include_str!("../../../../schemas/fixtures/registry/sources/shop.yaml");
const FAMILY: &str = include_str!("../../../../schemas/fixtures/registry/families/item.yaml");
const CDN: &str = "cdn: { targets: [edge], tags: [\"item-{id}\"], mode: hard }\n";

fn registry() -> Registry {
    let loaded = freshet_registry::load_files(vec![
        ("sources/shop.yaml".into(), SOURCE.to_owned()),
        ("families/item.yaml".into(), format!("{FAMILY}{CDN}")),
    ]);
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
    let mut owed = Owed {
        actor: "ann@host".into(),
        round: PurgeRound::new(Arc::new(registry())),
        requests: Vec::new(),
    };
    let by_topic = Asked::Topic("shop.public.items".into());
    let by_family = Asked::Families(vec!["catalog.item".into()]);
    for (at, asked) in [by_topic, by_family].into_iter().enumerate() {
        let closure = owed.add(&letter(at as i64), asked);
        assert_eq!(closure.purges, 2);
        assert_eq!(closure.families, ["catalog.item"]);
        assert_eq!(closure.action, Some(ResolutionAction::Retried));
    }
    let topics = OutboxTopics {
        topic_prefix: "lane.".to_owned(),
        backlog_prefix: "backlog.".to_owned(),
        ..OutboxTopics::default()
    };
    let records = owed.records(&topics, WallMicros(9));
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
        let cause = request.purges[0].cause.as_deref().expect("a cause");
        assert_eq!(
            cause.to_string(),
            "letter by ann@host: 0:0",
            "the first letter's"
        );
    }
    assert_eq!(
        requests[0].then.len(),
        1,
        "outer caches follow the inner one"
    );
    assert_eq!(requests[0].then[0].target, "edge");
    assert!(requests[1].then.is_empty());
}

/// A log whose records are gone; partition 9 does not answer.
#[derive(Debug)]
struct Emptied;

impl TopicScan for Emptied {
    fn read_all(&self, _: &str, _: &mut dyn FnMut(StoredRecord)) -> Result<(), ScanError> {
        Ok(())
    }

    fn read_one(&self, _: &str, partition: i32, _: i64) -> Result<Found, ScanError> {
        if partition == 9 {
            return Err(ScanError::Unreachable {
                within: std::time::Duration::from_secs(1),
                reason: "away".to_owned(),
            });
        }
        Ok(Found::Gone { oldest: 5, end: 8 })
    }
}

impl WriterSchemas for Emptied {
    fn fetch(&self, id: u32) -> Result<String, WriterSchemaError> {
        Err(WriterSchemaError::NotConfigured { id })
    }
}

fn plan(letter: &Letter, family_scope: bool) -> Result<Plan, DeskError> {
    let retry = Retry {
        registry: &Arc::new(registry()),
        topics: &OutboxTopics::default(),
        scan: &Emptied,
        schemas: &Emptied,
        limits: Limits::default(),
        family_scope,
    };
    let signature = Signature {
        actor: "ann@host".to_owned(),
        because: "looked into".to_owned(),
        at: WallMicros(9),
    };
    retry.plan(&[letter], &signature)
}

#[test]
fn a_letter_whose_record_is_gone_stays_open_unless_its_families_are_purged() {
    let mut letter = letter(0);
    letter.content.topic = "shop.public.items".to_owned();
    letter.content.families = vec!["catalog.item".to_owned()];
    let open = plan(&letter, false).expect("a plan");
    assert!(open.is_empty(), "{open:?}");
    assert!(open.closures()[0].said.contains("offsets 5 to 8"));
    let purged = plan(&letter, true).expect("a plan");
    let [closure] = purged.closures() else {
        panic!("{purged:?}");
    };
    assert_eq!(closure.action, Some(ResolutionAction::FamiliesPurged));
    assert_eq!(closure.purges, 2);
    letter.content.families = vec!["catalog.renamed".to_owned()];
    let unknown = plan(&letter, true).expect("a plan");
    assert!(unknown.is_empty(), "{unknown:?}");
    assert!(unknown.closures()[0].said.contains("none of its families"));
}

#[test]
fn brokers_that_are_away_end_the_retry() {
    let mut letter = letter(0);
    letter.content.topic = "shop.public.items".to_owned();
    letter.content.partition = 9;
    let error = plan(&letter, true).expect_err("nothing can be read");
    assert!(matches!(error, DeskError::Scan(_)), "{error}");
}
