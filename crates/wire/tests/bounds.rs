//! What a few hundred bytes may cost: time and memory of decoding are bounded whatever the record and its schema say.

mod shop;

use std::time::{Duration, Instant};

use allocation_counter::measure;
use freshet_core::change::Change;
use freshet_core::registry::LetterPolicy;
use freshet_wire::{DeadLetter, DecodeError, Decoded, Decoder, Limits};

const ITEMS: &str = "shop.public.items";

/// Decoding one record, or taking one schema, never takes longer. A build without optimisation gets ten times as long.
const WITHIN: Duration = Duration::from_secs(if cfg!(debug_assertions) { 10 } else { 1 });

const MIB: i64 = 1 << 20;

fn decoder() -> Decoder {
    Decoder::new(Limits::default())
}

fn framed(id: u32, datum: &[u8]) -> Vec<u8> {
    [&[0][..], &id.to_be_bytes(), datum].concat()
}

fn decode(decoder: &mut Decoder, value: &[u8]) -> Result<Decoded, DecodeError> {
    let record = shop::record(ITEMS, None, Some(value));
    decoder.decode(&record, &shop::shop(), &mut Change::default())
}

/// Runs `work`, which must end in time and within `peak_bytes_max` of memory.
fn bounded<T>(what: &str, peak_bytes_max: i64, work: impl FnOnce() -> T) -> T {
    let began = Instant::now();
    let mut answer = None;
    let memory = measure(|| answer = Some(work()));
    let took = began.elapsed();
    assert!(took < WITHIN, "{what} took {took:?}");
    let peak = memory.bytes_max as i64;
    assert!(peak < peak_bytes_max, "{what} took {peak} bytes");
    answer.expect("it ran")
}

