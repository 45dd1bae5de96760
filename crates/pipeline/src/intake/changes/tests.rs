use std::sync::Mutex;
use std::time::Instant;

use freshet_core::gap::GapCause;
use freshet_core::ports::{Origin, WriterSchemaError};
use freshet_core::position::StreamPosition;
use freshet_core::registry::Registry;
use freshet_wire::Limits;
use metrics_exporter_prometheus::PrometheusBuilder;

use super::*;
use crate::pieces;
use crate::rules::RulesInForce;

const ITEMS: &str = "shop.public.items";
const IN_STEPS: Drive = Drive::Steps(Duration::ZERO);
/// The wall clock's microseconds.
const NOW: u64 = 2_000_000;

/// Tables with a family each. That of `beacon` is a beacon's.
fn registry(tables: &[&str], beacon: Option<&str>) -> Registry {
    let mut registry = pieces::registry_of(tables);
    for family in &mut registry.families {
        family.beacon = (beacon == Some(&*family.name)).then(|| Arc::from("shop"));
    }
    registry
}

/// Has the schemas of an envelope (7) and of a key (8), and answers while its ids are not locked.
#[derive(Clone, Default)]
struct Schemas(Arc<Mutex<Vec<u32>>>);

impl Schemas {
    fn asked(&self) -> Vec<u32> {
        self.0.lock().expect("unpoisoned").clone()
    }
}

/// A delete of row 1 that only its key names, in Avro.
const DELETED: (&[u8], &[u8]) = (b"\0\0\0\0\x07\0\0\x02d", b"\0\0\0\0\x08\x02");

fn deleted(offset: u64) -> RawRecord<'static> {
    let (value, key) = DELETED;
    RawRecord {
        key: Some(key),
        ..record(ITEMS, offset, 5 + offset, value)
    }
}

impl WriterSchemas for Schemas {
    fn fetch(&self, id: u32) -> Result<String, WriterSchemaError> {
        self.0.lock().expect("unpoisoned").push(id);
        let row = r#"{"type":"record","name":"Row","fields":[{"name":"id","type":"long"}]}"#;
        match id {
            8 => Ok(row.to_owned()),
            _ => Ok(format!(
                r#"{{"type":"record","name":"E","fields":[{{"name":"before","type":["null",{row}]}},{{"name":"after","type":["null","Row"]}},{{"name":"op","type":"string"}}]}}"#
            )),
        }
    }
}

fn take_changes(schemas: Schemas, limits: Limits, drive: Drive) -> TakeChanges<Schemas> {
    TakeChanges::new(TakeParts {
        decoder: Decoder::new(limits),
        schemas,
        clock: Clock::from_fn(|| NOW),
        status: Status::default(),
        dead_letter_topic: Arc::from("letters"),
        sample_every: None,
        reads: None,
        dice: Dice::from_fn(|| 0.0),
        transactions: Transactions::default(),
        drive,
        part: "schemas".to_owned(),
    })
}

/// The record of `topic` at an offset.
fn record<'r>(topic: &'r str, offset: u64, appended: u64, value: &'r [u8]) -> RawRecord<'r> {
    RawRecord {
        position: StreamPosition {
            stream: StreamId(0),
            ordinal: offset,
        },
        origin: Origin {
            topic,
            partition: 3,
            offset: offset as i64,
        },
        key: None,
        value: Some(value),
        appended: WallMicros(appended),
    }
}

/// A change of row 1 that was committed and captured at these milliseconds, or nobody knows when.
fn change(op: &str, committed: Option<u64>, captured: Option<u64>) -> String {
    let ms = |at: Option<u64>| at.map_or("null".to_owned(), |at| at.to_string());
    let (committed, captured) = (ms(committed), ms(captured));
    let snapshot = if op == "r" { "true" } else { "false" };
    format!(
        r#"{{"before":null,"after":{{"id":1}},"source":{{"connector":"postgresql","snapshot":"{snapshot}","ts_ms":{committed},"lsn":10,"table":"items"}},"op":"{op}","ts_ms":{captured}}}"#
    )
}

