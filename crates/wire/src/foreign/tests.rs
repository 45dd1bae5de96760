use freshet_core::table::ColumnKind;
use proptest::prelude::*;

use super::*;
use crate::row_rules::tests::shape;

/// One record of each format as its documentation shows it.
const SAMPLES: &[(&str, &str)] = &[
    (
        "CloudEvents",
        r#"{"id":"name:shop;lsn:29274832","source":"/debezium/postgresql/shop","specversion":"1.0","type":"io.debezium.connector.postgresql.datachangeevent","data":{"before":null,"after":{"id":1}}}"#,
    ),
    (
        "Canal",
        r#"{"data":[{"id":"109"}],"database":"shop","es":1589373560000,"id":9,"isDdl":false,"mysqlType":{"id":"INTEGER"},"old":null,"pkNames":["id"],"sql":"","sqlType":{"id":4},"table":"t","ts":1589373560798,"type":"INSERT"}"#,
    ),
    (
        "TiCDC canal-json",
        r#"{"id":0,"database":"shop","table":"t","pkNames":["id"],"isDdl":false,"type":"INSERT","es":1639633141221,"ts":1639633142960,"sql":"","sqlType":{},"mysqlType":{},"data":[{}],"old":null,"_tidb":{"commitTs":429918007904436226}}"#,
    ),
    (
        "TiCDC simple protocol",
        r#"{"version":1,"database":"shop","table":"t","tableID":148,"type":"INSERT","commitTs":447984084414103554,"buildTs":1708923662983,"schemaVersion":447984074911121426,"data":{"id":"1"}}"#,
    ),
    (
        "Maxwell",
        r#"{"database":"shop","table":"t","type":"insert","ts":1449786310,"xid":940752,"commit":true,"data":{"id":1}}"#,
    ),
    (
        "Maxwell",
        r#"{"database":"shop","table":"t","type":"bootstrap-insert","ts":1450557744,"data":{"id":1}}"#,
    ),
    (
        "TiCDC Debezium protocol",
        r#"{"payload":{"source":{"connector":"TiCDC","db":"shop","table":"t"},"op":"c","before":null,"after":{"id":1}},"schema":{"type":"struct","optional":false,"fields":[]}}"#,
    ),
    (
        "OpenCDC",
        r#"{"position":"c3RhbmRpbmc=","operation":"update","metadata":{"opencdc.version":"v1"},"key":{"id":1},"payload":{"before":null,"after":{"id":1}}}"#,
    ),
    (
        "AWS DMS",
        r#"{"data":{"id":1},"metadata":{"timestamp":"2020-11-24T08:09:12.183Z","record-type":"data","operation":"update","schema-name":"shop","table-name":"t"}}"#,
    ),
    (
        "Oracle GoldenGate",
        r#"{"table":"SHOP.T","op_type":"U","op_ts":"2013-06-02 22:14:36.000000","current_ts":"2015-09-18T10:17:49.570000","pos":"00000000000000001444","before":{"ID":1},"after":{"ID":1}}"#,
    ),
    (
        "Airbyte",
        r#"{"type":"RECORD","record":{"stream":"t","emitted_at":1,"data":{"id":1}}}"#,
    ),
    (
        "Airbyte",
        r#"{"_airbyte_ab_id":"a","_airbyte_emitted_at":1,"_airbyte_data":{"id":1}}"#,
    ),
    (
        "Airbyte",
        r#"{"_airbyte_raw_id":"a","_airbyte_extracted_at":1,"id":1}"#,
    ),
    (
        "Sequin",
        r#"{"record":{"id":1},"changes":null,"action":"insert","metadata":{"table_schema":"public","table_name":"t"}}"#,
    ),
    (
        "wal2json",
        r#"{"change":[{"kind":"insert","schema":"public","table":"t","columnnames":["id"],"columnvalues":[1]}]}"#,
    ),
    (
        "wal2json",
        r#"{"action":"I","schema":"public","table":"t","columns":[{"name":"id","type":"integer","value":1}]}"#,
    ),
    (
        "wal2json",
        r#"{"action":"D","schema":"public","table":"t","identity":[{"name":"id","type":"integer","value":1}]}"#,
    ),
    (
        "Estuary Flow",
        r#"{"_meta":{"op":"d","source":{"ts_ms":1},"uuid":"u"},"id":1}"#,
    ),
    (
        "Qlik Replicate",
        r#"{"magic":"atMSG","type":"DT","headers":null,"messageSchemaId":null,"message":{"data":{"ID":1},"beforeData":null}}"#,
    ),
    (
        "Qlik Replicate",
        r#"{"data":{"ID":1},"beforeData":null,"headers":{"operation":"INSERT"}}"#,
    ),
    (
        "DynamoDB Streams",
        r#"{"eventID":"1","eventName":"MODIFY","eventSource":"aws:dynamodb","dynamodb":{"Keys":{"id":{"N":"1"}}}}"#,
    ),
    (
        "MongoDB change streams",
        r#"{"_id":{"_data":"8263"},"operationType":"insert","ns":{"db":"shop","coll":"t"},"documentKey":{"_id":1},"fullDocument":{"_id":1}}"#,
    ),
    (
        "SQL Server change tables",
        r#"{"__$start_lsn":"AAAA","__$operation":1,"id":1}"#,
    ),
    (
        "Amazon EventBridge",
        r#"{"version":"0","id":"17793124","detail-type":"row","source":"shop","account":"1","time":"2020-11-24T08:09:12Z","detail":{"id":1}}"#,
    ),
    (
        "Amazon SNS",
        r#"{"Type":"Notification","MessageId":"m","TopicArn":"arn","Message":"{}"}"#,
    ),
];

