use allocation_counter::measure;
use freshet_core::table::ColumnKind;

use super::SchemaCache;
use crate::limits::Limits;
use crate::row_rules::RowRules;
use crate::row_rules::tests::shape;

const SCHEMA: &str = r#"{"type":"record","name":"R","fields":[{"name":"id","type":"long"}]}"#;

#[test]
fn what_was_unused_for_longest_goes_first_and_what_was_used_last_stays() {
    let limits = Limits::default();
    // The same in the other order, so that it is not the order of the map.
    let names: [fn(u32) -> u32; 2] = [|id| id, |id| 9 - id];
    for name in names {
        let by_last_use = [5, 1, 8, 4, 6, 2, 7, 3].map(name);
        for left in (0..=by_last_use.len()).rev() {
            let mut cache = SchemaCache::default();
            for id in [3, 5, 1, 2, 8, 7, 4].map(name) {
                cache.add(id, SCHEMA, &limits).expect("valid");
            }
            for id in [7, 3].map(name) {
                assert!(cache.get(id).is_ok_and(|schema| schema.is_some()));
            }
            cache.add(name(6), SCHEMA, &limits).expect("valid");
            for id in [2, 7, 3].map(name) {
                assert!(cache.get(id).is_ok_and(|schema| schema.is_some()));
            }
            let each = cache.bytes() / by_last_use.len();
            cache.make_room(left * each);
            let mut kept: Vec<u32> = cache.entries.keys().copied().collect();
            let gone = by_last_use.len() - left.max(1);
            let mut wanted = by_last_use[gone..].to_vec();
            kept.sort_unstable();
            wanted.sort_unstable();
            assert_eq!(kept, wanted, "room for {left}");
        }
    }
}

/// What schemas and their plans take is estimated from above, and not by far.
#[test]
fn the_memory_of_schemas_is_estimated_from_above() {
    let limits = Limits::default();
    // Each field of a schema may be a bound column.
    let names: Vec<String> = (0..1_000).map(|at| format!("{at:0>40}")).collect();
    let columns = names.iter().map(|name| (&**name, ColumnKind::BIGINT));
    let shape = shape(&columns.collect::<Vec<_>>());
    let symbols = vec![format!("\"{}\"", "s".repeat(200)); 300].join(",");
    let letters = format!(r#"{{"type":"enum","name":"E","symbols":[{symbols}]}}"#);
    let fields = |count: usize| {
        let fields = names.iter().take(count);
        let fields = fields.map(|name| format!(r#"{{"name":"{name}","type":["null","long"]}}"#));
        let fields = fields.collect::<Vec<_>>().join(",");
        format!(r#"{{"type":"record","name":"R","fields":[{fields}]}}"#)
    };
    let long_names = (0..100).map(|at| format!(r#"{{"name":"{at:0>1000}","type":"long"}}"#));
    let long_names = long_names.collect::<Vec<_>>().join(",");
    let long_names = format!(r#"{{"type":"record","name":"R","fields":[{long_names}]}}"#);
    for (what, json) in [
        ("long names", long_names),
        ("small", fields(1)),
        ("large", fields(1_000)),
        ("symbols", letters),
        ("broken", "{}".to_owned()),
    ] {
        for plans in [0, 1, 3, 20] {
            let mut cache = SchemaCache::default();
            let taken = measure(|| {
                let added = cache.add(7, &json, &limits);
                for table in 0..plans {
                    let mut shape = shape.clone();
                    shape.id.0 = table;
                    let rules = RowRules {
                        shape: &shape,
                        columns: &[],
                        members: false,
                    };
                    if let Ok(Some(compiled)) = cache.get(7) {
                        let _ = compiled.plan(rules, false);
                    }
                }
                drop(added);
            });
            let (taken, estimated) = (taken.bytes_current, cache.bytes() as i64);
            assert!(taken <= estimated, "{what} {plans}: {taken} of {estimated}");
            assert!(
                estimated <= 2_000 + 10 * taken,
                "{what} {plans}: {estimated} for {taken}"
            );
        }
    }
}