/// Sums of the stages capture, append and intake, as the metrics tell them after two records.
fn stages(value: &str, appended: u64) -> [Option<String>; 3] {
    let recorder = PrometheusBuilder::new().build_recorder();
    let told = metrics::with_local_recorder(&recorder, || {
        let rules = RulesInForce::new(registry(&[ITEMS], None)).current();
        let mut take = take_changes(Schemas::default(), Limits::default(), IN_STEPS);
        let mut open = Open::new(rules);
        for offset in 0..2 {
            let record = record(ITEMS, offset, appended, value.as_bytes());
            assert_eq!(take.take(record, &mut open, Steady(1)), 1);
        }
        recorder.handle().render()
    });
    ["capture", "append", "intake"].map(|stage| {
        let line = format!("freshet_freshness_stage_seconds_sum{{stage=\"{stage}\"}} ");
        let sum = told.lines().find_map(|it| it.strip_prefix(&line))?;
        (sum != "0").then(|| sum.to_owned())
    })
}

#[test]
fn a_rounds_first_change_tells_how_long_it_took_to_come() {
    let (committed, captured, appended) = (Some(1_000), Some(1_250), 1_375_000);
    let sum = |seconds: &str| Some(seconds.to_owned());
    let intake = sum("0.625");
    for (value, appended, wanted) in [
        (
            change("c", committed, captured),
            appended,
            [sum("0.25"), sum("0.125"), intake.clone()],
        ),
        (
            change("c", committed, None),
            appended,
            [None, None, intake.clone()],
        ),
        (change("c", None, captured), appended, [None, None, intake]),
    ] {
        assert_eq!(stages(&value, appended), wanted, "{value}");
    }
    let [.., intake] = stages(&change("c", committed, captured), 0);
    assert_eq!(intake, None, "nobody knows when it was appended");
}

#[test]
fn a_change_of_a_beacons_table_is_a_beat() {
    let other = "shop.public.beacon";
    let rules = RulesInForce::new(registry(&[ITEMS, other], Some(other))).current();
    let mut take = take_changes(Schemas::default(), Limits::default(), IN_STEPS);
    let mut open = Open::new(rules);
    let value = change("u", Some(1_000), Some(1_001));
    for (topic, beats) in [(ITEMS, 0), (other, 1)] {
        take.take(record(topic, 0, 1, value.as_bytes()), &mut open, Steady(1));
        assert_eq!(open.noticed.beats.len(), beats, "{topic}");
    }
    let (topic, partition) = (Arc::from(other), 3);
    assert_eq!(open.noticed.beats, [BeatOn { topic, partition }]);
}

#[test]
fn p5_what_was_streamed_before_a_reload_is_known_after_it() {
    let rules = RulesInForce::new(registry(&[ITEMS], None));
    let mut take = take_changes(Schemas::default(), Limits::default(), IN_STEPS);
    take.begins(StreamId(0));
    let mut open = Open::new(rules.current());
    let streamed = change("u", Some(1_000), Some(1_001));
    take.take(
        record(ITEMS, 0, 1, streamed.as_bytes()),
        &mut open,
        Steady(1),
    );
    // Its table has another number from here on.
    rules.swap(registry(&["shop.public.accounts", ITEMS], None));
    assert_eq!(rules.current().registry.revision.sequence, 2);
    open.round.reset(rules.current());
    let read = change("r", Some(1_000), Some(1_001));
    take.take(record(ITEMS, 1, 1, read.as_bytes()), &mut open, Steady(1));
    let causes: Vec<GapCause> = open.noticed.gaps.iter().map(|gap| gap.cause).collect();
    assert_eq!(causes, [GapCause::SnapshotAgain]);
}

