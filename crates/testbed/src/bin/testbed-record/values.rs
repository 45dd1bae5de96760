//! Every column type in every form and with every setting that changes how its values are written, with the text that
//! the server itself prints for each value.

mod mariadb;
mod postgres;
mod sidecar;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use freshet_testbed::{ConnectBuilder, Format, KafkaBroker, SchemaRegistry, TopicReader};
use serde_json::{Map, Value, json};

use sidecar::Lines;

const DEADLINE: Duration = Duration::from_secs(60);

/// What a connector is set to.
struct Settings {
    name: &'static str,
    pairs: &'static [(&'static str, &'static str)],
    forms: &'static [Form],
    /// Tables whose values these settings change.
    tables: &'static [&'static str],
    /// Whether to keep the rows of the snapshot beside those of the log.
    snapshot: bool,
}

/// One connector: its settings, and the form of its records.
struct Variant {
    settings: &'static Settings,
    form: Form,
    /// Its place among those of its database, counted from 0.
    number: u32,
}

const EACH_FORM: &[Form] = &[Form::Json, Form::JsonWithSchema, Form::Avro];
/// Plain JSON is the payload of the form with a schema, as the default settings show.
const WITH_SCHEMA: &[Form] = &[Form::JsonWithSchema, Form::Avro];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Json,
    JsonWithSchema,
    Avro,
}

impl Form {
    fn name(self) -> &'static str {
        match self {
            Form::Json => "json",
            Form::JsonWithSchema => "json-schema",
            Form::Avro => "avro",
        }
    }

    fn format(self, registry: &SchemaRegistry) -> Format {
        match self {
            Form::Json => Format::Json,
            Form::JsonWithSchema => Format::JsonWithSchema,
            Form::Avro => Format::Avro {
                registry: registry.apicurio_url(),
            },
        }
    }
}

impl Variant {
    /// All of a database.
    fn all(settings: &'static [Settings]) -> Vec<Self> {
        let each = settings
            .iter()
            .flat_map(|settings| settings.forms.iter().map(move |&form| (settings, form)));
        (0..)
            .zip(each)
            .map(|(number, (settings, form))| Self {
                settings,
                form,
                number,
            })
            .collect()
    }

    /// The file's name.
    fn name(&self) -> String {
        format!("{}-{}", self.settings.name, self.form.name())
    }

    /// The first part of its topics' names; also in the names of slot and publication, so no hyphens.
    fn prefix(&self) -> String {
        self.name().replace('-', "_")
    }

