//! Runs scenarios one after the other and notes which records each one led to.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use freshet_testbed::{KafkaBroker, TopicReader, TopicRecord, get};
use serde_json::{Map, Value};

use crate::output::line;
use crate::scenarios::{Database, METADATA_RECORDS, METADATA_TRANSACTION, plain_scenarios};

const DEADLINE: Duration = Duration::from_secs(60);

type Sql<'a> = &'a dyn Fn(&str) -> Result<String>;

/// The lines recorded so far.
pub(crate) struct Recording {
    reader: TopicReader,
    binary: bool,
    lines: Vec<Value>,
    fences: usize,
    schema_ids: BTreeSet<u32>,
    schemas: Map<String, Value>,
}

impl Recording {
    pub(crate) fn new(kafka: &KafkaBroker, binary: bool) -> Result<Recording> {
        Ok(Recording {
            reader: TopicReader::new(&kafka.bootstrap())?,
            binary,
            lines: Vec::new(),
            fences: 0,
            schema_ids: BTreeSet::new(),
            schemas: Map::new(),
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.lines.len()
    }

    /// The snapshot and every scenario that needs neither heartbeats nor transaction records.
    ///
    /// A row in a table of its own ends each scenario: one connector task sends in the order of
    /// the log, so what the scenario wrote is there when that row is.
    pub(crate) fn plain(&mut self, database: Database, sql: Sql<'_>) -> Result<()> {
        self.fenced("snapshot", "", sql)?;
        for (name, statements) in plain_scenarios(database) {
            self.fenced(name, statements, sql)
                .with_context(|| format!("scenario {name}"))?;
        }
        Ok(())
    }

    /// The same connector with transaction records and heartbeats switched on.
    pub(crate) fn with_metadata(&mut self, database: Database, sql: Sql<'_>) -> Result<()> {
        self.drain_replay(sql)?;
        sql(METADATA_TRANSACTION)?;
        let counts = |record: &&TopicRecord| !is_heartbeat(record);
        let records = self.reader.read_until(DEADLINE, |records| {
            records.iter().filter(counts).count() >= METADATA_RECORDS
        });
        let records = records.with_context(|| format!("transaction of {database:?}"))?;
        self.note("transaction_metadata", &records, |record| {
            !is_heartbeat(record)
        });
        let records = self
            .reader
            .read_until(DEADLINE, |records| records.iter().any(is_heartbeat))?;
        let first = records.iter().position(is_heartbeat).unwrap_or(0);
        self.note("heartbeat", &records[first..=first], is_heartbeat);
        Ok(())
    }

    /// A connector that starts again first repeats what it had not yet committed; a row of our own
    /// and the end of its transaction come after all that.
    fn drain_replay(&mut self, sql: Sql<'_>) -> Result<()> {
        self.fences += 1;
        sql(&format!("insert into fence (id) values ({})", self.fences))?;
        let is_boundary = |record: &&TopicRecord| record.topic.ends_with(".transaction");
        self.reader.read_until(DEADLINE, |records| {
            let boundaries = records.iter().filter(is_boundary).count();
            records.iter().any(is_fence) && boundaries >= 2 && boundaries % 2 == 0
        })?;
        Ok(())
    }

    fn fenced(&mut self, scenario: &str, statements: &str, sql: Sql<'_>) -> Result<()> {
        sql(statements)?;
        self.fences += 1;
        sql(&format!("insert into fence (id) values ({})", self.fences))?;
        let mut records = self
            .reader
            .read_until(DEADLINE, |records| records.iter().any(is_fence))?;
        // The fence may have been read before an older record on another partition.
        records.extend(self.reader.read_new()?);
        self.note(scenario, &records, |record| !is_fence(record));
        Ok(())
    }

    fn note(
        &mut self,
        scenario: &str,
        records: &[TopicRecord],
        wanted: impl Fn(&TopicRecord) -> bool,
    ) {
        for record in records
            .iter()
            .filter(|record| wanted(record) && !is_history(record))
        {
            self.lines.push(line(scenario, record, self.binary));
            if self.binary {
                let parts = [record.key.as_deref(), record.value.as_deref()];
                self.schema_ids
                    .extend(parts.into_iter().flatten().filter_map(schema_id));
            }
        }
    }

    /// Fetches the schema of every id that was seen.
    pub(crate) fn fetch_schemas(&mut self, registry: &str) -> Result<()> {
        for id in &self.schema_ids {
            let answer = get(&format!("{registry}/schemas/ids/{id}"))?;
            ensure!(
                answer.status == 200,
                "schema {id}: {} {}",
                answer.status,
                answer.body
            );
            let found = answer.json()?;
            let text = found["schema"]
                .as_str()
                .context("an answer without a schema")?;
            self.schemas
                .insert(id.to_string(), serde_json::from_str(text)?);
        }
        Ok(())
    }

    /// Writes the lines, and the schemas beside them.
    pub(crate) fn write(&self, file: &Path) -> Result<()> {
        let text: String = self.lines.iter().map(|line| format!("{line}\n")).collect();
        fs::write(file, text).with_context(|| format!("write {}", file.display()))?;
        if !self.schemas.is_empty() {
            let schemas = serde_json::to_string_pretty(&self.schemas)?;
            fs::write(file.with_extension("schemas.json"), schemas + "\n")?;
        }
        Ok(())
    }
}

fn is_fence(record: &TopicRecord) -> bool {
    record.topic.ends_with(".fence")
}

fn is_heartbeat(record: &TopicRecord) -> bool {
    record.topic.starts_with("__debezium-heartbeat.")
}

/// The connector's private notes.
fn is_history(record: &TopicRecord) -> bool {
    record.topic.ends_with(".schema-history")
}

/// Confluent framing: a zero, then four bytes of id.
pub(crate) fn schema_id(bytes: &[u8]) -> Option<u32> {
    match bytes {
        [0, a, b, c, d, ..] => Some(u32::from_be_bytes([*a, *b, *c, *d])),
        _ => None,
    }
}