/// A row with its key, a field `x` of this type, and, behind a branch that no record takes, record types `D1` to
/// `D59` with two fields of the one before: `D59` is 2^59 values without a byte.
fn row_beside_doubling(x: &str) -> String {
    let mut types =
        vec![r#"{"name":"d0","type":{"type":"record","name":"D0","fields":[]}}"#.to_owned()];
    for level in 1..60 {
        let before = level - 1;
        types.push(format!(
            r#"{{"name":"d{level}","type":{{"type":"record","name":"D{level}","fields":[{{"name":"a","type":"D{before}"}},{{"name":"b","type":"D{before}"}}]}}}}"#
        ));
    }
    let types = types.join(",");
    format!(
        r#"{{"type":"record","name":"R","fields":[{{"name":"id","type":"long"}},{{"name":"d","type":["null",{{"type":"record","name":"D","fields":[{types}]}}]}},{x}]}}"#
    )
}

/// A row with its key and a field of this type.
fn row_with(field: &str) -> String {
    format!(
        r#"{{"type":"record","name":"R","fields":[{{"name":"id","type":"long"}},{{"name":"x","type":{field}}}]}}"#
    )
}

#[test]
fn p14_a_schema_of_doubling_records_is_poison_within_its_steps() {
    let many = vec![r#"{"name":"x","type":"D19"}"#; 1_000].join(",");
    // A column that is bound, one that is not, every kind of value around the records, and many that are small enough
    // alone.
    for (what, x, datum) in [
        ("plain", r#"{"name":"x","type":"D59"}"#, &[2, 0][..]),
        (
            "array",
            r#"{"name":"x","type":{"type":"array","items":"D59"}}"#,
            &[2, 0, 2, 0],
        ),
        (
            "map",
            r#"{"name":"x","type":{"type":"map","values":"D59"}}"#,
            &[2, 0, 2, 0, 0],
        ),
        (
            "optional",
            r#"{"name":"x","type":["null","D59"]}"#,
            &[2, 0, 2],
        ),
        ("bound column", r#"{"name":"name","type":"D59"}"#, &[2, 0]),
        ("a thousand fields", &many, &[2, 0]),
    ] {
        let schema = row_beside_doubling(x);
        assert!(schema.len() < 7_100 || x.len() > 1_000, "{}", schema.len());
        let mut decoder = decoder();
        let answer = bounded(what, 8 * MIB, || {
            decoder.add_writer_schema(7, &schema).expect("it is valid");
            decode(&mut decoder, &framed(7, datum))
        });
        let error = answer.expect_err(what);
        assert_eq!(error.reason(), "too_many_steps", "{what}: {error}");
    }
}

/// As large as they come: nobody's record is refused for its size.
#[test]
fn p14_large_nested_records_are_no_poison() {
    let point = r#"{"type":"record","name":"P","fields":[{"name":"x","type":"int"},{"name":"y","type":"int"}]}"#;
    let schema = row_with(&format!(r#"{{"type":"array","items":{point}}}"#));
    let points = 4 << 20;
    let mut datum = vec![2, 0x80, 0x80, 0x80, 0x04];
    datum.extend(std::iter::repeat_n(2, 2 * points));
    datum.push(0);
    let mut decoder = decoder();
    decoder.add_writer_schema(7, &schema).expect("valid");
    let decoded = decode(&mut decoder, &framed(7, &datum));
    assert_eq!(decoded, Ok(Decoded::Change));
}

#[test]
fn p14_endless_blocks_of_nothing_end() {
    let endless = [2, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0];
    for items in [r#""null""#, r#"{"type":"fixed","name":"F","size":0}"#] {
        let schema = row_with(&format!(r#"{{"type":"array","items":{items}}}"#));
        let mut decoder = decoder();
        decoder.add_writer_schema(7, &schema).expect("valid");
        let decoded = bounded(items, MIB, || decode(&mut decoder, &framed(7, &endless)));
        assert_eq!(decoded, Ok(Decoded::Change), "{items}");
    }
}

#[test]
fn p14_a_writer_schema_costs_a_bounded_multiple_of_its_size() {
    let long = "n".repeat(1 << 20);
    let fields = |field: &str, count: usize| {
        let fields: Vec<String> = (0..count)
            .map(|at| field.replace('#', &at.to_string()))
            .collect();
        format!(
            r#"{{"type":"record","name":"R","namespace":"{long}","fields":[{}]}}"#,
            fields.join(",")
        )
    };
    let cases = [
        (
            "named in a long namespace",
            fields(
                r#"{"name":"f#","type":{"type":"fixed","name":"F#","size":1}}"#,
                30_000,
            ),
        ),
        (
            "references in a long namespace",
            fields(r#"{"name":"f#","type":"R"}"#, 60_000),
        ),
        (
            "empty objects",
            format!("[{}]", vec![r#"{"":0}"#; 500_000].join(",")),
        ),
        (
            "symbols",
            format!(
                r#"{{"type":"enum","name":"E","symbols":[{}]}}"#,
                vec![r#""""#; 1_000_000].join(",")
            ),
        ),
        (
            "branches",
            format!("[{}]", vec![r#""int""#; 500_000].join(",")),
        ),
        (
            "deep",
            format!(
                "{}\"int\"{}",
                r#"{"type":"#.repeat(400_000),
                "}".repeat(400_000)
            ),
        ),
    ];
    for (what, schema) in cases {
        assert!(schema.len() < 4 << 20, "{what}");
        let mut decoder = decoder();
        let added = bounded(what, 128 * MIB, || decoder.add_writer_schema(7, &schema));
        assert_eq!(added.map_err(|it| it.reason()), Err("bad_schema"), "{what}");
    }
}

/// The largest good schema, again and again under other ids.
#[test]
fn p14_writer_schemas_take_a_bounded_memory() {
    let names: Vec<String> = (0..10_000)
        .map(|at| format!(r#"{{"name":"column_{at:0>240}","type":["null","long"]}}"#))
        .collect();
    let schema = format!(
        r#"{{"type":"record","name":"R","fields":[{{"name":"id","type":"long"}},{}]}}"#,
        names.join(",")
    );
    assert!(schema.len() > 2_500_000, "{}", schema.len());
    let datum = [&[2][..], &vec![0; 10_000]].concat();
    let mut decoder = decoder();
    let limits = Limits::default();
    let memory = measure(|| {
        for id in 0..40 {
            decoder.add_writer_schema(id, &schema).expect("valid");
            assert_eq!(
                decode(&mut decoder, &framed(id, &datum)),
                Ok(Decoded::Change)
            );
        }
    });
    let kept = memory.bytes_current;
    // What one schema takes while it is compiled is forgotten again.
    assert!(
        kept < limits.writer_schemas_bytes_max as i64 + 8 * MIB,
        "{kept} bytes are kept"
    );
    assert!(kept > 8 * MIB, "{kept} bytes: several are kept");
}

#[test]
fn p14_the_schema_part_of_a_json_record_costs_a_bounded_memory() {
    let objects = vec![r#"{"":0}"#; 2_000_000].join(",");
    let value = format!(r#"{{"schema":{{"x":[{objects}]}},"payload":{{"id":1}}}}"#);
    assert!(value.len() < 16 << 20);
    let mut decoder = decoder();
    let answer = bounded("schema part", 64 * MIB, || {
        decode(&mut decoder, value.as_bytes())
    });
    assert_eq!(answer.map_err(|it| it.reason()), Err("bad_json"));
}

#[test]
fn p14_numbers_that_would_print_gigabytes_are_unknown() {
    let registry = shop::shop();
    let scaled = |scale: &str| format!(r#"{{"id":1,"price":{{"scale":{scale},"value":"AQ=="}}}}"#);
    let prices = [
        r#"{"id":1,"price":1e999999999}"#.to_owned(),
        r#"{"id":1,"price":1e-999999999}"#.to_owned(),
        scaled("2147483647"),
        scaled("-2147483648"),
        scaled("1e999999999"),
        format!(r#"{{"id":1,"price":{}}}"#, "9".repeat(1 << 20)),
    ];
    let connect = r#"{"type":"record","name":"V","fields":[{"name":"scale","type":"int"},{"name":"value","type":"bytes"}],"connect.name":"io.debezium.data.VariableScaleDecimal"}"#;
    let schema = row_with("\"null\"").replace(
        r#""name":"x","type":"null""#,
        &format!(r#""name":"price","type":{connect}"#),
    );
    let mut decoder = decoder();
    decoder.add_writer_schema(7, &schema).expect("valid");
    let avro = framed(7, &[2, 0xfe, 0xff, 0xff, 0xff, 0x0f, 2, 1]);
    let values = prices.iter().map(String::as_bytes).chain([&avro[..]]);
    for value in values {
        let shown = String::from_utf8_lossy(value.get(..60).unwrap_or(value)).into_owned();
        let mut change = Change::default();
        let record = shop::record(ITEMS, None, Some(value));
        let decoded = bounded(&shown, 8 * MIB, || {
            decoder.decode(&record, &registry, &mut change)
        });
        assert_eq!(decoded, Ok(Decoded::Change), "{shown}");
        let images = shop::images(&registry, &change);
        let digits = value.len() > 1 << 20;
        assert!(images.contains("price=?") || digits, "{shown}: {images}");
    }
}

/// A record over the limit is a dead letter too, and nobody made a tree of it before.
#[test]
fn p14_a_letter_of_a_large_record_costs_a_bounded_memory() {
    let objects = vec![r#"{"":0}"#; 4_000_000].join(",");
    let value = format!(r#"{{"after":[{objects}]}}"#);
    for policy in [LetterPolicy::Redacted, LetterPolicy::Full] {
        let mut letter = DeadLetter::default();
        bounded("a letter", MIB, || {
            letter.keep(policy, None, Some(value.as_bytes()))
        });
        assert!(letter.encode().len() < 70_000);
    }
}
