//! The usual way and the general plan, held to the same answers on what real connectors wrote, whole and damaged.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;

use freshet_core::change::{Change, Op};
use freshet_core::image::{Column, Image};
use freshet_core::table::{ColumnKind, ColumnSlot, TableId};
use proptest::prelude::*;
use serde_json::Value as Json;

use super::Plan;
use crate::avro::datum::{Bounds, Datum};
use crate::avro::schema::WriterSchema;
use crate::avro::unframe;
use crate::base64;
use crate::facts::{Facts, Part};
use crate::row_rules::RowRules;
use crate::row_rules::tests::shape;

const BOUNDS: Bounds = Bounds {
    depth_max: 32,
    steps_max: 1_000,
};

const COLUMNS: [(&str, ColumnKind); 6] = [
    ("id", ColumnKind::BIGINT),
    ("name", ColumnKind::TEXT),
    ("price", ColumnKind::Decimal { scale: Some(2) }),
    ("active", ColumnKind::Bool),
    ("released", ColumnKind::DATE),
    ("tags", ColumnKind::Opaque),
];

/// Recorded values in Avro, and the schemas that they name.
struct Recorded {
    schemas: BTreeMap<u32, WriterSchema>,
    values: Vec<Vec<u8>>,
}

fn recorded() -> &'static Recorded {
    static RECORDED: OnceLock<Recorded> = OnceLock::new();
    RECORDED.get_or_init(|| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas/fixtures/debezium");
        let text = |name: &str| std::fs::read_to_string(folder.join(name)).expect("a fixture");
        let schemas: BTreeMap<u32, Json> =
            serde_json::from_str(&text("postgres-avro.schemas.json")).expect("schemas");
        let compiled = |(id, json): (&u32, &Json)| {
            let schema = WriterSchema::compile(&json.to_string(), 1 << 16).expect("a real schema");
            (*id, schema)
        };
        let events = text("postgres-avro.jsonl");
        let values = events.lines().filter_map(|line| {
            let event: Json = serde_json::from_str(line).expect("an event");
            let mut buffer = vec![0; 1 << 20];
            let value = base64::decode(event["value_base64"].as_str()?, &mut buffer);
            Some(value.expect("base64").to_vec())
        });
        Recorded {
            schemas: schemas.iter().map(compiled).collect(),
            values: values.filter(|value| value.first() == Some(&0)).collect(),
        }
    })
}

type Seen = (Facts, Vec<String>);

fn seen(facts: Facts, change: &Change) -> Seen {
    let text = |image: &Image| {
        let slots = (0..COLUMNS.len() as u16).map(ColumnSlot);
        let columns: Vec<Column<'_>> = slots.map(|slot| image.column(slot)).collect();
        format!("{} {columns:?}", image.is_present())
    };
    (facts, vec![text(&change.before), text(&change.after)])
}

/// What the usual way says of a value, if it says anything, and what the general plan says.
fn both(value: &[u8], members: bool) -> Option<(Option<Seen>, Option<Seen>)> {
    let (id, bytes) = unframe(value).ok()?;
    let schema = recorded().schemas.get(&id)?;
    both_of(schema, id, bytes, members)
}

fn both_of(
    schema: &WriterSchema,
    id: u32,
    bytes: &[u8],
    members: bool,
) -> Option<(Option<Seen>, Option<Seen>)> {
    let shape = shape(&COLUMNS);
    let rules = RowRules {
        shape: &shape,
        columns: &[],
        members,
    };
    let plan = Plan::compile(schema, rules)?;
    let new = || {
        let mut change = Change::default();
        change.reset(TableId(0), Op::Read);
        (change, Facts::default())
    };
    let (mut change, mut facts) = new();
    let mut datum = Datum::new(schema, id, bytes, BOUNDS);
    let usual = plan.usual.as_ref()?;
    let fits = usual.run(&mut datum, &mut change, &mut facts, COLUMNS.len());
    let usual = fits.map(|()| seen(facts, &change));
    let (mut change, mut facts) = new();
    let mut datum = Datum::new(schema, id, bytes, BOUNDS);
    let read = plan.run_inner(&mut datum, &mut change, &mut facts, COLUMNS.len());
    Some((usual, read.ok().map(|()| seen(facts, &change))))
}

#[test]
fn the_usual_way_reads_every_recorded_change_as_the_general_plan_does() {
    let mut read = 0;
    for value in &recorded().values {
        for members in [false, true] {
            // Records about transactions have no program.
            let Some((usual, general)) = both(value, members) else {
                continue;
            };
            let general = general.expect("a real record");
            let is_change = general.0.source == Part::Read;
            if let Some(usual) = usual {
                assert_eq!(usual, general);
                read += usize::from(is_change);
            } else {
                assert!(!is_change, "the usual way gave up: {general:?}");
            }
        }
    }
    assert!(read > 20, "{read} changes");
}

/// In front of a row's id.
#[test]
fn the_usual_way_steps_over_values_of_every_type() {
    let told = |kind: &str, value: &[u8]| {
        let schema = format!(
            r#"{{"type":"record","name":"R","fields":[{{"name":"x","type":{kind}}},{{"name":"id","type":"long"}}]}}"#
        );
        let schema = WriterSchema::compile(&schema, 100).expect("a schema");
        let datum = [value, &[14]].concat();
        both_of(&schema, 1, &datum, false).expect("a plan of both")
    };
    for (kind, value) in [
        (r#""null""#, &[][..]),
        (r#""boolean""#, &[0]),
        (r#""boolean""#, &[1]),
        (r#""long""#, &[0x80, 1]),
        (r#""float""#, &[1; 4]),
        (r#""double""#, &[1; 8]),
        (r#""string""#, &[4, b'a', b'b']),
        (r#"{"type":"fixed","name":"F","size":3}"#, &[1; 3]),
        (r#"["boolean","null"]"#, &[0, 1]),
        (r#"["boolean","null"]"#, &[2]),
        (r#"{"type":"array","items":"boolean"}"#, &[4, 0, 1, 0]),
    ] {
        let (usual, general) = told(kind, value);
        let (_, images) = general.clone().expect("a row");
        assert!(images[1].contains("Known(\"7\")"), "{kind}: {images:?}");
        assert_eq!(usual, general, "{kind}");
    }
    assert_eq!(told(r#""boolean""#, &[3]), (None, None), "neither 0 nor 1");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_damaged_record_is_the_same_on_both_ways(
        which in any::<prop::sample::Index>(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in prop::option::weighted(0.2, any::<prop::sample::Index>()),
        members: bool,
    ) {
        let mut value = which.get(&recorded().values).clone();
        for (at, byte) in edits {
            let at = 5 + at.index(value.len() - 5);
            value[at] = byte;
        }
        if let Some(cut) = cut {
            value.truncate(5 + cut.index(value.len() - 5));
        }
        if let Some((Some(usual), general)) = both(&value, members) {
            prop_assert_eq!(Some(usual), general);
        }
    }
}
