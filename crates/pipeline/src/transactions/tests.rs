use std::sync::Mutex;
use std::time::Instant;

use freshet_core::registry::{Binding, FamilyId, RegistryRevision, Table};
use freshet_core::table::{Engine, ReplicaIdentity, TableId, TableShape};
use freshet_core::transaction::{Member, TransactionId};
use metrics_exporter_prometheus::PrometheusBuilder;

use super::*;
use crate::rules::RulesInForce;

const ITEMS: &str = "shop.public.items";
const BOUNDARIES: &str = "shop.transaction";
const WITHIN: u64 = 60;

/// How many records each topic has, in one partition.
#[derive(Debug, Clone, Default)]
struct Brokers(Arc<Mutex<BTreeMap<String, i64>>>);

impl Brokers {
    /// The offset of the next record of a topic.
    fn append(&self, topic: &str) -> i64 {
        let mut topics = self.0.lock().expect("unpoisoned");
        let end = topics.entry(topic.to_owned()).or_default();
        *end += 1;
        *end - 1
    }
}

impl TopicEnds for Brokers {
    fn ends(&self, topic: &str) -> Result<BTreeMap<i32, i64>, String> {
        let topics = self.0.lock().expect("unpoisoned");
        let end = topics.get(topic).copied().unwrap_or(0);
        Ok(BTreeMap::from([(0, end)]))
    }
}

fn registry() -> Registry {
    let table = Table {
        shape: TableShape {
            id: TableId(0),
            name: Arc::from(ITEMS),
            topic: Arc::from(ITEMS),
            engine: Engine::Postgres,
            identity: ReplicaIdentity::Full,
            connector: Arc::default(),
            columns: Vec::new(),
            declared: Arc::default(),
        },
        bindings: vec![Binding {
            family: FamilyId(0),
            when_changed: Vec::new(),
            names: Vec::new(),
            version_column: None,
        }],
    };
    let revision = RegistryRevision {
        sequence: 1,
        content_hash: Arc::from(""),
    };
    Registry::new(revision, Vec::new(), vec![table], Vec::new())
}

/// A database with one table. Its topics are read as records come, and time passes when the test says so.
struct Shop {
    seconds: u64,
    brokers: Brokers,
    watch: Watch,
    round: Round,
}

impl Shop {
    /// One that has seen a transaction whole.
    fn settled() -> Self {
        let brokers = Brokers::default();
        let watch = Watch::new(Transactions {
            within: BTreeMap::from([(Arc::from("shop"), Duration::from_secs(WITHIN))]),
            ends: Some(Arc::new(brokers.clone())),
        });
        let mut shop = Self {
            seconds: 1,
            brokers,
            watch: watch.expect("transactions are counted"),
            round: Round::new(RulesInForce::new(registry()).current()),
        };
        for (stream, topic) in [(0, ITEMS), (1, BOUNDARIES)] {
            let stream = StreamId(stream);
            shop.watch
                .assigned(stream, &Arc::from(topic), 0, shop.now());
        }
        shop.pass(0);
        shop.pass(WITHIN);
        shop.commit(1, 1, &[1]);
        shop.pass(0);
        shop
    }

    fn now(&self) -> Steady {
        Steady(self.seconds * 1_000_000)
    }

    /// Time passes, and the brokers answer what they are asked then.
    fn pass(&mut self, seconds: u64) {
        self.seconds += seconds;
        let deadline = Instant::now() + Duration::from_secs(20);
        let now = self.now();
        loop {
            self.watch.look(&mut self.round, now);
            if self.watch.databases.iter().all(|it| it.asked.is_none()) {
                return;
            }
            assert!(Instant::now() < deadline, "the brokers do not answer");
            std::thread::yield_now();
        }
    }

