//! Writer schemas that do not come hold the partitions whose records name them, and no other.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use freshet_core::ports::{WriterSchemaError, WriterSchemas};
use freshet_core::position::Steady;
use freshet_pipeline::beacon::Beacons;
use freshet_pipeline::clock::Clock;
use freshet_pipeline::parts::{BacklogLane, Parts, Settings, TargetParts};
use freshet_pipeline::rules::RulesInForce;
use freshet_pipeline::status::Status;
use freshet_wire::DeadLetter;

use crate::support::running::{DEAD_LETTERS, Running, quick_settings};
use crate::support::{HeldPartitions, MemoryCache, MemoryOutbox, Topic, insert, registry, until};

const SCHEMA: &str = r#"{"type":"record","name":"R","fields":[{"name":"id","type":"long"},{"name":"category_id","type":"long"}]}"#;

/// What the registry says of each id.
#[derive(Clone, Copy, PartialEq)]
enum Says {
    Schema,
    Nothing,
    Unknown,
    /// One whose records take steps without end.
    Endless,
    /// The request does not end within the test.
    Hangs,
}

#[derive(Clone, Default)]
struct Registry(Arc<Mutex<Answers>>);

#[derive(Default)]
struct Answers {
    says: BTreeMap<u32, Says>,
    asked: BTreeMap<u32, usize>,
}

impl Registry {
    fn say(&self, id: u32, says: Says) {
        self.0.lock().expect("unpoisoned").says.insert(id, says);
    }

    fn asked(&self, id: u32) -> usize {
        let answers = self.0.lock().expect("unpoisoned");
        answers.asked.get(&id).copied().unwrap_or(0)
    }
}

impl WriterSchemas for Registry {
    fn fetch(&self, id: u32) -> Result<String, WriterSchemaError> {
        let says = {
            let mut answers = self.0.lock().expect("unpoisoned");
            *answers.asked.entry(id).or_default() += 1;
            answers.says.get(&id).copied().unwrap_or(Says::Nothing)
        };
        match says {
            Says::Schema => Ok(SCHEMA.to_owned()),
            Says::Endless => Ok(endless()),
            Says::Unknown => Err(WriterSchemaError::Unknown { id }),
            Says::Nothing => Err(WriterSchemaError::Unreachable {
                id,
                reason: "it answered 500 Internal Server Error".to_owned(),
            }),
            Says::Hangs => {
                std::thread::sleep(Duration::from_secs(600));
                Err(WriterSchemaError::Unknown { id })
            }
        }
    }
}

