//! What real events look like, surprises included: one test for each row of that table in the project's facts
//! about the stack, and the rules around it.

mod shop;

use freshet_core::change::Op;
use freshet_core::position::{ChangeVersion, WallMicros};
use freshet_core::table::ColumnKind;
use freshet_wire::{DecodeError, Decoded, Decoder, Limits, Skipped};
use shop::stand::Stand;

const NOTES: &str = "shop.public.notes";
const ITEMS: &str = "shop.public.items";
const SOURCE: &str = r#""source":{"connector":"postgresql","snapshot":"false","ts_ms":1717156800123,"ts_us":1717156800123456,"lsn":300,"sequence":"[\"200\",\"300\"]"}"#;

fn envelope(op: &str, before: &str, after: &str) -> String {
    format!(
        r#"{{"before":{before},"after":{after},{SOURCE},"transaction":null,"op":"{op}","ts_ms":1717156800200}}"#
    )
}

#[test]
fn a_delete_under_default_identity_lies_about_everything_but_the_key() {
    let mut stand = Stand::new(shop::shop());
    let filled = envelope(
        "d",
        r#"{"id":3,"item_id":0,"tenant":0,"body":null}"#,
        "null",
    );
    let told = stand.change(NOTES, Some(r#"{"id":3}"#), &filled);
    assert_eq!(told, "Delete before id=\"3\" item_id=? tenant=? body=?");
}

#[test]
fn p15_zeros_of_a_delete_are_believed_once_a_record_proves_whole_before_images() {
    let filled = envelope(
        "d",
        r#"{"id":3,"item_id":0,"tenant":0,"body":null}"#,
        "null",
    );
    let known = "Delete before id=\"3\" item_id=\"0\" tenant=\"0\" body=NULL";
    let unknown = "Delete before id=\"3\" item_id=? tenant=? body=?";
    let row = r#"{"id":3,"item_id":7,"tenant":0,"body":null}"#;
    for proof in [envelope("u", row, row), envelope("d", row, "null")] {
        let mut stand = Stand::of(shop::NOTES);
        // The source file says FULL. Whether the table still is, a new process does not know.
        assert_eq!(stand.change("t.full", None, &filled), unknown);
        stand.change("t.full", None, &proof);
        assert_eq!(stand.change("t.full", None, &filled), known);
    }
    // An update with another key comes with filled-in zeros too.
    let moved = envelope("u", r#"{"id":2,"item_id":0,"tenant":0,"body":""}"#, row);
    let mut stand = Stand::of(shop::NOTES);
    let told = stand.change("t.full", None, &moved);
    assert!(
        told.starts_with("Update before id=\"2\" item_id=? tenant=? body=?"),
        "{told}"
    );
    assert_eq!(stand.change("t.full", None, &filled), unknown);
    // MySQL fills in nothing.
    let mut stand = Stand::of(shop::NOTES);
    assert_eq!(stand.change("t.mysql", None, &filled), known);
}

#[test]
fn an_update_under_default_identity_knows_only_the_key_of_the_row_before() {
    let mut stand = Stand::new(shop::shop());
    let update = envelope("u", "null", r#"{"id":3,"item_id":7,"tenant":1,"body":"b"}"#);
    let told = stand.change(NOTES, None, &update);
    let after = r#"after id="3" item_id="7" tenant="1" body="b""#;
    assert_eq!(
        told,
        format!("Update before id=\"3\" item_id=? tenant=? body=? {after}")
    );
    assert!(!stand.change.identity_drift, "the table is declared so");
    let moved = envelope(
        "u",
        r#"{"id":2,"item_id":0,"tenant":0,"body":""}"#,
        r#"{"id":3,"item_id":7,"tenant":1,"body":"b"}"#,
    );
    let told = stand.change(NOTES, None, &moved);
    assert_eq!(
        told,
        format!("Update before id=\"2\" item_id=? tenant=? body=? {after}")
    );
}

#[test]
fn an_update_without_a_before_image_proves_that_a_table_is_not_full() {
    let mut stand = Stand::of(shop::NOTES);
    let row = r#"{"id":3,"item_id":7,"tenant":1,"body":"b"}"#;
    let filled = envelope(
        "d",
        r#"{"id":3,"item_id":0,"tenant":0,"body":null}"#,
        "null",
    );
    let known = "Delete before id=\"3\" item_id=\"0\" tenant=\"0\" body=NULL";
    let unknown = "Delete before id=\"3\" item_id=? tenant=? body=?";
    stand.change("t.full", None, &envelope("u", row, row));
    assert_eq!(stand.change("t.full", None, &filled), known);
    stand.change("t.full", None, &envelope("u", "null", row));
    assert!(stand.change.identity_drift);
    // The deletes that follow are not believed, until an update has its before-image again.
    assert_eq!(stand.change("t.full", None, &filled), unknown);
    assert!(
        !stand.change.identity_drift,
        "this record contradicts nothing"
    );
    stand.change("t.full", None, &envelope("u", row, row));
    assert_eq!(stand.change("t.full", None, &filled), known);
    // A new registry or a new process does not make them believed again.
    stand.change("t.full", None, &envelope("u", "null", row));
    stand.registry.revision.sequence += 1;
    assert_eq!(stand.change("t.full", None, &filled), unknown);
}

#[test]
fn a_table_without_identity_says_nothing_of_the_row_before() {
    let mut stand = Stand::of(shop::NOTES);
    let row = r#"{"id":3,"item_id":7,"tenant":1,"body":"b"}"#;
    let told = stand.change("t.nothing", None, &envelope("u", "null", row));
    assert!(
        told.contains("before id=? item_id=? tenant=? body=? after"),
        "{told}"
    );
    let told = stand.change(
        "t.nothing",
        Some(r#"{"id":3}"#),
        &envelope("d", "null", "null"),
    );
    assert_eq!(told, "Delete before id=\"3\" item_id=? tenant=? body=?");
}

#[test]
fn a_delete_without_a_before_image_takes_its_key_from_the_record() {
    let mut stand = Stand::new(shop::shop());
    let delete = envelope("d", "null", "null");
    let known = "Delete before id=\"3\" item_id=? tenant=? body=?";
    let unknown = "Delete before id=? item_id=? tenant=? body=?";
    let with_schema = r#"{"schema":{"type":"struct","fields":[{"type":"int64","field":"id"}],"name":"Key"},"payload":{"id":3}}"#;
    for (key, wanted) in [
        (Some(r#"{"id":3}"#), known),
        (Some(with_schema), known),
        (Some(r#"{"other":3}"#), unknown),
        (Some("Struct{id=3}"), unknown),
        (Some("3"), unknown),
        (Some(""), unknown),
        (None, unknown),
    ] {
        assert_eq!(stand.change(NOTES, key, &delete), wanted, "{key:?}");
    }
}

#[test]
fn an_unchanged_toast_column_is_unknown() {
    let mut stand = Stand::new(shop::shop());
    let row = r#"{"id":4,"item_id":3,"tenant":7,"body":"__debezium_unavailable_value"}"#;
    let told = stand.change(NOTES, None, &envelope("u", "null", row));
    assert!(
        told.ends_with(r#"after id="4" item_id="3" tenant="7" body=?"#),
        "{told}"
    );
    let bytea = row.replace(
        "__debezium_unavailable_value",
        "X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==",
    );
    let told = stand.change(NOTES, None, &envelope("u", "null", &bytea));
    assert!(told.ends_with("body=?"), "{told}");
}

#[test]
fn a_key_change_is_a_delete_a_tombstone_and_a_create_of_one_position() {
    let mut stand = Stand::new(shop::shop());
    let old = r#"{"id":3,"item_id":0,"tenant":0,"body":null}"#;
    let new = r#"{"id":203,"item_id":2,"tenant":7,"body":"b"}"#;
    let told = stand.change(NOTES, Some(r#"{"id":3}"#), &envelope("d", old, "null"));
    assert!(told.starts_with("Delete before id=\"3\""), "{told}");
    let deleted = stand.change.version;
    let tombstone = stand.try_decode(NOTES, Some(r#"{"id":3}"#), None);
    assert_eq!(tombstone, Ok(Decoded::Skipped(Skipped::Tombstone)));
    let told = stand.change(NOTES, Some(r#"{"id":203}"#), &envelope("c", "null", new));
    assert!(told.starts_with("Create after id=\"203\""), "{told}");
    assert_eq!(stand.change.version, deleted);
}

#[test]
fn a_postgres_position_is_commit_and_event() {
    let mut stand = Stand::of(shop::NOTES);
    let row = r#"{"id":3,"item_id":7,"tenant":1,"body":"b"}"#;
    for (source, wanted) in [
        (r#""lsn":300,"sequence":"[\"200\",\"300\"]""#, (200, 300)),
        (r#""lsn":300,"sequence":"[null,\"300\"]""#, (300, 300)),
        (r#""lsn":300,"sequence":null"#, (300, 300)),
        (r#""lsn":300"#, (300, 300)),
        (r#""lsn":300,"sequence":"nonsense""#, (300, 300)),
        (r#""lsn":null,"sequence":null"#, (0, 0)),
    ] {
        let value = format!(r#"{{"before":null,"after":{row},"source":{{{source}}},"op":"c"}}"#);
        stand.change("t.full", None, &value);
        let wanted = ChangeVersion::from_postgres(wanted.0, wanted.1);
        assert_eq!(stand.change.version, wanted, "{source}");
    }
}

#[test]
fn values_come_in_the_forms_that_the_connectors_send() {
    let mut stand = Stand::of(&[
        ("id", ColumnKind::BIGINT),
        ("zoned", ColumnKind::TIMESTAMPTZ),
        ("plain", ColumnKind::TIMESTAMP),
        ("day", ColumnKind::DATE),
        ("free", ColumnKind::Decimal { scale: None }),
        ("fixed", ColumnKind::Decimal { scale: Some(2) }),
        ("tags", ColumnKind::Opaque),
        ("sku", ColumnKind::Uuid),
        ("count", ColumnKind::BIGINT),
    ]);
    let row = r#"{"id":1,"zoned":"2024-05-31T12:00:00.500000Z","plain":1717156800500000,"day":19874,"free":{"scale":3,"value":"B8Y="},"fixed":"B8Y=","tags":["a"],"sku":"6F1C1F0E-2A52-4D0E-9D3C-0B6A6A0F0001","count":1.5}"#;
    let told = stand.change("t.full", None, &envelope("c", "null", row));
    let wanted = r#"Create after id="1" zoned="2024-05-31 12:00:00.5+00" plain="2024-05-31 12:00:00.5" day="2024-05-31" free=? fixed="19.90" tags=? sku="6f1c1f0e-2a52-4d0e-9d3c-0b6a6a0f0001" count=?"#;
    assert_eq!(told, wanted);
}

#[test]
fn a_snapshot_read_has_no_commit_time() {
    let mut stand = Stand::new(shop::shop());
    let row = r#"{"id":3,"item_id":7,"tenant":1,"body":"b"}"#;
    let told = stand.change(NOTES, None, &envelope("r", "null", row));
    assert!(told.starts_with("Read after id=\"3\""), "{told}");
    assert_eq!(stand.change.committed.at, WallMicros(0));
    assert_eq!(stand.change.captured, WallMicros(1_717_156_800_200_000));
}

#[test]
fn a_binlog_position_is_file_position_and_row() {
    let mut stand = Stand::of(shop::NOTES);
    let row = r#"{"id":3,"item_id":7,"tenant":1,"body":"b"}"#;
    let mut version = |row_in_statement: u32, file: &str| {
        let source =
            format!(r#"{{"gtid":"0-1-12","file":"{file}","pos":1234,"row":{row_in_statement}}}"#);
        let value = format!(r#"{{"before":null,"after":{row},"source":{source},"op":"c"}}"#);
        stand.change("t.mysql", None, &value);
        stand.change.version
    };
    assert_eq!(
        version(0, "mysql-bin.000007"),
        ChangeVersion::from_binlog(7, 1234, 0)
    );
    assert_eq!(
        version(2, "mysql-bin.000007"),
        ChangeVersion::from_binlog(7, 1234, 2)
    );
    assert!(version(2, "mysql-bin.000007") < version(0, "mysql-bin.1000000"));
}

#[test]
fn a_truncate_has_neither_key_nor_images() {
    let mut stand = Stand::new(shop::shop());
    let told = stand.change(NOTES, None, &envelope("t", "null", "null"));
    assert_eq!(told, "Truncate ");
}

#[test]
fn transaction_records_are_skipped_wherever_they_land() {
    let mut stand = Stand::new(shop::shop());
    let begin =
        r#"{"status":"BEGIN","id":"7:300","ts_ms":1,"event_count":null,"data_collections":null}"#;
    let end = r#"{"status":"END","id":"7:300","ts_ms":1,"event_count":1,"data_collections":[{"data_collection":"public.notes","event_count":1}]}"#;
    let wrapped = format!(r#"{{"schema":{{"type":"struct","fields":[]}},"payload":{end}}}"#);
    for (topic, value) in [
        ("shop.transaction", begin),
        ("shop.transaction", end),
        ("shop.transaction", wrapped.as_str()),
        (NOTES, begin),
        (NOTES, wrapped.as_str()),
    ] {
        let decoded = stand.try_decode(topic, Some(r#"{"id":"7:300"}"#), Some(value));
        assert_eq!(
            decoded,
            Ok(Decoded::Skipped(Skipped::Transaction)),
            "{topic} {value}"
        );
    }
}

#[test]
fn logical_messages_are_skipped_wherever_they_land() {
    let mut stand = Stand::new(shop::shop());
    let message =
        format!(r#"{{"op":"m","ts_ms":1,{SOURCE},"message":{{"prefix":"p","content":"aGk="}}}}"#);
    for topic in ["shop.message", NOTES] {
        let decoded = stand.try_decode(topic, None, Some(&message));
        assert_eq!(decoded, Ok(Decoded::Skipped(Skipped::Message)), "{topic}");
    }
}

#[test]
fn heartbeats_and_schema_changes_are_skipped() {
    let mut stand = Stand::new(shop::shop());
    let decoded = stand.try_decode("__debezium-heartbeat.shop", None, Some(r#"{"ts_ms":1}"#));
    assert_eq!(decoded, Ok(Decoded::Skipped(Skipped::Heartbeat)));
    let ddl = r#"{"source":{"file":"f.1"},"ts_ms":1,"databaseName":"shop","ddl":"TRUNCATE TABLE items","tableChanges":[]}"#;
    let decoded = stand.try_decode("shop", None, Some(ddl));
    assert_eq!(decoded, Ok(Decoded::Skipped(Skipped::SchemaChange)));
    // Among the rows of a table it is the only trace of what it did to them.
    let decoded = stand.try_decode(ITEMS, None, Some(ddl));
    assert_eq!(decoded, Ok(Decoded::Change));
}

#[test]
fn the_flattened_form_has_no_before_image() {
    let mut stand = Stand::new(shop::shop());
    let row = |op: &str, deleted: &str| {
        format!(
            r#"{{"id":3,"item_id":0,"tenant":0,"body":"b","__deleted":"{deleted}","__op":"{op}","__table":"notes","__lsn":300,"__source_ts_ms":1717156800123}}"#
        )
    };
    let after = r#"after id="3" item_id="0" tenant="0" body="b""#;
    let before = r#"before id="3" item_id=? tenant=? body=?"#;
    let fields = r#"[{"type":"int64","field":"id"},{"type":"string","field":"__op"}]"#;
    for topic in [NOTES, "shop.shop.notes"] {
        for (op, deleted, wanted) in [
            ("c", "false", format!("Create {after}")),
            ("r", "false", format!("Read {after}")),
            ("u", "false", format!("Update {before} {after}")),
            ("d", "true", format!("Delete {before}")),
        ] {
            let value = row(op, deleted);
            assert_eq!(stand.change(topic, None, &value), wanted);
            assert!(!stand.change.identity_drift, "the form proves nothing");
            let wrapped =
                format!(r#"{{"schema":{{"type":"struct","fields":{fields}}},"payload":{value}}}"#);
            assert_eq!(stand.change(topic, None, &wrapped), wanted);
        }
    }
    stand.change(NOTES, None, &row("u", "false"));
    assert_eq!(stand.change.version, ChangeVersion::from_postgres(300, 300));
    assert_eq!(stand.change.committed.at, WallMicros(1_717_156_800_123_000));
}

#[test]
fn p15_a_tombstone_that_repeats_no_delete_is_the_delete() {
    let mut stand = Stand::new(shop::shop());
    let row = r#"{"id":3,"item_id":1,"tenant":7,"body":"b"}"#;
    let told = stand.change(NOTES, None, row);
    assert!(
        told.starts_with("Update before id=\"3\" item_id=?"),
        "{told}"
    );
    let tombstone = stand.try_decode(NOTES, Some(r#"{"id":3}"#), None);
    assert_eq!(tombstone, Ok(Decoded::Change));
    assert_eq!(stand.change.op, Op::Delete);
    let images = shop::images(&stand.registry, &stand.change);
    assert_eq!(images, "before id=\"3\" item_id=? tenant=? body=?");
    let deleted = envelope(
        "d",
        r#"{"id":3,"item_id":0,"tenant":0,"body":null}"#,
        "null",
    );
    let key = Some(r#"{"id":3}"#);
    stand.change(NOTES, key, &deleted);
    let repeated = stand.try_decode(NOTES, key, None);
    assert_eq!(repeated, Ok(Decoded::Skipped(Skipped::Tombstone)));
    // Another key, another partition, a record in between, a new registry: each may be a delete of its own.
    stand.change(NOTES, key, &deleted);
    let other = stand.try_decode(NOTES, Some(r#"{"id":4}"#), None);
    assert_eq!(other, Ok(Decoded::Change));
    let after_other = stand.try_decode(NOTES, key, None);
    assert_eq!(after_other, Ok(Decoded::Change));
    stand.change(NOTES, key, &deleted);
    let elsewhere = shop::record(NOTES, key.map(str::as_bytes), None);
    let elsewhere = shop::at(elsewhere, 1, stand.offset);
    let elsewhere = stand
        .decoder
        .decode(&elsewhere, &stand.registry, &mut stand.change);
    assert_eq!(elsewhere, Ok(Decoded::Change));
    stand.change(NOTES, key, &deleted);
    stand.registry.revision.sequence += 1;
    let under_new_rules = stand.try_decode(NOTES, key, None);
    assert_eq!(under_new_rules, Ok(Decoded::Change));
    // Without a key nothing says which row is gone.
    let keyless = stand.try_decode(NOTES, None, None);
    assert_eq!(keyless, Ok(Decoded::Change));
    let images = shop::images(&stand.registry, &stand.change);
    assert_eq!(images, "before id=? item_id=? tenant=? body=?");
}

#[test]
fn columns_named_like_the_envelope_do_not_confuse_the_form() {
    let names = ["id", "op", "before", "source", "status"];
    let columns: Vec<_> = names.iter().map(|name| (*name, ColumnKind::TEXT)).collect();
    let mut stand = Stand::of(&columns);
    let flat = r#"{"id":"k","op":"m","before":null,"source":"web","status":"BEGIN","__op":"u","__deleted":"false"}"#;
    let wanted = r#"after id="k" op="m" before=NULL source="web" status="BEGIN""#;
    for _ in 0..2 {
        let told = stand.change("t.full", None, flat);
        assert!(
            told.starts_with("Update") && told.ends_with(wanted),
            "{told}"
        );
    }
    let row = r#"{"id":"k","op":"m","before":null,"source":"web","status":"BEGIN"}"#;
    let told = stand.change("t.full", None, &envelope("c", "null", row));
    assert_eq!(told, format!("Create {wanted}"));
}

#[test]
fn p15_records_of_other_formats_are_named_and_never_rows() {
    let event = r#"{"id":7,"source":"/shop","specversion":"1.0","type":"changed","data":null}"#;
    let event = event.replace("7", r#""7""#);
    let canal = r#"{"id":9,"database":"shop","table":"t","type":"UPDATE","isDdl":false,"data":[]}"#;
    let wrapped = format!(r#"{{"schema":null,"payload":{event}}}"#);
    let framed = "\0\0\0\0\x07\x02".to_owned() + "\x0217\x02a\x021\x02b";
    let open = "\0\0\0\0\0\0\0\x02{}";
    let listed = "table public.t: INSERT: id[integer]:1";
    let fields = ["id", "source", "specversion", "type"]
        .map(|name| format!(r#"{{"name":"{name}","type":"string"}}"#))
        .join(",");
    let schema = format!(r#"{{"type":"record","name":"E","fields":[{fields}]}}"#);
    let columns = [("id", ColumnKind::Uuid)];
    for (value, format) in [
        (&*event, "CloudEvents"),
        (&wrapped, "CloudEvents"),
        (&framed, "CloudEvents"),
        (canal, "Canal"),
        (open, "TiCDC open protocol"),
        (listed, "test_decoding"),
    ] {
        let mut stand = Stand::of(&columns);
        stand.decoder.add_writer_schema(7, &schema).expect("valid");
        // Whatever the topic looked like before.
        for before in [None, Some(r#"{"id":null,"__op":"u"}"#)] {
            if let Some(before) = before {
                stand.change("t.full", None, before);
            }
            let error = stand.try_decode("t.full", Some("{}"), Some(value));
            let error = error.expect_err("no change");
            assert_eq!(error.reason(), "foreign_format", "{value}");
            assert!(error.to_string().ends_with(format), "{error}");
        }
    }
}

#[test]
fn a_row_with_all_fields_of_another_format_is_a_row() {
    let mut stand = Stand::of(&[("id", ColumnKind::Uuid)]);
    let names = [
        "id",
        "source",
        "specversion",
        "type",
        "status",
        "data_collections",
    ];
    for table in &mut stand.registry.tables {
        table.shape.declared = names.map(Into::into).into();
    }
    let values = names.map(|name| format!(r#""{name}":"BEGIN""#)).join(",");
    let id = "0f8fad5b-d9cb-469f-a165-70867728950e";
    let row = format!("{{{values}}}").replacen("BEGIN", id, 1);
    let told = stand.change("t.full", None, &row);
    assert!(told.starts_with("Update"), "{told}");
}

#[test]
fn topics_that_nobody_owns_are_unowned_and_stay_unread() {
    let mut stand = Stand::new(shop::shop());
    stand.registry.tables[0].bindings.clear();
    for (topic, value) in [
        (ITEMS, "not JSON"),
        ("shop.public.other", r#"{"op":"c"}"#),
        ("shop.public.transaction", r#"{"id":1}"#),
        ("shop.public.message", "not JSON"),
        ("other", r#"{"op":"c"}"#),
    ] {
        let decoded = stand.try_decode(topic, None, Some(value));
        assert_eq!(decoded, Ok(Decoded::Unowned), "{topic}");
    }
}

/// Debezium's own topics are told by their names, and by the value where it is JSON of a size that is read.
#[test]
fn a_topic_of_debezium_s_own_is_told_by_name_and_value() {
    let mut stand = Stand::new(shop::shop());
    let end = r#"{"status":"END","id":"7:300","data_collections":[]}"#;
    let ddl = r#"{"source":{"file":"f.1"},"databaseName":"shop","ddl":"DROP TABLE items"}"#;
    let transaction = Decoded::Skipped(Skipped::Transaction);
    let schema_change = Decoded::Skipped(Skipped::SchemaChange);
    for (topic, value, wanted) in [
        ("shop.transaction", "\0\0\0\0\x07\x02", transaction),
        // A table's topic has two dots.
        (
            "shop.public.transaction",
            "\0\0\0\0\x07\x02",
            Decoded::Unowned,
        ),
        ("shop.public.transaction", end, transaction),
        ("shop", ddl, schema_change),
        ("shop.public.other", ddl, Decoded::Unowned),
        ("shop.transaction", ddl, Decoded::Unowned),
    ] {
        let decoded = stand.try_decode(topic, None, Some(value));
        assert_eq!(decoded, Ok(wanted), "{topic} {value}");
    }
    for (bytes_max, wanted) in [
        (end.len(), transaction),
        (end.len() - 1, Decoded::Unowned),
        (end.len() / 2, Decoded::Unowned),
    ] {
        stand.decoder = Decoder::new(Limits {
            value_bytes_max: bytes_max,
            ..Limits::default()
        });
        let decoded = stand.try_decode("shop.transaction", None, Some(end));
        assert_eq!(decoded, Ok(wanted), "{bytes_max}");
    }
}

#[test]
fn null_in_json_is_a_tombstone_too() {
    let mut stand = Stand::new(shop::shop());
    for value in ["null", r#"{"schema":null,"payload":null}"#] {
        let decoded = stand.try_decode(NOTES, Some(r#"{"id":3}"#), Some(value));
        assert_eq!(decoded, Ok(Decoded::Change), "{value}");
        let images = shop::images(&stand.registry, &stand.change);
        assert_eq!(
            images, "before id=\"3\" item_id=? tenant=? body=?",
            "{value}"
        );
    }
}

#[test]
fn poison_has_a_reason_and_shows_no_row_data() {
    let limits = Limits {
        value_bytes_max: 2000,
        depth_max: 8,
        ..Limits::default()
    };
    let mut stand = Stand::new(shop::shop());
    stand.decoder = Decoder::new(limits);
    let row = r#"{"id":3,"item_id":7,"tenant":1,"body":"SECRET"}"#;
    let deep = format!("{}\"SECRET\"{}", "[".repeat(9), "]".repeat(9));
    let cases = [
        ("", "bad_framing"),
        ("SECRET", "bad_framing"),
        ("\0", "bad_framing"),
        ("\u{2}SECRET", "bad_framing"),
        (r#"{"SECRET"}"#, "bad_json"),
        (&envelope("c", "null", r#"{"id":SECRET}"#), "bad_json"),
        (&format!("{}x", envelope("c", "null", row)), "bad_json"),
        (&envelope("SECRET", "null", row), "unknown_op"),
        (&envelope("c", "null", "null"), "bad_envelope"),
        (&envelope("u", "null", r#""SECRET""#), "bad_envelope"),
        (&envelope("d", r#"["SECRET"]"#, "null"), "bad_envelope"),
        (r#"{"SECRET":1}"#, "bad_envelope"),
        ("{}", "bad_envelope"),
        (r#"{"id":3,"__op":"SECRET"}"#, "unknown_op"),
        (&envelope("c", "null", &deep), "too_deep"),
        (&envelope("c", "null", &"SECRET".repeat(1000)), "too_large"),
        (r#"{"schema":{"type":SECRET},"payload":{}}"#, "bad_json"),
    ];
    for (value, reason) in cases {
        let err = stand.try_decode(NOTES, None, Some(value));
        let err = err.expect_err("it is poison");
        assert_eq!(err.reason(), reason, "{value}");
        assert!(DecodeError::REASONS.contains(&reason));
        assert!(!format!("{err} {err:?}").contains("SECRET"), "{err}");
    }
    // As it is unless somebody sets it otherwise, whatever is in the value.
    stand.decoder = Decoder::new(Limits::default());
    for filler in ["x", "[", "{\"a\":", "9"] {
        let huge = filler.repeat((50 << 20) / filler.len());
        let err = stand.try_decode(NOTES, None, Some(&huge));
        assert_eq!(err.map_err(|err| err.reason()), Err("too_large"));
    }
    let bytes = [br#"{"id":3,"body":""#, &[0xff][..], br#""}"#].concat();
    let record = shop::record(NOTES, None, Some(&bytes));
    let err = stand
        .decoder
        .decode(&record, &stand.registry, &mut stand.change);
    assert_eq!(err.map_err(|err| err.reason()), Err("bad_utf8"));
}

#[test]
fn a_writer_schema_is_wanted_once_and_a_broken_one_is_remembered() {
    let mut stand = Stand::new(shop::shop());
    let framed = "\0\0\0\0\x07\x02";
    let wanted = Ok(Decoded::SchemaWanted { id: 7 });
    assert_eq!(stand.try_decode(NOTES, None, Some(framed)), wanted);
    let broken = stand.decoder.add_writer_schema(7, r#"{"type":"record"}"#);
    assert_eq!(broken.map_err(|err| err.reason()), Err("bad_schema"));
    let poison = stand.try_decode(NOTES, None, Some(framed));
    assert_eq!(poison.map_err(|err| err.reason()), Err("bad_schema"));
    // Mended in the schema registry, it is taken again.
    let schema = r#"{"type":"record","name":"R","fields":[{"name":"id","type":"long"}]}"#;
    stand.decoder.add_writer_schema(7, schema).expect("valid");
    let told = stand.change(NOTES, None, framed);
    assert!(told.contains("after id=\"1\""), "{told}");
}

#[test]
fn writer_schemas_are_bounded_and_the_one_unused_for_longest_goes() {
    let mut stand = Stand::new(shop::shop());
    stand.decoder = Decoder::new(Limits {
        // Room for two and a half, with their plans.
        writer_schemas_bytes_max: 4_500,
        ..Limits::default()
    });
    let schema = r#"{"type":"record","name":"R","fields":[{"name":"id","type":"long"}]}"#;
    let framed = |id: char| format!("\0\0\0\0{id}\x02");
    for id in [1, 2] {
        stand.decoder.add_writer_schema(id, schema).expect("valid");
    }
    stand.change(NOTES, None, &framed('\x01'));
    stand.decoder.add_writer_schema(3, schema).expect("valid");
    stand.change(NOTES, None, &framed('\x01'));
    stand.change(NOTES, None, &framed('\x03'));
    let wanted = Ok(Decoded::SchemaWanted { id: 2 });
    assert_eq!(stand.try_decode(NOTES, None, Some(&framed('\x02'))), wanted);
}

#[test]
fn labels_are_stable() {
    let skipped = [
        Skipped::Tombstone,
        Skipped::Heartbeat,
        Skipped::Transaction,
        Skipped::Message,
        Skipped::SchemaChange,
    ];
    assert_eq!(skipped.map(Skipped::name), Skipped::NAMES);
}
