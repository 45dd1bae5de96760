//! Decoding keeps its memory: once warm, a change costs no allocation, in any form that connectors write.

mod shop;

use std::path::Path;

use freshet_core::change::Change;
use freshet_core::registry::Registry;
use freshet_wire::{Decoded, Decoder, Limits};
use serde_json::Value;

/// Forms, and the table of each whose changes are repeated.
const FORMS: [(&str, &str); 5] = [
    ("postgres-json", "shop.public.items"),
    ("postgres-json-schema", "shop.public.items"),
    ("postgres-avro", "shop.public.items"),
    ("postgres-flattened", "shop.public.items"),
    ("mariadb-json", "shop.shop.items"),
];

struct Event {
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
}

struct Warm {
    registry: Registry,
    decoder: Decoder,
    change: Change,
}

fn fixture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join(format!("../../schemas/fixtures/debezium/{name}"));
    std::fs::read_to_string(path).expect("part of the repository")
}

fn events(form: &str, topic: &str) -> Vec<Event> {
    let text = fixture(&format!("{form}.jsonl"));
    let lines = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let of_topic = lines.filter(|line| line["topic"] == topic);
    let bytes = |line: &Value, name: &str| {
        let framed = line[format!("{name}_base64")].as_str().map(shop::base64);
        framed.or_else(|| line[name].as_str().map(|text| text.as_bytes().to_vec()))
    };
    let read = |line: Value| Event {
        key: bytes(&line, "key"),
        value: bytes(&line, "value"),
    };
    of_topic.map(read).collect()
}

impl Warm {
    fn new() -> Self {
        Self {
            registry: shop::shop(),
            decoder: Decoder::new(Limits::default()),
            change: Change::default(),
        }
    }

    /// Whether it is a change of a row.
    fn decode(&mut self, topic: &str, event: &Event) -> bool {
        let record = shop::record(topic, event.key.as_deref(), event.value.as_deref());
        let decoded = self
            .decoder
            .decode(&record, &self.registry, &mut self.change);
        match decoded {
            Ok(Decoded::SchemaWanted { id }) => {
                let schemas = fixture("postgres-avro.schemas.json");
                let schemas: Value = serde_json::from_str(&schemas).expect("JSON");
                let schema = schemas[id.to_string()].to_string();
                let added = self.decoder.add_writer_schema(id, &schema);
                added.expect("a real schema compiles");
                self.decode(topic, event)
            }
            Ok(decoded) => decoded == Decoded::Change,
            Err(_) => false,
        }
    }
}

#[test]
fn a_warm_decoder_allocates_nothing() {
    for (form, topic) in FORMS {
        let mut warm = Warm::new();
        let mut changes = 0;
        for event in events(form, topic) {
            // A decoder may learn from what it has seen more than once.
            if !(0..8).all(|_| warm.decode(topic, &event)) {
                continue;
            }
            changes += 1;
            let counted = allocation_counter::measure(|| {
                for _ in 0..10 {
                    assert!(warm.decode(topic, &event));
                }
            });
            assert_eq!(counted.count_total, 0, "{form}, change {changes}");
        }
        assert!(changes > 3, "{form}: {changes} changes");
    }
}
