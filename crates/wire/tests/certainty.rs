//! What is certain of a change by what its record says beside the row, by its table, and by the records before.

mod shop;

use std::sync::Arc;

use freshet_core::change::Op;
use freshet_core::connector::Connector;
use freshet_core::drift::Drift;
use freshet_core::position::WallMicros;
use freshet_core::registry::Table;
use freshet_core::table::{ColumnKind, Engine, ReplicaIdentity};
use freshet_wire::{Decoded, Skipped};
use shop::stand::Stand;

const TOPIC: &str = "t.public.things";

/// A decoder with a registry of one table.
fn stand(table: Table) -> Stand {
    Stand::new(shop::registry(1, vec![table]))
}

/// Decodes a change and gives its images in words.
fn images(stand: &mut Stand, value: &str) -> String {
    stand.change(TOPIC, None, value);
    shop::images(&stand.registry, &stand.change)
}

fn full(engine: Engine, columns: &[(&str, ColumnKind)]) -> Table {
    shop::table(TOPIC, engine, ReplicaIdentity::Full, columns)
}

fn envelope(op: &str, before: &str, after: &str) -> String {
    format!(r#"{{"before":{before},"after":{after},"source":{{"lsn":7}},"op":"{op}"}}"#)
}

#[test]
fn a_snapshot_has_no_commit_time_and_an_incremental_one_is_among_the_changes() {
    for (snapshot, committed, counts) in [
        (r#""true""#, false, true),
        (r#""first""#, false, true),
        (r#""last""#, false, true),
        ("true", false, true),
        (r#""incremental""#, false, false),
        (r#""false""#, true, false),
        ("false", true, false),
        ("null", true, false),
    ] {
        let mut stand = stand(full(Engine::Postgres, shop::NOTES));
        for op in ["c", "r"] {
            let value = format!(
                r#"{{"after":{{"id":1}},"source":{{"ts_ms":5,"snapshot":{snapshot}}},"op":"{op}"}}"#
            );
            assert_eq!(
                stand.try_decode(TOPIC, None, Some(&value)),
                Ok(Decoded::Change)
            );
            let known = stand.change.committed.at == WallMicros(5_000);
            assert_eq!(known, committed && op == "c", "{snapshot} {op}");
            assert_eq!(stand.change.snapshot, counts, "{snapshot} {op}");
        }
    }
}

#[test]
fn a_binlog_time_has_whole_seconds_and_says_so_and_a_time_of_zero_is_none() {
    let mut stand = Stand::of(shop::NOTES);
    let row = r#"{"id":3,"item_id":7,"tenant":1,"body":"b"}"#;
    let us = 1_717_156_800_000_000;
    for (topic, times, at, resolution) in [
        (
            "t.mysql",
            r#""ts_ms":1717156800000,"ts_us":1717156800000000"#,
            us,
            1_000_000,
        ),
        ("t.mysql", r#""ts_ms":1717156800000"#, us, 1_000_000),
        (
            "t.mysql",
            r#""ts_ms":1717156800000,"ts_us":1717156800000007"#,
            us + 7,
            1,
        ),
        ("t.mysql", r#""ts_ms":1717156800001"#, us + 1000, 1000),
        ("t.full", r#""ts_ms":1717156800000"#, us, 1000),
        (
            "t.full",
            r#""ts_ms":1717156800000,"ts_us":1717156800000000"#,
            us,
            1,
        ),
        ("t.full", r#""ts_ms":5,"ts_us":5001"#, 5_001, 1),
        ("t.full", r#""ts_ms":5,"ts_us":0"#, 5_000, 1_000),
        ("t.full", r#""ts_ms":5,"ts_us":-1"#, 5_000, 1_000),
        ("t.full", r#""ts_ms":0,"ts_us":0"#, 0, 0),
        ("t.full", r#""ts_ms":0"#, 0, 0),
        ("t.full", r#""db":"x""#, 0, 0),
        ("t.full", r#""ts_ms":1717156800000,"snapshot":"true""#, 0, 0),
    ] {
        let value = format!(r#"{{"before":null,"after":{row},"source":{{{times}}},"op":"c"}}"#);
        stand.change(topic, None, &value);
        let committed = stand.change.committed;
        assert_eq!(
            (committed.at, committed.resolution_us),
            (WallMicros(at), resolution)
        );
    }
}

#[test]
fn marks_of_the_flattened_form_may_be_texts_or_not() {
    let mut stand = stand(full(Engine::Postgres, shop::NOTES));
    for (marks, op) in [
        (r#""__deleted":true"#, Op::Delete),
        (r#""__deleted":"true""#, Op::Delete),
        (r#""__deleted":false"#, Op::Update),
        (r#""__deleted":"false","__op":"c""#, Op::Create),
    ] {
        let value = format!(r#"{{"id":3,{marks},"__ts_ms":7,"__source_ts_ms":5}}"#);
        assert_eq!(
            stand.try_decode(TOPIC, None, Some(&value)),
            Ok(Decoded::Change)
        );
        assert_eq!(stand.change.op, op, "{marks}");
        assert_eq!(stand.change.captured, WallMicros(7_000));
        assert_eq!(stand.change.committed.at, WallMicros(5_000));
    }
}

/// A row may have columns called as the fields of each of Debezium's records.
#[test]
fn marks_of_the_flattened_form_make_a_row_whatever_else_is_there() {
    for columns in [
        r#""op":"m","source":{}"#,
        r#""op":"d","before":{"id":4},"after":null"#,
        r#""status":"BEGIN","data_collections":null"#,
        r#""ddl":"x","databaseName":"y","source":{}"#,
    ] {
        for mark in [r#""__op":"u""#, r#""__deleted":"false""#] {
            let mut stand = stand(full(Engine::Postgres, &[("id", ColumnKind::BIGINT)]));
            let images = images(&mut stand, &format!(r#"{{"id":3,{columns},{mark}}}"#));
            assert_eq!(stand.change.op, Op::Update, "{columns} {mark}");
            assert_eq!(images, "before id=\"3\" after id=\"3\"");
        }
    }
}

/// One field alone makes no record of Debezium's own.
#[test]
fn a_row_may_have_a_column_that_is_called_as_a_field_of_debezium_s() {
    let mut stand = stand(full(Engine::Postgres, &[("id", ColumnKind::BIGINT)]));
    for fields in [
        r#""status":"BEGIN""#,
        r#""data_collections":null"#,
        r#""status":"open","data_collections":null"#,
        r#""ddl":"x""#,
        r#""databaseName":"x""#,
        r#""ddl":"x","databaseName":"y""#,
        r#""ddl":"x","databaseName":"y","source":"web""#,
        r#""ddl":"x","source":{}"#,
        r#""databaseName":"y","source":{}"#,
        r#""op":"m""#,
        r#""op":"c""#,
        r#""before":{}"#,
    ] {
        let row = format!(r#"{{"id":3,{fields}}}"#);
        let images = images(&mut stand, &row);
        assert_eq!(stand.change.op, Op::Update, "{row}");
        assert!(images.ends_with("after id=\"3\""), "{images}");
    }
    let message = r#"{"op":"m","source":{},"id":3}"#;
    assert_eq!(
        stand.try_decode(TOPIC, None, Some(message)),
        Ok(Decoded::Skipped(Skipped::Message))
    );
}

#[test]
fn an_id_of_zero_is_a_schema_s_unless_the_value_is_of_another_protocol() {
    let mut stand = stand(full(Engine::Postgres, shop::NOTES));
    let wanted = Ok(Decoded::SchemaWanted { id: 0 });
    assert_eq!(
        stand.try_decode(TOPIC, None, Some("\0\0\0\0\0\x02")),
        wanted
    );
    assert_eq!(
        stand.try_decode(TOPIC, None, Some("\0\0\0\0\0\0\0\0")),
        wanted
    );
}

/// Debezium fills in zeros of each type, which prove nothing of the log.
#[test]
fn only_what_is_never_filled_in_proves_whole_rows() {
    let columns = [
        ("id", ColumnKind::BIGINT),
        ("active", ColumnKind::Bool),
        ("day", ColumnKind::DATE),
        ("price", ColumnKind::Decimal { scale: Some(2) }),
        ("name", ColumnKind::TEXT),
    ];
    for (column, filled, real) in [
        ("active", "false", "true"),
        ("day", "0", "1"),
        ("price", r#""0.00""#, r#""0.01""#),
        ("name", r#""""#, r#""a""#),
    ] {
        for (value, proves) in [(filled, false), (real, true), ("null", false)] {
            let mut stand = stand(full(Engine::Postgres, &columns));
            let delete = envelope("d", &format!(r#"{{"id":3,"{column}":{value}}}"#), "null");
            let unknown = format!("{column}=?");
            let images = images(&mut stand, &delete);
            assert_eq!(!images.contains(&unknown), proves, "{images}");
        }
    }
}

/// An update proves whole rows by a before-image with the same key, and there is none without a key.
#[test]
fn an_update_of_a_table_without_a_key_proves_nothing_by_its_key() {
    let update = envelope("u", r#"{"name":""}"#, r#"{"name":"b"}"#);
    let mut keyless = stand(full(Engine::Postgres, &[("name", ColumnKind::TEXT)]));
    assert_eq!(
        images(&mut keyless, &update),
        "before name=? after name=\"b\""
    );
    let columns = [("id", ColumnKind::BIGINT), ("name", ColumnKind::TEXT)];
    let mut keyed = stand(full(Engine::Postgres, &columns));
    let update = update.replace("\"name\"", "\"id\":3,\"name\"");
    let images = images(&mut keyed, &update);
    assert_eq!(
        images,
        "before id=\"3\" name=\"\" after id=\"3\" name=\"b\""
    );
}

#[test]
fn a_delete_without_a_before_image_contradicts_only_a_table_that_is_full() {
    for (identity, drift) in [
        (ReplicaIdentity::Full, true),
        (ReplicaIdentity::Default, false),
        (ReplicaIdentity::Nothing, false),
    ] {
        let table = shop::table(TOPIC, Engine::Postgres, identity, shop::NOTES);
        let mut stand = stand(table);
        images(&mut stand, &envelope("d", "null", "null"));
        assert_eq!(stand.change.identity_drift, drift, "{identity:?}");
    }
}

#[test]
fn values_are_held_to_what_the_source_file_lists() {
    let columns = [
        ("id", ColumnKind::BIGINT),
        ("state", ColumnKind::TEXT),
        ("body", ColumnKind::TEXT),
    ];
    let states = || Some(["new", "old"].map(Box::from).into());
    let placeholder = || {
        Arc::new(Connector {
            unavailable_placeholder: Some("__later__".into()),
            ..Connector::default()
        })
    };
    let row = |state: &str, body: &str| {
        envelope(
            "c",
            "null",
            &format!(r#"{{"id":3,"state":"{state}","body":"{body}"}}"#),
        )
    };
    let read = |lists: bool, named: bool, value: &str| {
        let mut table = full(Engine::MySql, &columns);
        if lists {
            table.shape.columns[1].values = states();
        }
        if named {
            table.shape.connector = placeholder();
        }
        let mut stand = stand(table);
        let images = images(&mut stand, value);
        (images, stand.change.column_drift.map(|drift| drift.what))
    };
    let known = |state: &str, body: &str| format!("after id=\"3\" state={state} body={body}");
    for (lists, named, (state, body), wanted, drift) in [
        (true, true, ("old", "b"), known("\"old\"", "\"b\""), None),
        (
            true,
            false,
            ("odd", "b"),
            known("?", "\"b\""),
            Some(Drift::EnumValue),
        ),
        (
            true,
            true,
            ("odd", "b"),
            known("?", "\"b\""),
            Some(Drift::EnumValue),
        ),
        (
            false,
            true,
            ("odd", "__later__"),
            known("\"odd\"", "?"),
            None,
        ),
        (true, true, ("__later__", "b"), known("?", "\"b\""), None),
        (false, false, ("odd", "b"), known("\"odd\"", "\"b\""), None),
    ] {
        let told = read(lists, named, &row(state, body));
        assert_eq!(told, (wanted, drift), "{lists} {named} {state} {body}");
    }
}