    fn properties(&self) -> Vec<(String, String)> {
        let pairs = self.settings.pairs.iter();
        pairs
            .map(|&(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    /// Its tables with the schema that they are in.
    fn tables(&self, schema: &str) -> Vec<String> {
        let tables = self.settings.tables.iter();
        tables.map(|table| format!("{schema}.{table}")).collect()
    }
}

/// A database whose types are recorded.
trait TypedDatabase {
    /// The folder's name.
    const NAME: &'static str;
    fn start() -> Result<Self>
    where
        Self: Sized;
    const SETTINGS: &'static [Settings];
    fn connector(&self, to: ConnectBuilder, variant: &Variant, form: Format) -> ConnectBuilder;
    /// Writes every row again under another key.
    fn copy_rows(&self, table: &str) -> Result<()>;
    fn count(&self, table: &str) -> Result<usize>;
    /// The columns of a table as its catalog declares them.
    fn columns(&self, table: &str) -> Result<Vec<Value>>;
    /// The rows of a table as the server prints them.
    fn texts(&self, table: &str) -> Result<Vec<Value>>;
}

/// Records the types of one database, or of both when none is named, below `folder`.
pub(crate) fn record(folder: &Path, named: Option<&str>) -> Result<()> {
    if let Some(name) = named {
        let known = [postgres::TypedPostgres::NAME, mariadb::TypedMariaDb::NAME];
        ensure!(
            known.contains(&name),
            "no database {name}; there are {known:?}"
        );
    }
    if named.is_none_or(|name| name == postgres::TypedPostgres::NAME) {
        record_one::<postgres::TypedPostgres>(folder)?;
    }
    if named.is_none_or(|name| name == mariadb::TypedMariaDb::NAME) {
        record_one::<mariadb::TypedMariaDb>(folder)?;
    }
    Ok(())
}

fn record_one<D: TypedDatabase>(folder: &Path) -> Result<()> {
    let folder = folder.join(D::NAME);
    fs::create_dir_all(&folder)?;
    let kafka = KafkaBroker::start()?;
    let registry = SchemaRegistry::start()?;
    let database = D::start()?;
    let variants = Variant::all(D::SETTINGS);
    let mut builder = freshet_testbed::Connect::builder(&kafka);
    for variant in &variants {
        builder = database.connector(builder, variant, variant.form.format(&registry));
    }
    let connect = builder.start()?;
    let mut reader = TopicReader::new(&kafka.bootstrap())?;
    let tables = tables_of(D::SETTINGS);
    let mut recording = Recording {
        rows: BTreeMap::new(),
        lines: variants.iter().map(|_| Lines::default()).collect(),
        variants: &variants,
    };
    for table in &tables {
        recording.rows.insert(*table, database.count(table)?);
    }
    recording.take(&mut reader, true).context("snapshot")?;
    for table in &tables {
        database.copy_rows(table)?;
    }
    recording.take(&mut reader, false).context("changes")?;
    drop(connect);
    let recorded = variants.iter().zip(recording.lines);
    write(&folder, &database, &registry, recorded)
}

fn tables_of(settings: &[Settings]) -> Vec<&'static str> {
    let mut tables: Vec<&str> = settings
        .iter()
        .flat_map(|settings| settings.tables.iter().copied())
        .collect();
    tables.sort_unstable();
    tables.dedup();
    tables
}

/// What each variant sent so far.
struct Recording<'a> {
    variants: &'a [Variant],
    /// How many rows each table has at first.
    rows: BTreeMap<&'static str, usize>,
    /// One for each variant.
    lines: Vec<Lines>,
}

impl Recording<'_> {
    /// Reads until each variant has every row of each of its tables.
    fn take(&mut self, reader: &mut TopicReader, is_snapshot: bool) -> Result<()> {
        let all = reader.read_until(DEADLINE, |all| {
            self.variants.iter().all(|variant| {
                variant.settings.tables.iter().all(|table| {
                    let topic = |topic: &str| split(topic) == Some((&variant.prefix(), table));
                    let arrived = all.iter().filter(|record| topic(&record.topic)).count();
                    arrived >= self.rows[table]
                })
            })
        });
        for record in all? {
            let Some((prefix, table)) = split(&record.topic) else {
                continue;
            };
            let sent = |variant: &Variant| {
                variant.prefix() == prefix && variant.settings.tables.contains(&table)
            };
            let Some(at) = self.variants.iter().position(sent) else {
                continue;
            };
            if is_snapshot && !self.variants[at].settings.snapshot {
                continue;
            }
            self.lines[at].push(self.variants[at].form, &record)?;
        }
        Ok(())
    }
}

/// Prefix and table of a topic of rows.
fn split(topic: &str) -> Option<(&str, &str)> {
    let (prefix, rest) = topic.split_once('.')?;
    let (_, table) = rest.split_once('.')?;
    Some((prefix, table))
}

fn write<'a, D: TypedDatabase>(
    folder: &Path,
    database: &D,
    registry: &SchemaRegistry,
    recorded: impl Iterator<Item = (&'a Variant, Lines)>,
) -> Result<()> {
    let mut described = Map::new();
    for (variant, lines) in recorded {
        let settings: Map<String, Value> = variant
            .properties()
            .into_iter()
            .map(|(name, value)| (name, json!(value)))
            .collect();
        described.insert(
            variant.name(),
            json!({
                "name": variant.settings.name,
                "form": variant.form.name(),
                "settings": settings,
            }),
        );
        let file = folder.join(variant.name()).with_extension("jsonl");
        lines.write(&file, &registry.ccompat_url())?;
        eprintln!("{}: {} records", file.display(), lines.len());
    }
    let mut columns = String::new();
    let mut texts = String::new();
    for table in tables_of(D::SETTINGS) {
        for column in database.columns(table)? {
            columns.push_str(&with_table(table, column)?);
        }
        for row in database.texts(table)? {
            texts.push_str(&with_table(table, row)?);
        }
    }
    let variants = serde_json::to_string_pretty(&described)? + "\n";
    for (name, text) in [
        ("variants.json", variants),
        ("columns.jsonl", columns),
        ("texts.jsonl", texts),
    ] {
        let file: PathBuf = folder.join(name);
        fs::write(&file, text).with_context(|| format!("write {}", file.display()))?;
    }
    Ok(())
}

fn with_table(table: &str, line: Value) -> Result<String> {
    let Value::Object(mut object) = line else {
        bail!("a line that is no object");
    };
    let old = object.insert("table".to_owned(), json!(table));
    ensure!(old.is_none(), "a line with a table");
    Ok(format!("{}\n", Value::Object(object)))
}