/// Record types with two fields each of the one before: the last one is 2^59 values without a byte.
fn endless() -> String {
    let named = |level: usize, fields: &str| {
        format!(
            r#"{{"name":"d{level}","type":{{"type":"record","name":"D{level}","fields":[{fields}]}}}}"#
        )
    };
    let mut types = vec![named(0, "")];
    for level in 1..60 {
        let before = level - 1;
        let fields =
            format!(r#"{{"name":"a","type":"D{before}"}},{{"name":"b","type":"D{before}"}}"#);
        types.push(named(level, &fields));
    }
    let row = r#"{"name":"id","type":"long"},{"name":"category_id","type":"long"}"#;
    format!(
        r#"{{"type":"record","name":"R","fields":[{row},{}]}}"#,
        types.join(",")
    )
}

/// A flattened row `(id, category 0)` that names a schema.
fn avro(schema: u32, id: u8) -> Vec<u8> {
    [&[0][..], &schema.to_be_bytes(), &[id * 2, 0]].concat()
}

/// Partitions of one topic between memory ports.
struct World {
    partitions: HeldPartitions,
    schemas: Registry,
    redis: MemoryCache,
    outbox: MemoryOutbox,
}

impl World {
    fn of(partitions: usize) -> Self {
        Self {
            partitions: HeldPartitions::of("shop.public.items", partitions),
            schemas: Registry::default(),
            redis: MemoryCache::default(),
            outbox: MemoryOutbox::default(),
        }
    }

    fn partition(&self, at: usize) -> &Topic {
        &self.partitions.0[at].1
    }

    fn purged(&self, id: u64) -> bool {
        let name = format!("catalog:v1:item:{id}");
        self.redis.purged().contains(&name)
    }

    fn start(&self) -> Running {
        let target = |name: &str, purger: MemoryCache| {
            let topic: Arc<str> = Arc::from(format!("freshet.backlog.{name}"));
            TargetParts {
                name: Arc::from(name),
                purger: Arc::new(purger),
                live: None,
                backlog: BacklogLane {
                    source: self.partitions.empty(),
                    topic,
                    after: Duration::from_secs(60),
                    replay: None,
                    purges_per_second: None,
                },
            }
        };
        Running::start(Parts {
            rules: RulesInForce::new(registry()),
            status: Status::default(),
            clock: Clock::system(),
            settings: Settings {
                drain_within: Duration::from_millis(50),
                ..quick_settings()
            },
            intakes: vec![(self.partitions.source(), self.schemas.clone())],
            targets: vec![
                target("main", self.redis.clone()),
                target("edge", MemoryCache::default()),
            ],
            outbox: Arc::new(self.outbox.clone()),
            samples: None,
            settled: None,
            beacons: Beacons::default(),
            reads: None,
        })
    }
}

#[test]
fn p14_a_schema_that_does_not_come_holds_its_own_partition_and_no_other() {
    let world = World::of(3);
    world.schemas.say(7, Says::Nothing);
    world.schemas.say(8, Says::Hangs);
    world.schemas.say(9, Says::Schema);
    for id in 0..20 {
        world.partition(0).push(avro(7, id));
        world.partition(1).push(avro(8, id + 20));
        world.partition(2).push(avro(9, id + 40));
    }
    let running = world.start();
    until("the third partition flows", || {
        world.partition(2).committed() == Some(19)
    });
    assert!((40..60).all(|id| world.purged(id)));
    // It goes on flowing, however long the others wait.
    for id in 0..1_000 {
        world.partition(2).push(insert(1_000 + id, 7));
    }
    until("the third partition goes on", || {
        world.partition(2).committed() == Some(1_019)
    });
    until("the first schema was asked for again", || {
        world.schemas.asked(7) > 2
    });
    until("the second hangs", || world.schemas.asked(8) == 1);
    assert_eq!(world.partition(0).committed(), None);
    assert_eq!(world.partition(1).committed(), None);
    assert!((0..40).all(|id| !world.purged(id)));
    assert!(world.partitions.held() == [0, 1], "the source holds both");
    let unready = running.status.unready();
    let reason = unready.iter().find(|it| it.part == "schema registry");
    let reason = &reason.expect("it is said").reason;
    assert!(
        reason.contains("schema 7: ")
            && reason.contains("500 Internal Server Error")
            && reason.contains("shop.public.items[0]")
            && reason.contains("waiting partitions: 2"),
        "{reason}"
    );
    until("the schema is what commits wait for", || {
        let withheld = running
            .status
            .withheld_for(Duration::ZERO, Steady(u64::MAX));
        let mut withheld = withheld.iter().map(|(_, withheld)| withheld.to_string());
        withheld.any(|it| it == "shop.public.items[0]@0: writer schema 7 is not available")
    });
    world.schemas.say(7, Says::Schema);
    until("the first partition flows", || {
        world.partition(0).committed() == Some(19)
    });
    assert!((0..20).all(|id| world.purged(id)));
    until("the source holds one", || world.partitions.held() == [1]);
    assert!(running.stop());
}

#[test]
fn p1_a_partition_that_waits_for_a_schema_is_whole_after_a_restart() {
    let world = World::of(2);
    world.schemas.say(9, Says::Schema);
    for id in 0..10 {
        world.partition(0).push(avro(9, id));
        world.partition(1).push(insert(u64::from(id) + 50, 7));
    }
    for id in 10..20 {
        world.partition(0).push(avro(7, id));
        world.partition(0).push(avro(9, id + 10));
    }
    let running = world.start();
    until("what can be read is settled", || {
        (
            world.partition(0).committed(),
            world.partition(1).committed(),
        ) == (Some(9), Some(9))
    });
    until("it waits for a schema", || world.schemas.asked(7) > 1);
    assert!(running.stop());
    assert_eq!(
        world.partition(0).committed(),
        Some(9),
        "not past the one that waits"
    );
    let asked = world.schemas.asked(7);
    let running = world.start();
    // A schema that came would not be asked for twice.
    until("it waits again", || world.schemas.asked(7) > asked + 1);
    assert_eq!(world.partition(0).committed(), Some(9));
    world.schemas.say(7, Says::Schema);
    until("all is settled", || {
        world.partition(0).committed() == Some(29)
    });
    assert!((0..30).all(|id| world.purged(id)));
    until("ready", || running.status.is_ready("schema registry"));
    assert!(running.stop());
}

#[test]
fn p4_an_unknown_schema_is_poison_and_asked_for_once() {
    let world = World::of(1);
    world.schemas.say(7, Says::Unknown);
    for id in 0..100 {
        world.partition(0).push(avro(7, id));
    }
    let running = world.start();
    until("all are poison", || {
        world.partition(0).committed() == Some(99)
    });
    assert_eq!(world.schemas.asked(7), 1);
    let letters = world.outbox.topic(DEAD_LETTERS).values();
    assert_eq!(letters.len(), 100);
    let letter = DeadLetter::decode(&letters[99]).expect("readable");
    assert_eq!(letter.reason, "unknown_schema");
    assert!(
        world
            .redis
            .purged()
            .contains(&"catalog:v1:item:*".to_owned()),
        "family scope"
    );
    assert!(running.status.is_ready("schema registry"));
    assert!(running.stop());
}

/// Nobody answers for any schema: as loud as ever, and nothing is poison.
#[test]
fn p2_a_schema_registry_that_is_away_is_loud_and_makes_no_poison() {
    let world = World::of(4);
    for at in 0..4 {
        world.partition(at).push(avro(at as u32, 1));
    }
    let running = world.start();
    until("all are asked for again", || {
        (0..4).all(|id| world.schemas.asked(id) > 1)
    });
    until("all are named", || {
        let unready = running.status.unready();
        let mut reasons = unready.iter().map(|it| it.reason.as_str());
        reasons.any(|it| it.contains("3 more schemas") && it.contains("waiting partitions: 4"))
    });
    assert_eq!(world.outbox.topic(DEAD_LETTERS).len(), 0);
    for id in 0..4 {
        world.schemas.say(id, Says::Schema);
    }
    until("all flow", || {
        (0..4).all(|at| world.partition(at).committed() == Some(0))
    });
    assert!(running.stop());
}

/// Within ten seconds on a busy machine and without optimisation; it takes a few milliseconds.
#[test]
fn p4_a_schema_whose_records_take_endless_steps_blocks_nothing() {
    let world = World::of(1);
    world.schemas.say(7, Says::Endless);
    world.partition(0).push(avro(7, 1));
    world.partition(0).push(insert(2, 7));
    let began = Instant::now();
    let running = world.start();
    until("both are settled", || {
        world.partition(0).committed() == Some(1)
    });
    let took = began.elapsed();
    assert!(took < Duration::from_secs(10), "{took:?}");
    let letters = world.outbox.topic(DEAD_LETTERS).values();
    let letter = DeadLetter::decode(&letters[0]).expect("readable");
    assert_eq!(letter.reason, "too_many_steps");
    let family = "catalog:v1:item:*".to_owned();
    assert!(world.redis.purged().contains(&family) && world.purged(2));
    assert!(running.stop());
}
