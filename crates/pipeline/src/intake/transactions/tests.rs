use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use freshet_core::ports::RawRecord;
use freshet_core::position::{StreamPosition, WallMicros};
use freshet_wire::{Decoder, Limits};
use metrics_exporter_prometheus::PrometheusBuilder;

use super::*;
use crate::clock::Clock;
use crate::intake::changes::{TakeChanges, TakeParts};
use crate::intake::open::Open;
use crate::intake::take::Take;
use crate::lanes::backoff::Dice;
use crate::parts::Drive;
use crate::pieces;
use crate::rules::RulesInForce;
use crate::watch::status::Status;

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

/// A database with one table. Its topics are read as records come, and time passes when the test says so.
struct Shop {
    seconds: Arc<AtomicU64>,
    brokers: Brokers,
    take: TakeChanges<pieces::NoSchemas>,
    open: Open,
}

impl Shop {
    /// One that has seen a transaction whole.
    fn settled() -> Self {
        let (brokers, seconds) = (Brokers::default(), Arc::new(AtomicU64::new(1)));
        let clock = Arc::clone(&seconds);
        let take = TakeChanges::new(TakeParts {
            decoder: Decoder::new(Limits::default()),
            schemas: pieces::NoSchemas,
            clock: Clock::from_fn(move || clock.load(Ordering::Relaxed) * 1_000_000),
            status: Status::default(),
            dead_letter_topic: Arc::from("letters"),
            sample_every: None,
            reads: None,
            dice: Dice::from_fn(|| 0.0),
            transactions: Transactions {
                within: BTreeMap::from([(Arc::from("shop"), Duration::from_secs(WITHIN))]),
                ends: Some(Arc::new(brokers.clone())),
            },
            drive: Drive::Steps(Duration::ZERO),
            part: "schemas".to_owned(),
        });
        let mut shop = Self {
            seconds,
            brokers,
            take,
            open: Open::new(RulesInForce::new(pieces::registry_of(&[ITEMS])).current()),
        };
        for (stream, topic) in [(0, ITEMS), (1, BOUNDARIES)] {
            shop.take.assigned(StreamId(stream), &Arc::from(topic), 0);
        }
        // The brokers are asked for the end of the table first, and some time later for that of the boundaries.
        for seconds in [0, 5, WITHIN] {
            shop.pass(seconds);
        }
        shop.commit(1, 1, &[1]);
        shop.pass(0);
        shop
    }

    /// Time passes, and the brokers answer what they are asked then.
    fn pass(&mut self, seconds: u64) {
        self.seconds.fetch_add(seconds, Ordering::Relaxed);
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            self.take.look(&mut self.open);
            let mut databases = self
                .take
                .inspect
                .watch
                .iter()
                .flat_map(|watch| &watch.databases);
            if databases.all(|it| it.asked.is_none()) {
                return;
            }
            assert!(Instant::now() < deadline, "the brokers do not answer");
            std::thread::yield_now();
        }
    }

    fn send(&mut self, stream: u32, topic: &str, value: &str) {
        let offset = self.brokers.append(topic);
        let record = RawRecord {
            position: StreamPosition {
                stream: StreamId(stream),
                ordinal: offset as u64,
            },
            origin: Origin {
                topic,
                partition: 0,
                offset,
            },
            key: None,
            value: Some(value.as_bytes()),
            appended: WallMicros(1),
        };
        self.take.take(record, &mut self.open, Steady(1));
    }

    /// A transaction of `counted` changes of which those in `arrive` do.
    fn commit(&mut self, number: u64, counted: u64, arrive: &[u64]) {
        let id = format!("{number}:{number}00");
        let begin = format!(r#"{{"status":"BEGIN","id":"{id}","event_count":null,"ts_ms":1}}"#);
        self.send(1, BOUNDARIES, &begin);
        for order in arrive {
            let change = format!(
                r#"{{"before":null,"after":{{"id":{order}}},"source":{{"connector":"postgresql","ts_ms":1000,"lsn":10,"table":"items"}},"transaction":{{"id":"{number}:7","total_order":{order},"data_collection_order":{order}}},"op":"c","ts_ms":1001}}"#
            );
            self.send(0, ITEMS, &change);
        }
        let end = format!(
            r#"{{"status":"END","id":"{id}","event_count":{counted},"data_collections":[{{"data_collection":"public.items","event_count":{counted}}}],"ts_ms":1}}"#
        );
        self.send(1, BOUNDARIES, &end);
    }

    /// What was told since this was asked last.
    fn told(&mut self) -> Vec<String> {
        let gaps = self.open.noticed.gaps.drain(..);
        let told = gaps.map(|gap| {
            assert_eq!((&*gap.topic, gap.cause), (ITEMS, GapCause::MembersMissing));
            gap.detail
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
             and 1 more transactions are incomplete: the connector, a transform or the brokers dropped the rest"
        ]
    );
    assert_eq!(counts, [1, 3, 0]);
}

#[test]
fn p5_what_is_lost_here_or_read_elsewhere_is_not_called_missing() {
    type Then = fn(&mut TakeChanges<pieces::NoSchemas>);
    let cases: [(&str, Then, bool); 5] = [
        ("lost", |take| take.spoil(ITEMS), false),
        ("ends lost", |take| take.spoil(BOUNDARIES), false),
        ("given away", |take| take.forget(StreamId(0)), false),
        ("another lost", |take| take.spoil("shop.x"), true),
        ("another's", |take| take.forget(StreamId(7)), true),
    ];
    for (case, then, is_missing) in cases {
        let (told, counts) = counted(|| {
            let mut shop = Shop::settled();
            shop.commit(2, 2, &[1]);
            then(&mut shop.take);
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
    let watch = Shop::settled()
        .take
        .inspect
        .watch
        .expect("transactions are counted");
    for (topic, tells) in [
        (BOUNDARIES, true),
        (ITEMS, false),
        ("store.transaction", false),
    ] {
        assert_eq!(watch.tells_boundaries(topic), tells, "{topic}");
    }
    assert!(Watch::new(Transactions::default()).is_none());
}
