//! A pipeline between memory ports that is given one record after the other.

use std::collections::BTreeMap;
use std::mem::take;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use freshet_core::ports::Purger;
use freshet_core::purge::{PurgeBatch, PurgeOutcome, PurgeReport};
use freshet_core::registry::{FamilyId, Registry, Scope};
use freshet_pipeline::beacon::Beacons;
use freshet_pipeline::clock::Clock;
use freshet_pipeline::parts::{BacklogLane, Parts, TargetParts};
use freshet_pipeline::rules::RulesInForce;
use freshet_pipeline::status::Status;
use freshet_wire::DeadLetter;

use crate::case::{Answer, TextRecord};
use crate::support::running::{DEAD_LETTERS, Running, quick_settings};
use crate::support::{MemoryOutbox, MemoryTopics, NoSchemas, Record, Topic, until};

/// A cache that is only asked what is purged.
#[derive(Clone, Default)]
struct Asked(Arc<Mutex<Vec<(FamilyId, Scope, String)>>>);

impl Purger for Asked {
    async fn purge(&self, batch: &PurgeBatch) -> PurgeReport {
        let mut asked = self.0.lock().expect("unpoisoned");
        asked.extend(batch.iter().map(|(purge, name)| {
            let name = String::from_utf8_lossy(name).into_owned();
            (purge.family, purge.scope, name)
        }));
        PurgeReport::all(PurgeOutcome::Purged, batch.len())
    }

    async fn ping(&self) -> Result<(), String> {
        Ok(())
    }
}

/// The topics, the cache, and a process between them.
pub(crate) struct Pipe {
    registry: Registry,
    topics: BTreeMap<&'static str, Topic>,
    cache: Asked,
    outbox: MemoryOutbox,
    letters: usize,
    running: Option<Running>,
}

impl Pipe {
    pub(crate) fn new(registry: Registry) -> Self {
        // A consumer follows the topics of the registry and no others.
        let names = registry.topics().map(|name| &*name.to_owned().leak());
        let mut pipe = Self {
            topics: names.map(|name| (name, Topic::default())).collect(),
            registry,
            cache: Asked::default(),
            outbox: MemoryOutbox::default(),
            letters: 0,
            running: None,
        };
        pipe.restart();
        pipe
    }

    /// A new process, which reads on from what was committed.
    pub(crate) fn restart(&mut self) {
        self.stop();
        let backlog = "freshet.backlog.main";
        let topics = self
            .topics
            .iter()
            .map(|(name, topic)| (*name, topic.clone()));
        let intake = MemoryTopics(topics.collect()).source();
        let backlog_topic = MemoryTopics(vec![(backlog, self.outbox.topic(backlog))]);
        self.running = Some(Running::start(Parts {
            rules: RulesInForce::new(self.registry.clone()),
            status: Status::default(),
            clock: Clock::system(),
            settings: quick_settings(),
            intakes: vec![(intake, NoSchemas)],
            targets: vec![TargetParts {
                name: Arc::from("main"),
                purger: Arc::new(self.cache.clone()),
                live: None,
                backlog: BacklogLane {
                    topic: Arc::from(backlog),
                    source: backlog_topic.source(),
                    after: Duration::from_secs(60),
                    replay: None,
                    purges_per_second: None,
                },
            }],
            outbox: Arc::new(self.outbox.clone()),
            samples: None,
            settled: None,
            beacons: Beacons::default(),
            reads: None,
        }));
    }

    pub(crate) fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            assert!(running.stop(), "the pipeline ends well");
        }
    }

    /// What is purged for a record until its offset is committed. A gap holds the commit back until it is purged.
    pub(crate) fn answer(&mut self, record: &TextRecord) -> Answer {
        let Some(topic) = self.topics.get(&*record.topic) else {
            return Answer::default();
        };
        let bytes = |text: &Option<String>| text.as_ref().map(|it| it.clone().into_bytes());
        topic.push_record(Record {
            key: bytes(&record.key),
            value: bytes(&record.value),
        });
        let offset = topic.len() as u64 - 1;
        until("the record's offset is committed", || {
            topic.committed() == Some(offset)
        });
        let mut answer = Answer::default();
        for (family, scope, name) in take(&mut *self.cache.0.lock().expect("unpoisoned")) {
            if scope == Scope::Family {
                let family = self
                    .registry
                    .family(family)
                    .expect("a family of the registry");
                answer.families.insert(family.name.to_string());
            } else {
                answer.keys.insert(name);
            }
        }
        let letters = self.outbox.topic(DEAD_LETTERS).values();
        if let Some(letter) = letters.get(self.letters) {
            answer.poison = Some(DeadLetter::decode(letter).expect("a dead letter").detail);
        }
        self.letters = letters.len();
        answer
    }
}
