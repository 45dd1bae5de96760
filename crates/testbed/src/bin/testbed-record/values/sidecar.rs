//! The recorded lines of one connector, with the schemas that they share beside them.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use freshet_testbed::{TopicRecord, get};
use serde_json::{Map, Value, json};

use super::Form;
use crate::output::base64;
use crate::recording::schema_id;

/// Records in their order, and the schemas by number.
#[derive(Default)]
pub(super) struct Lines {
    lines: Vec<Value>,
    /// The texts of JSON schemas; a line names one by its place.
    json_schemas: Vec<String>,
    avro_ids: Vec<u32>,
}

impl Lines {
    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }

    pub(super) fn push(&mut self, form: Form, record: &TopicRecord) -> Result<()> {
        let mut line = Map::new();
        line.insert("topic".to_owned(), json!(record.topic));
        for (name, bytes) in [("key", &record.key), ("value", &record.value)] {
            let bytes = bytes.as_deref().context("a record without key or value")?;
            match form {
                Form::Avro => {
                    let id = schema_id(bytes).context("a record without a schema's number")?;
                    if !self.avro_ids.contains(&id) {
                        self.avro_ids.push(id);
                    }
                    line.insert(format!("{name}_base64"), json!(base64(bytes)));
                }
                Form::Json => {
                    line.insert(name.to_owned(), json!(std::str::from_utf8(bytes)?));
                }
                Form::JsonWithSchema => {
                    let (schema, payload) = self.without_schema(std::str::from_utf8(bytes)?)?;
                    line.insert(format!("{name}_schema"), json!(schema));
                    line.insert(format!("{name}_payload"), json!(payload));
                }
            }
        }
        self.lines.push(Value::Object(line));
        Ok(())
    }

    /// The schema's number and the payload's text; put together again they are the very record.
    fn without_schema(&mut self, text: &str) -> Result<(usize, String)> {
        let inside = text
            .strip_prefix("{\"schema\":")
            .and_then(|rest| rest.strip_suffix('}'))
            .context("a record that does not begin with its schema")?;
        let mut values = serde_json::Deserializer::from_str(inside).into_iter::<Value>();
        values.next().context("a schema")??;
        let (schema, rest) = inside.split_at(values.byte_offset());
        let payload = rest
            .strip_prefix(",\"payload\":")
            .context("a record whose payload does not follow its schema")?;
        let again = format!("{{\"schema\":{schema},\"payload\":{payload}}}");
        ensure!(again == text, "a record that cannot be put together again");
        let number = match self.json_schemas.iter().position(|known| known == schema) {
            Some(number) => number,
            None => {
                self.json_schemas.push(schema.to_owned());
                self.json_schemas.len() - 1
            }
        };
        Ok((number, payload.to_owned()))
    }

    /// Writes the lines, and the schemas beside them.
    pub(super) fn write(&self, file: &Path, registry: &str) -> Result<()> {
        let text: String = self.lines.iter().map(|line| format!("{line}\n")).collect();
        fs::write(file, text).with_context(|| format!("write {}", file.display()))?;
        let mut schemas = String::new();
        for schema in &self.json_schemas {
            schemas.push_str(&format!("{schema}\n"));
        }
        for id in &self.avro_ids {
            let found = get(&format!("{registry}/schemas/ids/{id}"))?.json()?;
            let schema = found["schema"].as_str().context("no schema in an answer")?;
            let schema: Value = serde_json::from_str(schema)?;
            schemas.push_str(&format!("{}\n", json!({ "id": id, "schema": schema })));
        }
        if !schemas.is_empty() {
            let beside = file.with_extension("schemas.jsonl");
            fs::write(&beside, schemas).with_context(|| format!("write {}", beside.display()))?;
        }
        Ok(())
    }
}