    fn next<'t>(&self, topic: &'t str) -> Origin<'t> {
        Origin {
            topic,
            partition: 0,
            offset: self.brokers.append(topic),
        }
    }

    fn boundary(&mut self, number: u64, counted: Option<u64>) {
        let text = format!("{number}:{number}00");
        let boundary = Boundary {
            transaction: TransactionId::of(&text),
            text,
            counts: counted.map(|count| vec![("public.items".to_owned(), count)]),
        };
        let origin = self.next(BOUNDARIES);
        self.watch.note_boundary(origin, boundary, self.now());
    }

    /// A transaction of `counted` changes of which those in `arrive` do.
    fn commit(&mut self, number: u64, counted: u64, arrive: &[u64]) {
        self.boundary(number, None);
        for &order in arrive {
            let mut change = Change::default();
            change.reset(TableId(0), Op::Create);
            let transaction = TransactionId::of(&format!("{number}:7"));
            change.member = Some(Member { transaction, order });
            let origin = self.next(ITEMS);
            self.watch.note(origin, Some(&change), self.now());
        }
        self.boundary(number, Some(counted));
    }

    /// What was told since this was asked last.
    fn told(&mut self) -> Vec<String> {
        let gaps = self.round.gaps.drain(..);
        let told = gaps.map(|(topic, cause, detail)| {
            assert_eq!((&*topic, cause), (ITEMS, GapCause::MembersMissing));
            detail
        });
        told.collect()
    }
}

/// What `then` does, and how many transactions of the shop were complete, missing and unjudged by then.
fn counted<T>(then: impl FnOnce() -> T) -> (T, [u64; 3]) {
    let recorder = PrometheusBuilder::new().build_recorder();
    let done = ::metrics::with_local_recorder(&recorder, then);
    let told = recorder.handle().render();
    let counts = ["complete", "missing", "unjudged"].map(|outcome| {
        let name = metrics::TRANSACTIONS;
        let line = format!("{name}{{database=\"shop\",outcome=\"{outcome}\"}} ");
        let count = told.lines().find_map(|it| it.strip_prefix(&line));
        count.expect("a line").parse().expect("a count")
    });
    (done, counts)
}

#[test]
fn what_is_missing_is_told_in_words_and_counted() {
    let ((one, more), counts) = counted(|| {
        let mut shop = Shop::settled();
        assert!(shop.told().is_empty());
        shop.commit(2, 3, &[1, 3]);
        shop.pass(WITHIN);
        let one = shop.told();
        shop.commit(3, 2, &[1]);
        shop.commit(4, 2, &[2]);
        shop.pass(WITHIN);
        (one, shop.told())
    });
    assert_eq!(
        one,
        [
            "transaction 2:200 of shop ended with 3 changes of this table, 2 arrived and the topic is read to its end: \
             the connector, a transform or the brokers dropped the rest"
        ]
    );
    assert_eq!(
        more,
        [
            "transaction 3:300 of shop ended with 2 changes of this table, 1 arrived and the topic is read to its end, \
             and 1 more transactions are not whole: the connector, a transform or the brokers dropped the rest"
        ]
    );
    assert_eq!(counts, [1, 3, 0]);
}

#[test]
fn p5_what_is_lost_here_or_read_elsewhere_is_not_called_missing() {
    type Then = fn(&mut Watch, Steady);
    let cases: [(&str, Then, bool); 5] = [
        ("lost", |it, now| it.spoil(ITEMS, now), false),
        ("ends lost", |it, now| it.spoil(BOUNDARIES, now), false),
        ("given away", |it, now| it.revoked(StreamId(0), now), false),
        ("another lost", |it, now| it.spoil("shop.x", now), true),
        ("another's", |it, now| it.revoked(StreamId(7), now), true),
    ];
    for (case, then, is_missing) in cases {
        let (told, counts) = counted(|| {
            let mut shop = Shop::settled();
            shop.commit(2, 2, &[1]);
            let now = shop.now();
            then(&mut shop.watch, now);
            shop.pass(WITHIN);
            shop.told()
        });
        assert_eq!(told.len(), usize::from(is_missing), "{case}");
        let wanted = if is_missing { [1, 1, 0] } else { [1, 0, 1] };
        assert_eq!(counts, wanted, "{case}");
    }
}

#[test]
fn a_databases_own_topic_tells_of_its_transactions() {
    let Shop { watch, .. } = Shop::settled();
    for (topic, tells) in [
        (BOUNDARIES, true),
        (ITEMS, false),
        ("store.transaction", false),
    ] {
        assert_eq!(watch.tells_boundaries(topic), tells, "{topic}");
    }
    assert!(Watch::new(Transactions::default()).is_none());
}
