//! Transaction metadata as real connectors sent it: places of changes, begins and ends, in every recorded form.

mod shop;

use std::collections::BTreeMap;

use freshet_core::change::Change;
use freshet_core::ports::RawRecord;
use freshet_core::transaction::{Boundary, TransactionId};
use freshet_wire::{BoundaryRead, Decoded, Decoder, Limits};
use shop::recording::{Event, events, writer_schema};

fn recording(name: &str) -> Vec<Event> {
    let of_transactions =
        |event: &Event| event.scenario == "transaction_metadata" && event.value.is_some();
    events(name).into_iter().filter(of_transactions).collect()
}

fn raw(event: &Event) -> RawRecord<'_> {
    shop::record(&event.topic, None, event.value.as_deref())
}

fn boundary(decoder: &mut Decoder, event: &Event) -> Boundary {
    loop {
        match decoder.decode_boundary(&raw(event)).expect("readable") {
            BoundaryRead::Boundary(boundary) => return boundary,
            BoundaryRead::SchemaWanted { id } => decoder
                .add_writer_schema(id, &writer_schema(id).expect("a recorded schema"))
                .expect("a schema"),
            BoundaryRead::Nothing => panic!("has a value"),
        }
    }
}

fn change(decoder: &mut Decoder, event: &Event) -> Change {
    let registry = shop::shop();
    let mut change = Change::default();
    loop {
        let decoded = decoder.decode(&raw(event), &registry, &mut change);
        match decoded.expect("readable") {
            Decoded::Change => return change,
            Decoded::SchemaWanted { id } => decoder
                .add_writer_schema(id, &writer_schema(id).expect("a recorded schema"))
                .expect("a schema"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn every_form_counts_as_many_changes_as_arrive() {
    for name in [
        "postgres-json",
        "postgres-json-schema",
        "postgres-avro",
        "mariadb-json",
    ] {
        let mut decoder = Decoder::new(Limits::default()).reading_members();
        let (boundaries, changes): (Vec<Event>, Vec<Event>) = recording(name)
            .into_iter()
            .partition(|event| event.topic == "shop.transaction");
        let boundaries: Vec<Boundary> = boundaries
            .iter()
            .map(|event| boundary(&mut decoder, event))
            .collect();
        let end = boundaries
            .iter()
            .find(|it| it.counts.is_some())
            .expect("an end");
        let begin = boundaries
            .iter()
            .find(|it| it.counts.is_none())
            .expect("a begin");
        assert_eq!(begin.transaction, end.transaction, "{name}");
        let mut arrived: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        for event in &changes {
            let member = change(&mut decoder, event).member.expect("a place");
            assert_eq!(member.transaction, end.transaction, "{name}");
            let table = event
                .topic
                .strip_prefix("shop.")
                .expect("the prefix")
                .to_owned();
            arrived.entry(table).or_default().push(member.order);
        }
        let counts: BTreeMap<String, u64> =
            end.counts.clone().expect("counts").into_iter().collect();
        assert_eq!(counts.values().sum::<u64>(), 3, "{name}");
        for (table, count) in counts {
            let mut orders = arrived.remove(&table).expect("changes");
            orders.sort_unstable();
            assert_eq!(orders, (1..=count).collect::<Vec<_>>(), "{name} {table}");
        }
    }
}

#[test]
fn nothing_is_read_unless_asked_for() {
    let mut decoder = Decoder::new(Limits::default());
    for event in recording("postgres-json") {
        if event.topic != "shop.transaction" {
            assert_eq!(change(&mut decoder, &event).member, None);
        }
    }
}

#[test]
fn the_flattened_form_says_no_place() {
    let mut decoder = Decoder::new(Limits::default()).reading_members();
    for event in recording("postgres-flattened") {
        if event.topic != "shop.transaction" {
            assert_eq!(change(&mut decoder, &event).member, None);
        }
    }
}

#[test]
fn names_of_one_transaction_are_one_and_of_two_are_two() {
    let same = [("788:26577576", "788:26578264"), ("0-1-54", "0-1-54")];
    for (one, other) in same {
        assert_eq!(TransactionId::of(one), TransactionId::of(other));
    }
    let gtid = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
    let different = [
        ("788:26577576".to_owned(), "789:26577576".to_owned()),
        (format!("{gtid}:23"), format!("{gtid}:24")),
        ("0-1-54".to_owned(), "0-1-55".to_owned()),
        (
            "file=mysql-bin.000003,pos=154".to_owned(),
            "file=mysql-bin.000003,pos=9".to_owned(),
        ),
    ];
    for (one, other) in different {
        assert_ne!(TransactionId::of(&one), TransactionId::of(&other), "{one}");
    }
    let sequence = |text: &str| {
        let (transaction, text) = (TransactionId::of(text), text.to_owned());
        let counts = None;
        Boundary {
            transaction,
            text,
            counts,
        }
        .sequence()
    };
    assert_eq!(sequence("788:26578264"), 26_578_264);
    assert_eq!((sequence("0-1-54"), sequence("?")), (54, 0));
}

#[test]
fn what_is_no_boundary_is_told_and_never_panics() {
    let mut decoder = Decoder::new(Limits::default()).reading_members();
    for value in [
        "",
        "null",
        "[]",
        "{",
        r#"{"status":"END"}"#,
        r#"{"status":"HALF","id":"1:2"}"#,
        r#"{"status":"END","id":"1:2","data_collections":[{"data_collection":"a"}]}"#,
        "\0\0\0",
    ] {
        let record = shop::record("shop.transaction", None, Some(value.as_bytes()));
        assert!(decoder.decode_boundary(&record).is_err(), "{value}");
    }
}

#[test]
fn a_boundary_of_exactly_the_limit_is_read() {
    let begin = r#"{"status":"BEGIN","id":"1:2"}"#.as_bytes();
    let record = shop::record("shop.transaction", None, Some(begin));
    for (bytes_max, wanted) in [
        (begin.len() + 1, Ok(())),
        (begin.len(), Ok(())),
        (begin.len() - 1, Err("too_large")),
        (begin.len() / 2, Err("too_large")),
    ] {
        let limits = Limits {
            value_bytes_max: bytes_max,
            ..Limits::default()
        };
        let read = Decoder::new(limits).decode_boundary(&record);
        let read = read.map(drop).map_err(|error| error.reason());
        assert_eq!(read, wanted, "{bytes_max}");
    }
}

#[test]
fn an_end_that_counts_more_tables_than_a_database_has_is_none() {
    let schema = r#"{"type":"record","name":"T","fields":[
        {"name":"status","type":"string"},
        {"name":"id","type":"string"},
        {"name":"data_collections","type":{"type":"array","items":{"type":"record","name":"C","fields":[
            {"name":"data_collection","type":"string"},
            {"name":"event_count","type":"long"}]}}}]}"#;
    let mut decoder = Decoder::new(Limits::default());
    decoder.add_writer_schema(1, schema).expect("valid");
    // Blocks of 64 tables called `t`, each with one event.
    let block = [&[0x80, 1][..], &[2, b't', 2].repeat(64)].concat();
    // A negative count has the block's size behind it.
    let last = [1, 6, 2, b't', 2];
    for (blocks, rest, wanted) in [
        (0, &last[..], Ok(1)),
        (1023, &block, Ok(1 << 16)),
        (1024, &last, Err("bad_envelope")),
    ] {
        let head = [&[0, 0, 0, 0, 1, 6][..], b"END\x061:2"].concat();
        let value = [&head[..], &block.repeat(blocks), rest, &[0]].concat();
        let record = shop::record("shop.transaction", None, Some(&value));
        let tables = match decoder.decode_boundary(&record) {
            Ok(BoundaryRead::Boundary(end)) => Ok(end.counts.expect("counts").len()),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error.reason()),
        };
        assert_eq!(tables, wanted);
    }
}
