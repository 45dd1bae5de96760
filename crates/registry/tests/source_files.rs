//! Source files as text: what is written reads back, and each type becomes text as its database says.

use freshet_core::connector::{
    BigintUnsigned, BinaryMode, Connector, DecimalMode, FieldNames, Setting, TimePrecision,
    Tombstones, ZeroDates,
};
use freshet_core::table::{Blanks, Chars, ColumnKind, ColumnShape, Moment, Whole};
use freshet_registry::at::At;
use freshet_registry::decided::column_type::{column_kind, enum_values};
use freshet_registry::written::source::{
    ConnectorWritten, EngineName, ForeignKey, IdentityName, OnDelete, SourceColumn, SourceFile,
    SourceTable, TextForm,
};
use proptest::prelude::*;

fn file(names: &[String]) -> SourceFile {
    let name = |at: usize| names[at % names.len()].clone();
    SourceFile {
        database: At::nowhere(name(0)),
        engine: EngineName::Mysql,
        connector: ConnectorWritten {
            unavailable_placeholder: Some(name(10)),
            tombstones: Some(Tombstones::None),
            ..ConnectorWritten::default()
        },
        tables: vec![SourceTable {
            table: At::nowhere(name(1)),
            topic: Some(At::nowhere(name(2))),
            optional: true,
            replica_identity: IdentityName::Index,
            primary_key: vec![At::nowhere(name(3))],
            columns: vec![SourceColumn {
                default: Some(true),
                text: Some(TextForm::Boolean),
                collation: Some(name(9)),
                ..SourceColumn::new(&name(4), &name(5), false)
            }],
            foreign_keys: vec![ForeignKey {
                columns: vec![name(6)],
                references: name(7),
                referenced_columns: vec![name(8)],
                on_delete: OnDelete::SetNull,
            }],
        }],
    }
}

/// All names of a file, in the order in which `file` sets them.
fn names(file: &SourceFile) -> Vec<String> {
    let table = &file.tables[0];
    let key = &table.foreign_keys[0];
    vec![
        file.database.value.clone(),
        table.table.value.clone(),
        table.topic.as_ref().expect("a topic").value.clone(),
        table.primary_key[0].value.clone(),
        table.columns[0].name.clone(),
        table.columns[0].kind.clone(),
        key.columns[0].clone(),
        key.references.clone(),
        key.referenced_columns[0].clone(),
        table.columns[0].collation.clone().expect("a collation"),
        file.connector
            .unavailable_placeholder
            .clone()
            .expect("a placeholder"),
    ]
}

fn reads_back(wanted: &[String]) {
    let text = file(wanted).to_yaml();
    let again: SourceFile =
        serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert_eq!(names(&again), names(&file(wanted)), "{text}");
    assert_eq!(again.to_yaml(), text);
    assert_eq!(again.connector, file(wanted).connector);
    assert_eq!(again.tables[0].columns, file(wanted).tables[0].columns);
    assert_eq!(again.tables[0].replica_identity, IdentityName::Index);
    assert_eq!(again.tables[0].foreign_keys[0].on_delete, OnDelete::SetNull);
}

#[test]
fn names_that_yaml_would_take_for_something_else_read_back() {
    for name in [
        "true",
        "True",
        "NO",
        "null",
        "Null",
        "NULL",
        "~",
        "",
        " ",
        "1",
        "1e5",
        "0x1f",
        ".5",
        "-",
        "- a",
        "a: b",
        "a #b",
        "#a",
        "'",
        "\"",
        "\\",
        "{a}",
        "[a]",
        "*a",
        "&a",
        "!a",
        "%a",
        "@a",
        "`a`",
        "|",
        ">",
        "?",
        "näh",
        "a\nb",
        "a\tb",
        "\u{7f}",
        "\u{85}",
        "\u{2028}",
        "\u{feff}",
        "2026-11-23",
        "y",
        "Off",
        "=",
        "<<",
        "inf",
        "NaN",
    ] {
        reads_back(&[name.to_owned()]);
        let plain = format!("database: {name}\n");
        let text = file(&[name.to_owned()]).to_yaml();
        let ambiguous = ["true", "True", "NO", "null", "Null", "NULL", "y", "Off"].contains(&name);
        assert!(
            !ambiguous || !text.contains(&plain),
            "{name} needs quotes:\n{text}"
        );
    }
}

