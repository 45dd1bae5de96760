//! Decoding keeps its memory: once warm, a change costs no allocation, in any form that connectors write.

mod shop;

use freshet_core::change::Change;
use freshet_core::registry::Registry;
use freshet_wire::{Decoded, Decoder, Limits};
use shop::recording::{Event, events, writer_schema};

/// Forms, and the table of each whose changes are repeated.
const FORMS: [(&str, &str); 5] = [
    ("postgres-json", "shop.public.items"),
    ("postgres-json-schema", "shop.public.items"),
    ("postgres-avro", "shop.public.items"),
    ("postgres-flattened", "shop.public.items"),
    ("mariadb-json", "shop.shop.items"),
];

struct Warm {
    registry: Registry,
    decoder: Decoder,
    change: Change,
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
    fn decode(&mut self, event: &Event) -> bool {
        let record = shop::record(&event.topic, event.key.as_deref(), event.value.as_deref());
        let decoded = self
            .decoder
            .decode(&record, &self.registry, &mut self.change);
        match decoded {
            Ok(Decoded::SchemaWanted { id }) => {
                let schema = writer_schema(id).expect("the recording has every schema");
                let added = self.decoder.add_writer_schema(id, &schema);
                added.expect("a real schema compiles");
                self.decode(event)
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
        let of_topic = |event: &Event| event.topic == topic;
        for event in events(form).into_iter().filter(of_topic) {
            // A decoder may learn from what it has seen more than once.
            if !(0..8).all(|_| warm.decode(&event)) {
                continue;
            }
            changes += 1;
            let counted = allocation_counter::measure(|| {
                for _ in 0..10 {
                    assert!(warm.decode(&event));
                }
            });
            assert_eq!(counted.count_total, 0, "{form}, change {changes}");
        }
        assert!(changes > 3, "{form}: {changes} changes");
    }
}
