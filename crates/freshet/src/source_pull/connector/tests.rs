use super::*;

const POSTGRES: &str = "io.debezium.connector.postgresql.PostgresConnector";
const MARIADB: &str = "io.debezium.connector.mariadb.MariaDbConnector";

fn read(class: &str, more: &[(&str, &str)]) -> ConnectorRead {
    let pairs = [("connector.class", class)]
        .into_iter()
        .chain(more.iter().copied());
    let properties = pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    settings(&properties).expect("Debezium's")
}

#[test]
fn what_is_not_stated_is_debeziums_default() {
    let postgres = read(POSTGRES, &[]).written;
    assert_eq!(postgres.time_precision, Some(TimePrecision::Adaptive));
    assert_eq!(postgres.decimal, Some(DecimalMode::Precise));
    assert_eq!(postgres.bigint_unsigned, None, "Postgres has no such type");
    assert_eq!(postgres.binary, Some(BinaryMode::Bytes));
    assert_eq!(
        postgres.unavailable_placeholder.as_deref(),
        Some(PLACEHOLDER)
    );
    assert_eq!(
        postgres.keeps_nulls, None,
        "the worker's converter is not known"
    );
    assert_eq!(postgres.tombstones, Some(Tombstones::AfterDelete));
    assert_eq!(postgres.field_names, Some(FieldNames::AsIs));
    let mariadb = read(MARIADB, &[]).written;
    let times = Some(TimePrecision::AdaptiveTimeMicroseconds);
    assert_eq!(mariadb.time_precision, times);
    assert_eq!(mariadb.bigint_unsigned, Some(BigintUnsigned::Long));
    assert_eq!(mariadb.zero_dates, None);
}

#[test]
fn null_is_kept_only_by_converters_that_are_known_to() {
    let keeps = |more: &[(&str, &str)]| read(POSTGRES, more).written.keeps_nulls;
    let json = ("value.converter", JSON_CONVERTER);
    let avro = ("value.converter", AVRO_CONVERTER);
    let replace = "value.converter.replace.null.with.default";
    let ignore = "value.converter.ignore.default.for.nullables";
    assert_eq!(keeps(&[json]), Some(false));
    assert_eq!(keeps(&[json, (replace, "true")]), Some(false));
    assert_eq!(keeps(&[json, (replace, "false")]), Some(true));
    assert_eq!(keeps(&[avro]), Some(false));
    assert_eq!(keeps(&[avro, (ignore, "true")]), Some(true));
    assert_eq!(
        keeps(&[avro, (replace, "false")]),
        Some(false),
        "another converter's"
    );
    assert_eq!(
        keeps(&[("value.converter", "org.example.Own"), (replace, "false")]),
        None
    );
}

#[test]
fn tombstones_mean_what_the_transforms_leave_of_them() {
    let tombstones = |more: &[(&str, &str)]| read(POSTGRES, more).written.tombstones;
    let one = ("transforms", "unwrap");
    let flattening = ("transforms.unwrap.type", FLATTENING);
    let mode = |value| ("transforms.unwrap.delete.tombstone.handling.mode", value);
    assert_eq!(
        tombstones(&[("tombstones.on.delete", "false")]),
        Some(Tombstones::None)
    );
    assert_eq!(tombstones(&[one, flattening]), Some(Tombstones::AsDelete));
    assert_eq!(
        tombstones(&[one, flattening, mode("rewrite")]),
        Some(Tombstones::None)
    );
    assert_eq!(
        tombstones(&[one, flattening, mode("rewrite-with-tombstone")]),
        Some(Tombstones::AfterDelete)
    );
    assert_eq!(tombstones(&[one, flattening, mode("drop")]), None);
    assert_eq!(tombstones(&[one, flattening, mode("${file:x}")]), None);
    assert_eq!(
        tombstones(&[one, ("transforms.unwrap.type", "org.example.Own")]),
        None
    );
    let sometimes = ("transforms.unwrap.predicate", "some");
    assert_eq!(tombstones(&[one, flattening, sometimes]), None);
    let legacy = ("transforms.unwrap.drop.tombstones", "false");
    assert_eq!(tombstones(&[one, flattening, legacy]), None);
    let notes = read(POSTGRES, &[one, flattening, mode("drop")]).notes;
    assert!(
        notes
            .iter()
            .any(|note| note.contains("deletes are not in the log")),
        "{notes:?}"
    );
}

#[test]
fn what_the_connector_skips_is_noted() {
    let noted = |more: &[(&str, &str)]| {
        let notes = read(POSTGRES, more).notes;
        let mut found = notes
            .into_iter()
            .filter(|note| note.contains("not in the log"));
        found.next().unwrap_or_default()
    };
    let all = ("skipped.operations", "none");
    assert!(noted(&[]).starts_with("truncates are"), "the default");
    assert_eq!(noted(&[all]), "");
    assert_eq!(noted(&[("skipped.operations", "r")]), "");
    let most = noted(&[("skipped.operations", "c, u,d")]);
    assert!(most.starts_with("inserts, updates, deletes are"), "{most}");
    let flattened = noted(&[
        all,
        ("transforms", "unwrap"),
        ("transforms.unwrap.type", FLATTENING),
    ]);
    assert!(flattened.starts_with("truncates are"), "{flattened}");
    assert!(flattened.contains("ExtractNewRecordState"), "{flattened}");
}

#[test]
fn no_value_of_a_property_is_in_a_note() {
    let secret = "hunter2-is-no-word";
    let read = read(
        MARIADB,
        &[
            ("database.password", secret),
            ("time.precision.mode", secret),
            ("decimal.handling.mode", secret),
            ("field.name.adjustment.mode", secret),
            ("unavailable.value.placeholder", "hex:zz"),
            (
                "column.mask.hash.SHA-256.with.salt.hunter2-is-no-word",
                secret,
            ),
            ("converters", secret),
            ("transforms", "route"),
            ("transforms.route.type", secret),
        ],
    );
    assert_eq!(read.written.time_precision, None);
    assert_eq!(read.written.decimal, None);
    assert_eq!(read.written.field_names, None);
    assert_eq!(read.written.unavailable_placeholder, None);
    assert!(read.notes.len() >= 7, "{:?}", read.notes);
    assert!(!read.notes.concat().contains(secret), "{:?}", read.notes);
}

#[test]
fn a_placeholder_in_hexadecimal_is_its_text() {
    let stated = |value| read(POSTGRES, &[("unavailable.value.placeholder", value)]).written;
    assert_eq!(
        stated("hex:6e6f").unavailable_placeholder.as_deref(),
        Some("no")
    );
    assert_eq!(
        stated("gone").unavailable_placeholder.as_deref(),
        Some("gone")
    );
    assert_eq!(stated("hex:ff").unavailable_placeholder, None, "no text");
}