proptest! {
    #[test]
    fn any_names_read_back(names in prop::collection::vec(any::<String>(), 11)) {
        reads_back(&names);
    }
}

#[test]
fn plain_words_stand_without_quotes() {
    let text = file(&["shop.Order_2".to_owned()]).to_yaml();
    assert!(!text.contains('"'), "{text}");
}

#[test]
fn a_file_is_read_where_it_is_a_source_file() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("shop.yaml");
    assert!(SourceFile::read(&path).is_none(), "there is none");
    let written = file(&["shop".to_owned()]);
    std::fs::write(&path, written.to_yaml()).expect("a file");
    let read = SourceFile::read(&path).expect("a source file");
    assert_eq!(read.to_yaml(), written.to_yaml());
    std::fs::write(&path, "family: catalog.item\n").expect("a file");
    assert!(SourceFile::read(&path).is_none(), "another kind of file");
}

/// The source file with this block.
fn with_block(block: &str) -> SourceFile {
    let text = format!("database: shop\nengine: mysql\n{block}\ntables: []\n");
    serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// What a source file with this block states.
fn stated(block: &str) -> Connector {
    with_block(block).connector.settings()
}

/// Each word of one setting is read, means what the core says, and is written again.
fn all_words<S: Setting + std::fmt::Debug>(name: &str, stated_as: fn(&Connector) -> Option<S>) {
    for word in S::WORDS {
        let file = with_block(&format!("connector: {{ {name}: {word} }}"));
        let setting = stated_as(&file.connector.settings()).expect("stated");
        assert_eq!((Some(setting), setting.word()), (S::named(word), *word));
        let lines = format!("\nconnector:\n  {name}: {word}\ntables:\n");
        assert!(file.to_yaml().contains(&lines), "{}", file.to_yaml());
    }
}

#[test]
fn each_word_of_a_setting_reads_back() {
    all_words::<TimePrecision>("time_precision", |it| it.time_precision);
    all_words::<DecimalMode>("decimal", |it| it.decimal);
    all_words::<BigintUnsigned>("bigint_unsigned", |it| it.bigint_unsigned);
    all_words::<BinaryMode>("binary", |it| it.binary);
    all_words::<Tombstones>("tombstones", |it| it.tombstones);
    all_words::<FieldNames>("field_names", |it| it.field_names);
    all_words::<ZeroDates>("zero_dates", |it| it.zero_dates);
}

#[test]
fn what_a_source_file_does_not_state_is_unknown() {
    for block in ["", "connector: {}", "connector: { keeps_nulls: false }"] {
        assert_eq!(stated(block), Connector::default(), "{block}");
    }
    assert!(stated("connector: { keeps_nulls: true }").keeps_nulls);
    let gone = stated("connector: { unavailable_placeholder: __GONE__ }");
    assert_eq!(gone.unavailable_placeholder.as_deref(), Some("__GONE__"));
}

fn kind(engine: EngineName, declared: &str) -> ColumnKind {
    let column = SourceColumn::new("c", declared, true);
    column_kind(engine, &Connector::default(), &column)
}

fn whole(bits: u8, unsigned: bool, zerofill: u8) -> ColumnKind {
    ColumnKind::Integer(Whole {
        bits,
        unsigned,
        zerofill,
    })
}

fn chars(max: u32, blanks: Blanks) -> ColumnKind {
    ColumnKind::Text(Chars { max, blanks })
}

fn decimal(scale: Option<u8>) -> ColumnKind {
    ColumnKind::Decimal { scale }
}

#[test]
fn each_type_of_postgres_keeps_what_decides_its_text() {
    use ColumnKind::{Bool, Opaque, Timestamp, TimestampTz, Uuid};
    let (ColumnKind::Timestamp(plain), ColumnKind::TimestampTz(zoned)) =
        (ColumnKind::TIMESTAMP, ColumnKind::TIMESTAMPTZ)
    else {
        panic!("both are moments");
    };
    for (declared, wanted) in [
        ("bigint", whole(64, false, 0)),
        ("integer", whole(32, false, 0)),
        ("smallint", whole(16, false, 0)),
        ("text", ColumnKind::TEXT),
        ("citext", ColumnKind::TEXT),
        ("enum", ColumnKind::TEXT),
        ("varchar", ColumnKind::TEXT),
        ("varchar(20)", chars(20, Blanks::Kept)),
        ("character varying", ColumnKind::TEXT),
        ("character varying(20)", chars(20, Blanks::Kept)),
        ("character(3)", chars(3, Blanks::Padded)),
        ("character", chars(1, Blanks::Padded)),
        ("bpchar", ColumnKind::TEXT),
        ("uuid", Uuid),
        ("boolean", Bool),
        ("numeric", decimal(None)),
        ("numeric(12,3)", decimal(Some(3))),
        ("numeric(10)", decimal(Some(0))),
        ("numeric(3,-2)", Opaque),
        ("date", ColumnKind::DATE),
        ("timestamp without time zone", ColumnKind::TIMESTAMP),
        (
            "timestamp(3) without time zone",
            Timestamp(Moment { digits: 3, ..plain }),
        ),
        ("timestamp with time zone", ColumnKind::TIMESTAMPTZ),
        ("timestamptz(0)", TimestampTz(Moment { digits: 0, ..zoned })),
        ("integer[]", Opaque),
        ("text[]", Opaque),
        ("numeric(10,2)[]", Opaque),
        ("depot.mood[]", Opaque),
        ("public.year", Opaque),
        ("tinyint(1)", Opaque),
        ("year", Opaque),
        ("double precision", Opaque),
        ("money", Opaque),
        ("time with time zone", Opaque),
        ("json", Opaque),
        ("bytea", Opaque),
        ("inet", ColumnKind::TEXT),
        ("cidr", ColumnKind::TEXT),
        ("macaddr", ColumnKind::TEXT),
        ("macaddr8", ColumnKind::TEXT),
        ("inet[]", Opaque),
        ("", Opaque),
    ] {
        assert_eq!(kind(EngineName::Postgres, declared), wanted, "{declared}");
    }
}

#[test]
fn a_table_is_bound_under_the_names_that_arrive() {
    let source = "\
database: shop
engine: postgres
connector: { field_names: avro }
tables:
  - table: \"shop.public.Order Items\"
    replica_identity: full
    primary_key: [\"Item ID\"]
    columns:
      - { name: \"Item ID\", type: bigint, nullable: false }
      - { name: größe, type: bigint, nullable: false }
";
    let family = "\
family: catalog.item
schema_version: 1
owner: { team: catalog }
lifecycle: active
freshness: { class: strict, within: 2s, objective: 99.9%, window: 28d }
max_ttl: 1h
redis: { target: main, keys: [\"catalog:v1:item:{id}:{size}\"] }
sources:
  - table: \"shop.public.Order Items\"
    bind: { id: \"Item ID\", size: größe }
examples:
  - change: { table: \"shop.public.Order Items\", op: c, after: { \"Item ID\": 7, größe: 2 } }
    purges: { redis: [\"catalog:v1:item:7:2\"] }
";
    let files = [("sources/s.yaml", source), ("families/f.yaml", family)];
    let files = files.map(|(path, text)| (path.into(), text.to_owned()));
    let loaded = freshet_registry::load_files(files.to_vec());
    let loaded = loaded.unwrap_or_else(|found| panic!("{}", found.render()));
    let table = &loaded.registry.tables[0].shape;
    assert_eq!(&*table.name, "shop.public.Order Items");
    assert_eq!(&*table.topic, "shop.public.Order_Items");
    let names: Vec<&str> = table.columns.iter().map(|it| &*it.name).collect();
    assert_eq!(names, ["Item_ID", "gr__e"]);
    assert!(table.columns[0].in_key);
}

#[test]
fn each_type_of_mysql_keeps_what_decides_its_text() {
    use ColumnKind::{Date, Opaque, Timestamp, TimestampTz, Year};
    let moment = |digits| Moment {
        digits,
        prints_all: true,
        shows_zone: false,
        zero_dates: true,
        always_micros: false,
    };
    for (declared, wanted) in [
        ("bigint(20) unsigned", whole(64, true, 0)),
        ("BIGINT UNSIGNED", whole(64, true, 0)),
        ("tinyint(4)", whole(8, false, 0)),
        ("smallint(6)", whole(16, false, 0)),
        ("mediumint(9)", whole(24, false, 0)),
        ("int(5) unsigned zerofill", whole(32, true, 5)),
        ("int(5) zerofill", whole(32, true, 5)),
        ("int unsigned zerofill", Opaque),
        ("tinyint(1) unsigned zerofill", whole(8, true, 1)),
        ("tinyint(1)", Opaque),
        ("tinyint(1) unsigned", Opaque),
        ("boolean", Opaque),
        ("year(4)", Year),
        ("year", Year),
        ("year(2)", Opaque),
        ("varchar(20)", chars(20, Blanks::Kept)),
        ("char(3)", chars(3, Blanks::Cut)),
        ("longtext", ColumnKind::TEXT),
        ("enum('a','b c')", ColumnKind::TEXT),
        ("decimal(10)", decimal(Some(0))),
        ("decimal", decimal(Some(0))),
        ("decimal(10,2) unsigned", decimal(Some(2))),
        ("decimal(10,2) unsigned zerofill", Opaque),
        ("date", Date { zero_dates: true }),
        ("datetime", Timestamp(moment(0))),
        ("datetime(3)", Timestamp(moment(3))),
        ("timestamp(6)", TimestampTz(moment(6))),
        ("datetime(7)", Opaque),
        ("set('x','y')", ColumnKind::TEXT),
        ("bit(1)", Opaque),
        ("uuid", Opaque),
        ("double", Opaque),
        ("time(3)", Opaque),
    ] {
        assert_eq!(kind(EngineName::Mysql, declared), wanted, "{declared}");
        let of_mariadb = kind(EngineName::Mariadb, declared);
        let wanted = match declared {
            "uuid" => ColumnKind::Uuid,
            _ => wanted,
        };
        assert_eq!(of_mariadb, wanted, "{declared}");
    }
}

#[test]
fn settings_of_the_connector_are_part_of_the_kind() {
    let block = "connector: { time_precision: microseconds, zero_dates: never }";
    let column = SourceColumn::new("c", "datetime(3)", true);
    let kind = column_kind(EngineName::Mysql, &stated(block), &column);
    let ColumnKind::Timestamp(moment) = kind else {
        panic!("{kind:?}");
    };
    assert!(moment.always_micros && !moment.zero_dates);
}

/// A bound column of a registry whose source file says this of its engine, its table and the column.
fn bound(engine: &str, block: &str, identity: &str, column: &str) -> ColumnShape {
    let source = format!(
        "database: shop\nengine: {engine}\nconnector: {{ {block} }}\ntables:\n  - table: shop.public.items\n    \
         replica_identity: {identity}\n    primary_key: [id]\n    columns:\n      \
         - {{ name: id, type: bigint, nullable: false }}\n      - {{ name: c, {column} }}\n"
    );
    let family = "\
family: catalog.item
schema_version: 1
owner: { team: catalog }
lifecycle: active
freshness: { class: strict, within: 2s, objective: 99.9%, window: 28d }
max_ttl: 1h
redis: { target: main, keys: [\"catalog:v1:item:{id}:{c}\"] }
sources:
  - table: shop.public.items
    bind: { id: id, c: c }
";
    let files = [("sources/s.yaml", &*source), ("families/f.yaml", family)];
    let files = files.map(|(path, text)| (path.into(), text.to_owned()));
    let loaded = freshet_registry::load_files(files.to_vec());
    let loaded = loaded.unwrap_or_else(|found| panic!("{}", found.render()));
    let columns = &loaded.registry.tables[0].shape.columns;
    let column = columns.iter().find(|column| &*column.name == "c");
    column.expect("it is bound").clone()
}

/// Where a NULL in the log is not known to be one.
#[test]
fn null_hides_values_by_engine_type_settings_and_what_the_log_omits() {
    let nanos = "time_precision: nanoseconds";
    let nanos_only = "time_precision: nanoseconds, zero_dates: never";
    for (engine, block, identity, declared, hides) in [
        ("postgres", "", "full", "bigint", false),
        // NaN.
        ("postgres", "", "full", "\"numeric(9,2)\"", true),
        ("postgres", "decimal: precise", "full", "numeric", true),
        ("postgres", "decimal: string", "full", "numeric", false),
        ("mysql", "", "full", "\"decimal(9,2)\"", false),
        // 0000-00-00.
        ("postgres", "", "full", "date", false),
        ("mysql", "", "full", "date", true),
        ("mysql", "zero_dates: never", "full", "date", false),
        ("mysql", "", "full", "datetime", true),
        ("mysql", "", "full", "timestamp", true),
        ("mysql", "zero_dates: never", "full", "datetime", false),
        ("mysql", "zero_dates: never", "full", "timestamp", false),
        // Before 1677 and after 2262.
        ("mysql", nanos_only, "full", "datetime", true),
        ("postgres", nanos, "full", "timestamp", true),
        ("postgres", nanos, "full", "timestamptz", true),
        ("postgres", "", "full", "timestamptz", false),
        // Rows without some of their columns.
        ("mysql", "", "default", "bigint", true),
        ("mariadb", "", "default", "bigint", true),
        ("mysql", "", "full", "bigint", false),
        ("postgres", "", "default", "bigint", false),
    ] {
        let column = bound(engine, block, identity, &format!("type: {declared}"));
        let what = format!("{declared} of {engine}, {identity}, {block}");
        assert_eq!(column.null_hides, hides, "{what}");
    }
}

#[test]
fn a_column_may_be_null_unless_its_file_says_otherwise() {
    for (column, nullable) in [
        ("type: bigint", true),
        ("type: bigint, nullable: true", true),
        ("type: bigint, nullable: false", false),
    ] {
        let column = bound("postgres", "", "full", column);
        assert_eq!(column.nullable, nullable);
    }
}

#[test]
fn tinyint_1_prints_as_the_source_file_says() {
    for (form, wanted) in [
        (None, ColumnKind::Opaque),
        (Some(TextForm::Integer), whole(8, false, 0)),
        (Some(TextForm::Boolean), ColumnKind::Bool),
    ] {
        // The server's other names for it.
        for declared in ["tinyint(1)", "boolean", "bool"] {
            let column = SourceColumn {
                text: form,
                ..SourceColumn::new("c", declared, true)
            };
            let kind = column_kind(EngineName::Mysql, &Connector::default(), &column);
            assert_eq!(kind, wanted, "{declared} {form:?}");
        }
    }
    let other = SourceColumn {
        text: Some(TextForm::Integer),
        ..SourceColumn::new("c", "int(11)", true)
    };
    let kind = column_kind(EngineName::Mysql, &Connector::default(), &other);
    assert_eq!(kind, ColumnKind::Opaque, "no other type has `text:`");
}

#[test]
fn the_values_of_an_enum_are_read_as_the_catalog_writes_them() {
    let values = |declared: &str| {
        let values = enum_values(EngineName::Mysql, declared)?;
        Some(values.iter().map(|it| it.to_string()).collect::<Vec<_>>())
    };
    for (declared, wanted) in [
        ("enum('a','b c')", vec!["a", "b c"]),
        (
            "enum('it''s','(x)','','Y,''')",
            vec!["it's", "(x)", "", "Y,'"],
        ),
        ("ENUM('A')", vec!["A"]),
    ] {
        let wanted: Vec<String> = wanted.into_iter().map(String::from).collect();
        assert_eq!(values(declared), Some(wanted), "{declared}");
    }
    for declared in ["enum", "enum()", "enum('a'", "enum('a' 'b')", "set('a')"] {
        assert_eq!(values(declared), None, "{declared}");
    }
    assert_eq!(enum_values(EngineName::Postgres, "enum('a')"), None);
}
