//! What an Avro record comes to by what its writer schema says: values, defaults, limits, and what is wrong with it.

mod shop;

use freshet_core::change::Change;
use freshet_core::image::Column;
use freshet_core::registry::Registry;
use freshet_core::table::{ColumnKind, ColumnSlot, Engine, ReplicaIdentity};
use freshet_wire::{DecodeError, Decoded, Decoder, Limits};

const TOPIC: &str = "t.public.things";

fn registry(sequence: u64, columns: &[(&str, ColumnKind)]) -> Registry {
    let table = shop::table(TOPIC, Engine::Postgres, ReplicaIdentity::Full, columns);
    shop::registry(sequence, vec![table])
}

/// The schema of a row with these fields, which are names and types.
fn row(fields: &[(&str, &str)]) -> String {
    let fields = fields
        .iter()
        .map(|(name, kind)| format!(r#"{{"name":"{name}","type":{kind}}}"#));
    let fields = fields.collect::<Vec<_>>().join(",");
    format!(r#"{{"type":"record","name":"Row","fields":[{fields}]}}"#)
}

fn framed(datum: &[u8]) -> Vec<u8> {
    [&[0, 0, 0, 0, 1], datum].concat()
}

/// What is certain of the row after, or what is wrong.
fn decode(
    limits: Limits,
    columns: &[(&str, ColumnKind)],
    schema: &str,
    datum: &[u8],
) -> Result<String, DecodeError> {
    let registry = registry(1, columns);
    let mut decoder = Decoder::new(limits);
    decoder.add_writer_schema(1, schema).expect("a schema");
    let mut change = Change::default();
    let value = framed(datum);
    let record = shop::record(TOPIC, None, Some(&value));
    let decoded = decoder.decode(&record, &registry, &mut change)?;
    assert_eq!(decoded, Decoded::Change);
    let images = shop::images(&registry, &change);
    let after = images.split("after ").last().unwrap_or_default();
    Ok(after.to_owned())
}

const KEYED: (&str, ColumnKind) = ("id", ColumnKind::BIGINT);

#[test]
fn a_bad_datum_says_what_is_wrong_and_where() {
    let columns = [KEYED, ("name", ColumnKind::TEXT)];
    let long = [0xff; 12];
    for (kind, datum, wanted) in [
        (r#""long""#, &b""[..], "0: the datum ends too early"),
        (r#""long""#, &[2, 0x80], "1: the datum ends too early"),
        (r#""long""#, &long, "0: a number is longer than ten bytes"),
        (r#""string""#, &[2, 1, 2], "2: a length is negative"),
        (r#""boolean""#, &[2, 2], "2: a boolean is neither 0 nor 1"),
        (r#"["null"]"#, &[2, 2], "2: unknown branch of a union"),
        (
            r#"{"type":"enum","name":"E","symbols":["a"]}"#,
            &[2, 2],
            "2: unknown symbol of an enum",
        ),
        (r#""null""#, &[2, 0], "1: trailing bytes"),
    ] {
        let schema = row(&[("id", r#""long""#), ("name", kind)]);
        let error = decode(Limits::default(), &columns, &schema, datum);
        let error = error.expect_err("it is bad").to_string();
        let wanted = format!("bad Avro under schema 1 at byte {wanted}");
        assert_eq!(error, wanted, "{kind}");
    }
    let schema = row(&[("id", r#""long""#), ("name", r#""string""#)]);
    let datum = [2, 6, b'a', 0xff, b'b'];
    let error = decode(Limits::default(), &columns, &schema, &datum);
    assert_eq!(error, Err(DecodeError::BadUtf8 { at: 3 }));
}

/// A type without bytes costs steps: as many as the datum has bytes, and the limit.
#[test]
fn a_datum_may_take_the_steps_of_its_bytes_and_those_of_the_limit() {
    let limits = || Limits {
        steps_max: 10,
        ..Limits::default()
    };
    let nulls = |name: &str, count: usize| {
        let fields = (0..count).map(|at| format!(r#"{{"name":"n{at}","type":"null"}}"#));
        let fields = fields.collect::<Vec<_>>().join(",");
        format!(r#"{{"type":"record","name":"{name}","fields":[{fields}]}}"#)
    };
    for (first, second, wanted) in [
        (5, 6, Ok("id=\"7\"")),
        (6, 6, Err("too_many_steps")),
        // A record without any field is a step too.
        (0, 10, Ok("id=\"7\"")),
        (0, 11, Err("too_many_steps")),
    ] {
        let (first, second) = (nulls("A", first), nulls("B", second));
        let schema = row(&[("a", &first), ("b", &second), ("id", r#""long""#)]);
        let told = decode(limits(), &[KEYED], &schema, &[14]);
        let told = told.map_err(|error| error.reason());
        assert_eq!(told.as_deref(), wanted.as_ref().copied());
    }
}

/// A type and a value of it.
struct Nest {
    kind: String,
    datum: Vec<u8>,
}

fn in_structure(at: usize, Nest { kind, datum }: Nest) -> Nest {
    let fields = format!(r#"[{{"name":"f","type":{kind}}}]"#);
    let kind = format!(r#"{{"type":"record","name":"L{at}","fields":{fields}}}"#);
    Nest { kind, datum }
}

fn in_optional_structure(at: usize, inner: Nest) -> Nest {
    let Nest { kind, datum } = in_structure(at, inner);
    Nest {
        kind: format!(r#"["null",{kind}]"#),
        datum: [&[2], &datum[..]].concat(),
    }
}

fn in_array(_: usize, Nest { kind, datum }: Nest) -> Nest {
    let kind = format!(r#"{{"type":"array","items":{kind}}}"#);
    let datum = [&[2], &datum[..], &[0]].concat();
    Nest { kind, datum }
}

fn in_map(_: usize, Nest { kind, datum }: Nest) -> Nest {
    let kind = format!(r#"{{"type":"map","values":{kind}}}"#);
    let datum = [&[2, 2, b'k'], &datum[..], &[0]].concat();
    Nest { kind, datum }
}

#[test]
fn a_value_may_be_as_deep_as_the_limit_in_every_kind_of_nesting() {
    let limits = || Limits {
        depth_max: 8,
        ..Limits::default()
    };
    type Nesting = fn(usize, Nest) -> Nest;
    // What lies inside seven structures is eight deep. A union inside one is a level too, that of a field is none.
    let nests: [(&str, Nesting, usize); 4] = [
        ("structure", in_structure, 7),
        ("optional", in_optional_structure, 4),
        ("array", in_array, 7),
        ("map", in_map, 7),
    ];
    for (name, nest, levels) in nests {
        for (levels, wanted) in [
            (levels, Ok("id=\"7\" name=?")),
            (levels + 1, Err("too_deep")),
        ] {
            let innermost = Nest {
                kind: r#""long""#.to_owned(),
                datum: vec![2],
            };
            let Nest { kind, datum } = (0..levels).fold(innermost, |inner, at| nest(at, inner));
            let schema = row(&[("x", &kind), ("id", r#""long""#), ("name", r#""null""#)]);
            let datum = [&datum[..], &[14]].concat();
            let columns = [KEYED, ("name", ColumnKind::Opaque)];
            let told = decode(limits(), &columns, &schema, &datum);
            let told = told.map_err(|error| error.reason());
            assert_eq!(told.as_deref(), wanted.as_ref().copied(), "{name} {levels}");
        }
    }
}

#[test]
fn a_decimal_is_read_from_every_type_that_carries_one() {
    let structure = |name: &str, fields: &str| {
        format!(r#"{{"type":"record","name":"V",{name}"fields":[{fields}]}}"#)
    };
    let (scale, value) = (
        r#"{"name":"scale","type":"int"}"#,
        r#"{"name":"value","type":"bytes"}"#,
    );
    let known = r#""connect.name":"io.debezium.data.VariableScaleDecimal","#;
    let in_order = format!("{scale},{value}");
    for (kind, datum, wanted) in [
        (
            structure(known, &in_order),
            &[4, 4, 0x07, 0xc6][..],
            r#""19.90""#,
        ),
        (
            structure(known, &format!("{value},{scale}")),
            &[4, 0x07, 0xc6, 4],
            r#""19.90""#,
        ),
        // A structure that only looks so, and one that lacks the scale.
        (structure("", &in_order), &[4, 4, 0x07, 0xc6], "?"),
        (structure(known, value), &[4, 0x07, 0xc6], "?"),
        (
            r#"{"type":"fixed","name":"F","size":2,"logicalType":"decimal","scale":2}"#.to_owned(),
            &[0x07, 0xc6],
            r#""19.90""#,
        ),
        (
            r#""double""#.to_owned(),
            &19.9_f64.to_le_bytes(),
            r#""19.90""#,
        ),
        (
            r#""float""#.to_owned(),
            &19.5_f32.to_le_bytes(),
            r#""19.50""#,
        ),
        (r#""long""#.to_owned(), &[38], r#""19.00""#),
    ] {
        let schema = row(&[("id", r#""long""#), ("price", &kind)]);
        let columns = [KEYED, ("price", ColumnKind::Decimal { scale: Some(2) })];
        let datum = [&[14], datum].concat();
        let told = decode(Limits::default(), &columns, &schema, &datum);
        assert_eq!(told, Ok(format!("id=\"7\" price={wanted}")), "{kind}");
    }
}

/// A converter writes the column's default in place of NULL, so that only another value is certain.
#[test]
fn a_value_is_certain_where_it_is_not_the_default_of_its_field() {
    let tenths = ColumnKind::Decimal { scale: Some(1) };
    let hundredths = ColumnKind::Decimal { scale: Some(2) };
    let decimal = r#"{"type":"bytes","scale":2,"precision":9,"connect.version":1,"connect.name":"org.apache.kafka.connect.data.Decimal"}"#;
    let (half, other) = (1.5_f64.to_le_bytes(), 2.5_f64.to_le_bytes());
    let letters = r#"{"type":"enum","name":"E","symbols":["a","b"]}"#;
    for (kind, column, default, (same, different)) in [
        (
            r#""boolean""#,
            ColumnKind::Bool,
            "true",
            (&[1][..], (&[0][..], "false")),
        ),
        (r#""long""#, ColumnKind::BIGINT, "1", (&[2], (&[4], "2"))),
        (r#""double""#, tenths, "1.5", (&half, (&other, "2.5"))),
        (
            r#""string""#,
            ColumnKind::TEXT,
            r#""a""#,
            (&[2, b'a'], (&[2, b'b'], "b")),
        ),
        (letters, ColumnKind::TEXT, r#""a""#, (&[0], (&[2], "b"))),
        (
            decimal,
            hundredths,
            r#""\u0007\u00c6""#,
            (&[4, 0x07, 0xc6], (&[2, 0x07], "0.07")),
        ),
    ] {
        let schema = format!(
            r#"{{"type":"record","name":"Row","fields":[{{"name":"id","type":"long"}},
                {{"name":"other","type":"long","default":9}},{{"name":"c","type":[{kind},"null"],"default":{default}}}]}}"#
        );
        let columns = [KEYED, ("c", column)];
        let (different, text) = different;
        for (value, wanted) in [(same, "?".to_owned()), (different, format!("{text:?}"))] {
            let datum = [&[14, 2, 0], value].concat();
            let told = decode(Limits::default(), &columns, &schema, &datum);
            assert_eq!(told, Ok(format!("id=\"7\" c={wanted}")), "{kind}");
        }
    }
}

/// Connect says a default of the type, too, and of a branch.
#[test]
fn a_default_may_stand_with_the_type() {
    let of = |default: &str| format!(r#"{{"type":"long","connect.default":{default}}}"#);
    let branches = |default: &str| format!(r#"[{},"null"]"#, of(default));
    for (kind, wanted) in [
        (branches("1"), "?"),
        (branches("2"), "\"1\""),
        (branches("null"), "\"1\""),
    ] {
        let schema = row(&[("id", r#""long""#), ("c", &kind)]);
        let columns = [KEYED, ("c", ColumnKind::BIGINT)];
        let told = decode(Limits::default(), &columns, &schema, &[14, 0, 2]);
        assert_eq!(told, Ok(format!("id=\"7\" c={wanted}")), "{kind}");
    }
}

#[test]
fn what_is_read_of_a_schema_follows_the_registry() {
    let schema = row(&[
        ("id", r#""long""#),
        ("a", r#""string""#),
        ("b", r#""string""#),
    ]);
    let mut decoder = Decoder::new(Limits::default());
    decoder.add_writer_schema(1, &schema).expect("a schema");
    let mut change = Change::default();
    let value = framed(&[14, 2, b'x', 2, b'y']);
    for (sequence, bound, wanted) in [(1, "a", "x"), (2, "b", "y"), (3, "a", "x")] {
        let registry = registry(sequence, &[KEYED, (bound, ColumnKind::TEXT)]);
        let record = shop::record(TOPIC, None, Some(&value));
        let decoded = decoder.decode(&record, &registry, &mut change);
        assert_eq!(decoded, Ok(Decoded::Change));
        let images = shop::images(&registry, &change);
        let wanted = format!("after id=\"7\" {bound}=\"{wanted}\"");
        assert!(images.ends_with(&wanted), "{images}");
    }
}

/// The key's schema is wanted only where the value does not say the key.
#[test]
fn a_delete_that_says_its_key_wants_no_schema_of_the_record_s_key() {
    let schema = r#"{"type":"record","name":"Envelope","fields":[
        {"name":"before","type":["null",{"type":"record","name":"Value","fields":[{"name":"id","type":["null","long"]}]}]},
        {"name":"op","type":"string"}]}"#;
    let registry = registry(1, &[KEYED]);
    let mut decoder = Decoder::new(Limits::default());
    decoder.add_writer_schema(1, schema).expect("a schema");
    let mut change = Change::default();
    let key = [0, 0, 0, 0, 9, 14];
    for (before, wanted) in [
        (&[2, 2, 14][..], Decoded::Change),
        (&[2, 0], Decoded::SchemaWanted { id: 9 }),
        (&[0], Decoded::SchemaWanted { id: 9 }),
    ] {
        let value = framed(&[before, &[2, b'd']].concat());
        let record = shop::record(TOPIC, Some(&key), Some(&value));
        let decoded = decoder.decode(&record, &registry, &mut change);
        assert_eq!(decoded, Ok(wanted), "{before:?}");
    }
}

#[test]
fn a_union_of_two_types_without_null_is_read_by_its_branch() {
    let columns = |kind| [KEYED, ("c", kind)];
    for (kind, column, datum, wanted) in [
        (
            r#"["string","long"]"#,
            ColumnKind::TEXT,
            &[0, 2, b'a'][..],
            "\"a\"",
        ),
        (r#"["string","long"]"#, ColumnKind::TEXT, &[2, 4], "?"),
        (r#"["string","long"]"#, ColumnKind::BIGINT, &[2, 4], "\"2\""),
        (r#"["long","string"]"#, ColumnKind::BIGINT, &[0, 4], "\"2\""),
        (
            r#"["long","null","string"]"#,
            ColumnKind::BIGINT,
            &[2],
            "NULL",
        ),
    ] {
        let schema = row(&[("id", r#""long""#), ("c", kind)]);
        let datum = [&[14], datum].concat();
        let told = decode(Limits::default(), &columns(column), &schema, &datum);
        assert_eq!(told, Ok(format!("id=\"7\" c={wanted}")), "{kind}");
    }
}

/// What a record of these fields comes to; a table declares `declared`.
fn outcome(declared: &[&str], fields: &[(&str, &str)], datum: &[u8]) -> String {
    let mut table = shop::table(TOPIC, Engine::Postgres, ReplicaIdentity::Full, &[KEYED]);
    table.shape.declared = declared.iter().map(|name| (*name).into()).collect();
    let registry = shop::registry(1, vec![table]);
    let mut decoder = Decoder::new(Limits::default());
    decoder
        .add_writer_schema(1, &row(fields))
        .expect("a schema");
    let mut change = Change::default();
    let value = framed(datum);
    let record = shop::record(TOPIC, None, Some(&value));
    match decoder.decode(&record, &registry, &mut change) {
        Ok(Decoded::Change) => {
            let images = shop::images(&registry, &change);
            format!("{:?} {images}", change.op)
        }
        Ok(other) => format!("{other:?}"),
        Err(error) => error.reason().to_owned(),
    }
}

/// What a record of an id and these fields comes to. `name{}` is a structure, every other field a text: `m` in `op`, else `END`.
fn outcome_of(declared: &[&str], names: &str) -> String {
    const EMPTY: &str = r#"{"type":"record","name":"S","fields":[]}"#;
    let (mut fields, mut datum) = (vec![("id", r#""long""#)], vec![14]);
    for name in names.split(' ') {
        match name.strip_suffix("{}") {
            Some(name) => fields.push((name, EMPTY)),
            None => {
                fields.push((name, r#""string""#));
                datum.extend(if name == "op" {
                    &b"\x02m"[..]
                } else {
                    b"\x06END"
                });
            }
        }
    }
    outcome(declared, &fields, &datum)
}

#[test]
fn a_row_may_have_a_column_that_is_called_as_a_field_of_debezium_s() {
    let row = "Update before id=\"7\" after id=\"7\"";
    for (names, wanted) in [
        ("op", row),
        ("source{}", row),
        ("op source", row),
        ("op source{}", "Skipped(Message)"),
        ("status", row),
        ("data_collections", row),
        ("status data_collections", "Skipped(Transaction)"),
        ("ddl source{}", row),
        ("databaseName source{}", row),
        ("ddl databaseName", row),
        ("ddl databaseName source", row),
        ("ddl databaseName source{}", "Truncate "),
    ] {
        assert_eq!(outcome_of(&[], names), wanted, "{names}");
    }
    let declared = ["status", "data_collections", "ddl", "databaseName"];
    for names in ["status data_collections", "ddl databaseName source{}"] {
        assert_eq!(outcome_of(&declared, names), row, "{names}");
    }
}

#[test]
fn marks_of_the_flattened_form_make_a_row_whatever_else_is_there() {
    let empty = r#"{"type":"record","name":"S","fields":[]}"#;
    for (mark, kind, value, op) in [
        ("__op", r#""string""#, &[2, b'c'][..], "Create"),
        ("__deleted", r#""boolean""#, &[0], "Update"),
    ] {
        let fields = [
            ("id", r#""long""#),
            ("op", r#""string""#),
            ("source", empty),
            (mark, kind),
        ];
        let datum = [&[14, 2, b'm'], value].concat();
        let told = outcome(&[], &fields, &datum);
        let is_row = told.starts_with(op) && told.ends_with("after id=\"7\"");
        assert!(is_row, "{told}");
    }
    let fields = [("id", r#""long""#), ("__deleted", r#""boolean""#)];
    for (deleted, op) in [(0, "Update "), (1, "Delete ")] {
        let told = outcome(&[], &fields, &[14, deleted]);
        assert!(told.starts_with(op), "{told}");
    }
}

#[test]
fn before_and_after_may_be_of_two_types_and_a_part_of_none() {
    let part = |name: &str| {
        let fields = r#"[{"name":"id","type":"long"}]"#;
        format!(r#"["null","string",{{"type":"record","name":"{name}","fields":{fields}}}]"#)
    };
    let (before, after) = (part("Before"), part("After"));
    let source =
        r#"["null","string",{"type":"record","name":"S","fields":[{"name":"lsn","type":"long"}]}]"#;
    let fields = [
        ("before", &*before),
        ("after", &after),
        ("source", source),
        ("op", r#""string""#),
    ];
    for (parts, wanted) in [
        (
            &[4, 12, 4, 14, 4, 2][..],
            "Update before id=\"6\" after id=\"7\"",
        ),
        (&[0, 4, 14, 0], "Update before id=\"7\" after id=\"7\""),
        (
            &[0, 4, 14, 2, 2, b'x'],
            "Update before id=\"7\" after id=\"7\"",
        ),
        (&[2, 2, b'x', 4, 14, 0], "bad_envelope"),
        (&[4, 12, 2, 2, b'x', 0], "bad_envelope"),
    ] {
        let datum = [parts, &[2, b'u']].concat();
        assert_eq!(outcome(&[], &fields, &datum), wanted, "{parts:?}");
    }
}

#[test]
fn a_key_that_is_no_structure_says_nothing_of_the_row() {
    let registry = registry(1, &[KEYED]);
    let key = r#"["string",{"type":"record","name":"Key","fields":[{"name":"id","type":"long"}]}]"#;
    let mut decoder = Decoder::new(Limits::default());
    decoder.add_writer_schema(1, key).expect("a schema");
    for (key, wanted) in [(&[2, 14][..], "\"7\""), (&[0, 2, b'a'], "?"), (&[2], "?")] {
        let key = framed(key);
        let mut change = Change::default();
        let record = shop::record(TOPIC, Some(&key), None);
        let decoded = decoder.decode(&record, &registry, &mut change);
        assert_eq!(decoded, Ok(Decoded::Change));
        assert_eq!(
            shop::images(&registry, &change),
            format!("before id={wanted}")
        );
    }
}

/// They are no text then that would have to be one.
#[test]
fn a_key_has_no_marks_of_the_flattened_form() {
    let registry = registry(1, &[KEYED]);
    let mut decoder = Decoder::new(Limits::default());
    let key = row(&[("__op", r#""string""#), ("id", r#""long""#)]);
    decoder.add_writer_schema(1, &key).expect("a schema");
    let key = framed(&[2, 0xff, 14]);
    let mut change = Change::default();
    let tombstone = shop::record(TOPIC, Some(&key), None);
    let decoded = decoder.decode(&tombstone, &registry, &mut change);
    assert_eq!(decoded, Ok(Decoded::Change));
    assert_eq!(shop::images(&registry, &change), "before id=\"7\"");
}

#[test]
fn a_key_may_hold_structures_without_bytes() {
    let registry = registry(1, &[KEYED]);
    let mut decoder = Decoder::new(Limits::default());
    let place = r#"{"type":"record","name":"P","fields":[{"name":"x","type":"null"},{"name":"y","type":"null"}]}"#;
    let schema = format!(
        r#"{{"type":"record","name":"Key","fields":[{{"name":"at","type":{place}}},{{"name":"id","type":"long"}}]}}"#
    );
    decoder.add_writer_schema(1, &schema).expect("it compiles");
    let key = framed(&[14]);
    let mut change = Change::default();
    let tombstone = shop::record(TOPIC, Some(&key), None);
    let decoded = decoder.decode(&tombstone, &registry, &mut change);
    assert_eq!(decoded, Ok(Decoded::Change));
    assert_eq!(change.before.column(ColumnSlot(0)), Column::Known("7"));
}