#[test]
fn p4_a_record_waits_for_two_schemas_and_for_no_third() {
    let rules = RulesInForce::new(registry(&[ITEMS], None)).current();
    let no_room = Limits {
        writer_schemas_bytes_max: 0,
        ..Limits::default()
    };
    for (limits, asked, letters) in [
        (Limits::default(), &[7, 8][..], 0),
        (no_room, &[7, 8, 7], 1),
    ] {
        let schemas = Schemas::default();
        let mut take = take_changes(schemas.clone(), limits, IN_STEPS);
        let mut open = Open::new(Arc::clone(&rules));
        assert_eq!(take.take(deleted(0), &mut open, Steady(1)), 1, "it waits");
        take.retry(&mut open);
        assert_eq!(schemas.asked(), asked);
        assert_eq!(open.round.dead_letters.len(), letters);
        assert_eq!(open.round.purges.positions(), [deleted(0).position]);
    }
}

#[test]
fn what_waited_and_purges_nothing_settles_with_its_round() {
    let rules = RulesInForce::new(registry(&[ITEMS], None)).current();
    let mut take = take_changes(Schemas::default(), Limits::default(), IN_STEPS);
    let mut open = Open::new(rules);
    let nobodys = record("shop.public.others", 1, 6, b"{}");
    let waiting = [deleted(0), nobodys, deleted(2)];
    for record in waiting {
        assert_eq!(take.take(record, &mut open, Steady(1)), 1);
    }
    take.retry(&mut open);
    let positions = waiting.map(|record| record.position);
    assert_eq!(open.round.purges.positions(), positions);
}

#[test]
fn what_waits_for_a_schema_is_told_and_forgotten_with_its_stream() {
    let rules = RulesInForce::new(registry(&[ITEMS], None)).current();
    let schemas = Schemas::default();
    let mut take = take_changes(schemas.clone(), Limits::default(), IN_STEPS);
    let mut open = Open::new(rules);
    assert!(take.oldest().is_none() && take.held().is_none());
    for offset in [0, 1] {
        assert_eq!(take.take(deleted(offset), &mut open, Steady(1)), 1);
    }
    assert_eq!(take.oldest(), Some(WallMicros(5)));
    assert_eq!(take.held(), Some(vec![StreamId(0)]));
    assert!(!take.is_held_up());
    let large = vec![0; 64 << 20];
    take.take(record(ITEMS, 2, 7, &large), &mut open, Steady(1));
    assert!(take.is_held_up(), "so many bytes wait");
    take.forget(StreamId(0));
    assert!(take.oldest().is_none() && !take.is_held_up());
    assert_eq!(take.held(), Some(Vec::new()));
    take.retry(&mut open);
    assert!(open.round.is_empty(), "somebody else reads them");
}

#[test]
fn a_request_for_a_schema_is_under_way_until_it_is_answered() {
    let rules = RulesInForce::new(registry(&[ITEMS], None)).current();
    let schemas = Schemas::default();
    let mut take = take_changes(schemas.clone(), Limits::default(), Drive::Threads);
    let mut open = Open::new(rules);
    let answers = schemas.0.lock().expect("unpoisoned");
    take.take(deleted(0), &mut open, Steady(1));
    assert!(!take.is_asking());
    take.retry(&mut open);
    assert!(take.is_asking());
    drop(answers);
    let deadline = Instant::now() + Duration::from_secs(20);
    while open.round.is_empty() {
        assert!(Instant::now() < deadline, "no answer came");
        take.retry(&mut open);
    }
    assert!(!take.is_asking());
}

#[test]
fn p5_a_snapshot_is_no_gap_for_who_reads_its_stream_for_the_first_time() {
    let rules = RulesInForce::new(registry(&[ITEMS], None)).current();
    let mut take = take_changes(Schemas::default(), Limits::default(), IN_STEPS);
    let mut open = Open::new(rules);
    let value = change("r", Some(1_000), Some(1_001));
    let row = |offset| record(ITEMS, offset, 1, value.as_bytes());
    take.begins(StreamId(0));
    take.take(row(4), &mut open, Steady(1));
    assert!(open.noticed.gaps.is_empty());
    take.forget(StreamId(0));
    take.take(row(5), &mut open, Steady(1));
    assert_eq!(open.noticed.gaps.len(), 1, "somebody has read on meanwhile");
}