fn table(declared: &[&str]) -> TableShape {
    let mut table = shape(&[("id", ColumnKind::Opaque)]);
    table.declared = declared.iter().map(|it| (*it).into()).collect();
    table
}

fn names_of(sample: &str) -> Vec<String> {
    let object: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(sample).expect("an object");
    object.keys().cloned().collect()
}

#[test]
fn every_format_is_named_and_suspected_by_a_field_that_no_table_has() {
    let table = table(&["id", "name"]);
    for (format, sample) in SAMPLES {
        let found = of_object(Cursor::new(sample.as_bytes(), 64), &table);
        assert_eq!(found, Ok(Some(*format)), "{sample}");
        let suspected = names_of(sample)
            .iter()
            .any(|name| may_lead(name.as_bytes(), &table));
        assert!(suspected, "{sample}");
    }
    for Format { name, .. } in FORMATS {
        assert!(
            SAMPLES.iter().any(|(sample, _)| sample == name),
            "no sample of {name}"
        );
    }
}

#[test]
fn a_table_with_all_these_columns_is_a_table() {
    for (format, sample) in SAMPLES {
        let names = names_of(sample);
        let table = table(&names.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(
            of_object(Cursor::new(sample.as_bytes(), 64), &table),
            Ok(None),
            "{format}"
        );
        assert!(
            !names.iter().any(|name| may_lead(name.as_bytes(), &table)),
            "{format}"
        );
    }
}

#[test]
fn one_field_alone_is_no_format() {
    let table = table(&["id"]);
    for row in [
        r#"{"id":1,"data":{"a":1},"type":"x","source":"web","table":"t","ts":5}"#,
        r#"{"id":1,"metadata":{"a":1},"operation":"sum","action":"buy","record":"long play"}"#,
        r#"{"id":1,"specversion":"1.0"}"#,
        r#"{"id":1,"database":"shop","data":"{}"}"#,
    ] {
        assert_eq!(
            of_object(Cursor::new(row.as_bytes(), 64), &table),
            Ok(None),
            "{row}"
        );
    }
}

#[test]
fn text_and_framed_records_are_named() {
    let text = b"table public.t: INSERT: id[integer]:1 name[text]:'a'";
    assert_eq!(of_text(text), Some("test_decoding"));
    for text in [
        "tables and chairs",
        "table without a change",
        "a note: no change",
    ] {
        assert_eq!(of_text(text.as_bytes()), None, "{text}");
    }
    let json = br#"{"u":{"id":{"t":3,"h":true,"f":11,"v":1}}}"#;
    let framed = [&(json.len() as u64).to_be_bytes()[..], json].concat();
    assert!(is_open_protocol(&framed));
    assert!(!is_open_protocol(&framed[..framed.len() - 1]), "cut");
    assert!(!is_open_protocol(&[0, 0, 0, 0, 7, 2]));
}

#[test]
fn a_writer_schema_names_a_format_by_the_kinds_of_its_fields() {
    let format_of = |fields: &[(&str, &str)]| {
        let fields = fields
            .iter()
            .map(|(name, kind)| format!(r#"{{"name":"{name}","type":{kind}}}"#));
        let fields = fields.collect::<Vec<_>>().join(",");
        let json = format!(r#"{{"type":"record","name":"R","fields":[{fields}]}}"#);
        let schema = WriterSchema::compile(&json, 100).expect("valid");
        let (_, record) = schema.record(schema.root()).expect("a record");
        of_schema(&schema, record, &table(&["id"]))
    };
    let text = r#""string""#;
    let map = r#"{"type":"map","values":"string"}"#;
    let maxwell = |ts, data| {
        let texts = [("database", text), ("table", text), ("type", text)];
        format_of(&[&texts[..], &[("ts", ts), ("data", data)]].concat())
    };
    for (ts, data) in [
        (r#""long""#, map),
        (
            r#"["null","long"]"#,
            r#"{"type":"record","name":"D","fields":[]}"#,
        ),
        // Two branches of one kind.
        (
            r#"["int","double"]"#,
            r#"["null",{"type":"map","values":"int"}]"#,
        ),
    ] {
        assert_eq!(maxwell(ts, data), Some("Maxwell"), "{ts} {data}");
    }
    assert_eq!(maxwell(text, map), None);
    assert_eq!(maxwell(r#""long""#, r#"["null","string"]"#), None);
    let list = r#"{"type":"array","items":"string"}"#;
    assert_eq!(format_of(&[("change", list)]), Some("wal2json"));
    assert_eq!(format_of(&[("change", map)]), None);
    assert_eq!(format_of(&[]), None);
}

/// Every field of every format.
fn fields() -> Vec<(&'static str, Kinds)> {
    FORMATS.iter().flat_map(|it| it.fields).copied().collect()
}

proptest! {
    /// Whatever a table's columns are called and hold: as long as the source file knows them, its rows are rows.
    #[test]
    fn p15_a_row_of_declared_columns_is_never_foreign(
        chosen in proptest::sample::subsequence(fields(), 1..40),
    ) {
        let values = |kinds: Kinds| match kinds {
            _ if kinds & OBJECT != 0 => "{}",
            _ if kinds & ARRAY != 0 => "[]",
            _ if kinds & TEXT != 0 => r#""a""#,
            _ if kinds & NUMBER != 0 => "1",
            _ => "true",
        };
        let row = chosen.iter().map(|(name, kinds)| format!("\"{name}\":{}", values(*kinds)));
        let row = format!("{{{}}}", row.collect::<Vec<_>>().join(","));
        let names: Vec<&str> = chosen.iter().map(|(name, _)| *name).collect();
        let table = table(&names);
        prop_assert_eq!(of_object(Cursor::new(row.as_bytes(), 64), &table), Ok(None));
    }
}
