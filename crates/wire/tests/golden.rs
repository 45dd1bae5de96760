//! Every event that was recorded from real connectors, decoded and compared with a committed text.
//!
//! `FRESHET_UPDATE_GOLDEN=1 cargo test -p freshet-wire --test golden` writes the texts again.

mod shop;

use std::collections::BTreeMap;

use freshet_core::change::Change;
use freshet_wire::{Decoded, Decoder, Limits};
use shop::recording::{Event, events, fixtures, writer_schema};

const RECORDINGS: [&str; 5] = [
    "postgres-json",
    "postgres-json-schema",
    "postgres-avro",
    "postgres-flattened",
    "mariadb-json",
];

/// Decodes a whole recording; `see` gets each event with what it came to.
fn decode_all(recording: &str, mut see: impl FnMut(&Event, Decoded, &Change)) {
    let registry = shop::shop();
    let mut decoder = Decoder::new(Limits::default());
    let mut change = Change::default();
    for event in events(recording) {
        let record = event.record();
        let decoded = loop {
            match decoder.decode(&record, &registry, &mut change) {
                Ok(Decoded::SchemaWanted { id }) => {
                    let schema = writer_schema(id).expect("the recording has every schema");
                    let added = decoder.add_writer_schema(id, &schema);
                    added.expect("a real schema compiles");
                }
                Ok(decoded) => break decoded,
                Err(err) => panic!("{recording} {}: {err}", event.origin),
            }
        };
        see(&event, decoded, &change);
    }
}

fn transcript(recording: &str) -> String {
    let registry = shop::shop();
    let mut text = String::new();
    decode_all(recording, |event, decoded, change| {
        let outcome = shop::outcome(&registry, decoded, change);
        text.push_str(&format!(
            "{} {}\n  {outcome}\n",
            event.scenario, event.origin
        ));
    });
    text
}

#[test]
fn recorded_events_decode_to_the_committed_texts() {
    let golden = fixtures().join("golden");
    let update = std::env::var_os("FRESHET_UPDATE_GOLDEN").is_some();
    for recording in RECORDINGS {
        let path = golden.join(format!("{recording}.txt"));
        let decoded = transcript(recording);
        if update {
            std::fs::create_dir_all(&golden).expect("the folder can be made");
            std::fs::write(&path, &decoded).expect("the text can be written");
            continue;
        }
        let committed = std::fs::read_to_string(&path).expect("the golden text is committed");
        for (at, (decoded, committed)) in decoded.lines().zip(committed.lines()).enumerate() {
            assert_eq!(decoded, committed, "{recording}.txt line {}", at + 1);
        }
        assert_eq!(
            decoded.lines().count(),
            committed.lines().count(),
            "{recording}"
        );
    }
}

/// What the changes of each scenario and topic did, without times, positions and order between partitions.
fn changes(recording: &str) -> BTreeMap<(String, String), Vec<String>> {
    let registry = shop::shop();
    let mut changes: BTreeMap<_, Vec<_>> = BTreeMap::new();
    decode_all(recording, |event, decoded, change| {
        if decoded == Decoded::Change {
            let place = (event.scenario.clone(), event.topic.clone());
            let text = format!("{:?} {}", change.op, shop::images(&registry, change));
            changes.entry(place).or_default().push(text);
        }
    });
    changes.values_mut().for_each(|texts| texts.sort());
    changes
}

#[test]
fn the_same_changes_in_three_forms_are_the_same() {
    let plain = changes("postgres-json");
    assert!(plain.len() > 20, "the recording has many scenarios");
    assert_eq!(plain, changes("postgres-json-schema"));
    assert_eq!(plain, changes("postgres-avro"));
}

/// The flattened form knows no before-image and cannot tell a truncate; its after-images are the same.
#[test]
fn flattened_rows_have_the_same_after_images() {
    let after = |text: &String| {
        let (op, images) = text.split_once(' ').expect("an op");
        let after = images
            .split_once("after ")
            .map(|(_, after)| after.to_owned());
        after.map(|after| format!("{op} {after}"))
    };
    let plain = changes("postgres-json");
    let flattened = changes("postgres-flattened");
    let mut compared = 0;
    for (place, texts) in &flattened {
        let mut told: Vec<_> = texts.iter().filter_map(after).collect();
        let mut wanted: Vec<_> = plain[place].iter().filter_map(after).collect();
        told.sort();
        wanted.sort();
        assert_eq!(told, wanted, "{place:?}");
        compared += told.len();
    }
    assert!(compared > 15, "only {compared} rows were compared");
}

#[test]
fn every_byte_of_a_recorded_event_may_be_cut_or_changed_without_a_panic() {
    let registry = shop::shop();
    for recording in RECORDINGS {
        let mut decoder = Decoder::new(Limits::default());
        let mut change = Change::default();
        let mut seen: BTreeMap<(String, String), ()> = BTreeMap::new();
        for event in events(recording) {
            let Some(value) = &event.value else { continue };
            let first = seen
                .insert((event.scenario.clone(), event.topic.clone()), ())
                .is_none();
            if !first {
                continue;
            }
            let step = value.len() / 200 + 1;
            for at in (0..value.len()).step_by(step) {
                for damaged in damaged(value, at) {
                    let record = shop::record(&event.topic, event.key.as_deref(), Some(&damaged));
                    let decoded = decoder.decode(&record, &registry, &mut change);
                    if let Ok(Decoded::SchemaWanted { id }) = decoded
                        && let Some(schema) = writer_schema(id)
                    {
                        let added = decoder.add_writer_schema(id, &schema);
                        added.expect("a real schema compiles");
                    }
                }
            }
        }
    }
}

fn damaged(value: &[u8], at: usize) -> [Vec<u8>; 4] {
    let mut flipped = value.to_vec();
    flipped[at] ^= 0xff;
    let mut raised = value.to_vec();
    raised[at] = raised[at].wrapping_add(1);
    let mut doubled = value.to_vec();
    doubled.splice(at..at, value[at..value.len().min(at + 16)].to_vec());
    [value[..at].to_vec(), flipped, raised, doubled]
}
