//! What Kafka Connect says of the connector that writes the log. Only the settings that decide how values are written
//! are read; everything else in a connector's configuration, secrets first, is neither printed nor kept.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, bail};
use freshet_core::connector::{
    BigintUnsigned, BinaryMode, DecimalMode, FieldNames, Setting, TimePrecision, Tombstones,
};
use freshet_registry::written::source::{ConnectorWritten, EngineName};
use reqwest::{StatusCode, Url};
use serde::Deserialize;

use crate::cli::PullArgs;

/// Kafka Connect forwards such a request to another worker at most.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// Debezium's own; `unavailable.value.placeholder` changes it.
const PLACEHOLDER: &str = "__debezium_unavailable_value";
const FLATTENING: &str = "io.debezium.transforms.ExtractNewRecordState";
const JSON_CONVERTER: &str = "org.apache.kafka.connect.json.JsonConverter";
const AVRO_CONVERTER: &str = "io.confluent.connect.avro.AvroConverter";

/// Where to ask, and for which connector.
pub(super) struct ConnectPlace {
    url: Url,
    name: Option<String>,
    server: String,
}

/// The settings as read.
pub(super) struct ConnectorRead {
    pub(super) engine: EngineName,
    pub(super) written: ConnectorWritten,
    /// What the settings change that a source file cannot say.
    pub(super) notes: Vec<String>,
}

type Properties = BTreeMap<String, String>;

impl ConnectPlace {
    pub(super) fn from_args(args: &PullArgs) -> anyhow::Result<Option<Self>> {
        let Some(url) = &args.connect else {
            return Ok(None);
        };
        let url: Url = url.parse().ok().context("--connect is not a URL")?;
        if !url.username().is_empty() || url.password().is_some() {
            bail!("--connect contains credentials; Kafka Connect must be accessible without them");
        }
        if !matches!(url.scheme(), "http" | "https") {
            bail!("--connect does not start with http:// or https://");
        }
        Ok(Some(Self {
            url,
            name: args.connector.clone(),
            server: args.server.clone(),
        }))
    }

    pub(super) async fn read(&self) -> anyhow::Result<ConnectorRead> {
        let (name, properties) = match &self.name {
            Some(name) => (name.clone(), self.named(name).await?),
            None => self.only_one_of_this_prefix().await?,
        };
        let prefix = properties.get("topic.prefix").map(String::as_str);
        if prefix != Some(self.server.as_str()) {
            bail!(
                "connector {name} does not write topics of --server {}: its topic.prefix is {}",
                self.server,
                prefix.unwrap_or("not set")
            );
        }
        settings(&properties).with_context(|| format!("connector {name}"))
    }

    async fn named(&self, name: &str) -> anyhow::Result<Properties> {
        match self.get(&["connectors", name, "config"]).await? {
            Some(properties) => Ok(properties),
            None => bail!(
                "Kafka Connect at {} has no connector {name}; GET /connectors lists them",
                self.shown()
            ),
        }
    }

    async fn only_one_of_this_prefix(&self) -> anyhow::Result<(String, Properties)> {
        let names: Vec<String> = self.get(&["connectors"]).await?.unwrap_or_default();
        let mut found = Vec::new();
        for name in names {
            // One may go while the others are read.
            let config: Option<Properties> = self.get(&["connectors", &name, "config"]).await?;
            let config = config.unwrap_or_default();
            if config.get("topic.prefix") == Some(&self.server) {
                found.push((name, config));
            }
        }
        match (found.len(), found.pop()) {
            (1, Some(only)) => Ok(only),
            (0, _) => bail!(
                "Kafka Connect at {} has no connector with topic.prefix {}",
                self.shown(),
                self.server
            ),
            (several, _) => bail!(
                "Kafka Connect at {} has {several} connectors with topic.prefix {}; name one with --connector",
                self.shown(),
                self.server
            ),
        }
    }

    /// None where there is no such thing. The body of an answer never reaches a message.
    async fn get<T: for<'de> Deserialize<'de>>(&self, path: &[&str]) -> anyhow::Result<Option<T>> {
        let mut url = self.url.clone();
        url.path_segments_mut()
            .ok()
            .context("--connect is not a URL")?
            .pop_if_empty()
            .extend(path);
        let client = reqwest::Client::builder()
            .timeout(ANSWER_WITHIN)
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        let unread = || format!("Kafka Connect at {} cannot be read", self.shown());
        let answer = client.get(url).send().await;
        let answer = answer.map_err(reqwest::Error::without_url);
        let answer = answer.with_context(unread)?;
        match answer.status() {
            StatusCode::NOT_FOUND => Ok(None),
            StatusCode::OK => match answer.json().await {
                Ok(read) => Ok(Some(read)),
                // The parser's own message repeats what it read.
                Err(_) => bail!(
                    "{}: the response is not from Kafka Connect's REST API",
                    unread()
                ),
            },
            status => bail!("{}: the status is {status}", unread()),
        }
    }

    fn shown(&self) -> String {
        self.url.origin().ascii_serialization()
    }
}

fn settings(properties: &Properties) -> anyhow::Result<ConnectorRead> {
    let class = properties.get("connector.class").map(String::as_str);
    let engine = match class {
        Some("io.debezium.connector.postgresql.PostgresConnector") => EngineName::Postgres,
        Some("io.debezium.connector.mysql.MySqlConnector") => EngineName::Mysql,
        Some("io.debezium.connector.mariadb.MariaDbConnector") => EngineName::Mariadb,
        _ => bail!("its connector.class is not Debezium's for Postgres, MySQL or MariaDB"),
    };
    let mut notes = Vec::new();
    let is_postgres = engine == EngineName::Postgres;
    let times = if is_postgres {
        TimePrecision::Adaptive
    } else {
        TimePrecision::AdaptiveTimeMicroseconds
    };
    let mut reader = Reader {
        properties,
        notes: &mut notes,
    };
    let bigint_unsigned = reader.setting("bigint.unsigned.handling.mode", BigintUnsigned::Long);
    let written = ConnectorWritten {
        time_precision: reader.setting("time.precision.mode", times),
        decimal: reader.setting("decimal.handling.mode", DecimalMode::Precise),
        bigint_unsigned: bigint_unsigned.filter(|_| !is_postgres),
        binary: reader.setting("binary.handling.mode", BinaryMode::Bytes),
        unavailable_placeholder: reader.placeholder(),
        keeps_nulls: reader.keeps_nulls(),
        tombstones: reader.tombstones(),
        field_names: reader.field_names(),
        // No connector knows what is in the tables.
        zero_dates: None,
    };
    reader.note_what_no_file_can_say();
    Ok(ConnectorRead {
        engine,
        written,
        notes,
    })
}

/// Reads single properties. Their values are shown nowhere: a property may hold more than it should.
struct Reader<'a> {
    properties: &'a Properties,
    notes: &'a mut Vec<String>,
}

impl Reader<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        self.properties.get(name).map(|value| value.trim())
    }

    /// A setting of a fixed list, or Debezium's default where it is not stated.
    fn setting<S: Setting>(&mut self, name: &str, default: S) -> Option<S> {
        let Some(value) = self.get(name) else {
            return Some(default);
        };
        let setting = S::named(&value.to_ascii_lowercase());
        if setting.is_none() {
            self.note_unknown(name);
        }
        setting
    }

    fn field_names(&mut self) -> Option<FieldNames> {
        match self.get("field.name.adjustment.mode") {
            Some("none") | None => Some(FieldNames::AsIs),
            Some(_) => self.setting("field.name.adjustment.mode", FieldNames::AsIs),
        }
    }

    fn placeholder(&mut self) -> Option<String> {
        let value = self.get("unavailable.value.placeholder");
        let Some(digits) = value.and_then(|value| value.strip_prefix("hex:")) else {
            return Some(value.unwrap_or(PLACEHOLDER).to_owned());
        };
        let text = bytes_of(digits).and_then(|bytes| String::from_utf8(bytes).ok());
        if text.is_none() {
            self.note_unknown("unavailable.value.placeholder");
        }
        text
    }

    /// A converter that only the worker names cannot be read here.
    fn keeps_nulls(&mut self) -> Option<bool> {
        let flag = match self.get("value.converter")? {
            JSON_CONVERTER => self
                .get("value.converter.replace.null.with.default")
                .map(|value| value.eq_ignore_ascii_case("false")),
            AVRO_CONVERTER => self
                .get("value.converter.ignore.default.for.nullables")
                .map(|value| value.eq_ignore_ascii_case("true")),
            _ => return None,
        };
        // Both converters write the default unless they are told not to.
        Some(flag.unwrap_or(false))
    }

    /// What a tombstone means after all transforms; unknown where one of them may change it.
    fn tombstones(&mut self) -> Option<Tombstones> {
        let mut tombstones = match self.get("tombstones.on.delete") {
            Some(value) if value.eq_ignore_ascii_case("false") => Tombstones::None,
            _ => Tombstones::AfterDelete,
        };
        for transform in self.transforms() {
            let property = |name: &str| self.get(&format!("transforms.{transform}.{name}"));
            let conditional = property("predicate").is_some();
            let legacy = ["drop.tombstones", "delete.handling.mode"];
            if property("type") != Some(FLATTENING)
                || conditional
                || legacy.iter().any(|name| property(name).is_some())
            {
                return None;
            }
            tombstones = match property("delete.tombstone.handling.mode") {
                Some("tombstone" | "delete-to-tombstone") | None => Tombstones::AsDelete,
                Some("rewrite") => Tombstones::None,
                Some("rewrite-with-tombstone") => tombstones,
                Some(_) => return None,
            };
        }
        Some(tombstones)
    }

    fn transforms(&self) -> Vec<String> {
        let listed = self.get("transforms").unwrap_or_default().split(',');
        listed
            .map(|name| name.trim().to_owned())
            .filter(|name| !name.is_empty())
            .collect()
    }

    /// Operations of which no record is written, so that what they outdate is not purged.
    fn note_what_is_skipped(&mut self) {
        // Debezium's default.
        let skipped = self.get("skipped.operations").unwrap_or("t");
        let skips = |letter: &str| {
            skipped
                .split(',')
                .any(|operation| operation.trim() == letter)
        };
        let names = [("c", "inserts"), ("u", "updates"), ("d", "deletes")];
        let mut missing: Vec<&str> = names
            .into_iter()
            .filter(|(letter, _)| skips(letter))
            .map(|(_, name)| name)
            .collect();
        let flattens = self
            .transforms()
            .iter()
            .any(|transform| self.get(&format!("transforms.{transform}.type")) == Some(FLATTENING));
        if flattens || skips("t") {
            missing.push("truncates");
        }
        if missing.is_empty() {
            return;
        }
        let why = if flattens {
            "ExtractNewRecordState drops truncates, and `skipped.operations` what it lists"
        } else {
            "see `skipped.operations`, which should be `none`"
        };
        let missing = missing.join(", ");
        self.notes.push(format!(
            "{missing} are not in the log, so the entries that they make stale are not purged: {why}"
        ));
    }

    fn note_what_no_file_can_say(&mut self) {
        self.note_what_is_skipped();
        for transform in self.transforms() {
            let mode = format!("transforms.{transform}.delete.tombstone.handling.mode");
            if self.get(&mode) == Some("drop") {
                self.notes.push(format!(
                    "{mode} is `drop`: deletes are not in the log, so the entries that they make stale are not purged"
                ));
            }
            if self.get(&format!("transforms.{transform}.type")) != Some(FLATTENING) {
                self.notes.push(format!(
                    "transform `{transform}` may change topics, names or values: check that the source file matches the records"
                ));
            }
        }
        // The name of such a property may hold a salt, so only its beginning is shown.
        for start in ["converters", "column.mask.", "column.truncate."] {
            if self.properties.keys().any(|name| name.starts_with(start)) {
                self.notes.push(format!(
                    "`{start}…` changes values: do not bind the columns that it affects"
                ));
            }
        }
        if self.get("value.converter").is_none() {
            self.notes.push(
                "value.converter is set in the worker and cannot be read: set keeps_nulls in the file if you know it"
                    .to_owned(),
            );
        }
    }

    fn note_unknown(&mut self, name: &str) {
        self.notes.push(format!(
            "{name} has a value that Freshet does not know: it is omitted, and values that depend on it may be unknown"
        ));
    }
}

fn bytes_of(digits: &str) -> Option<Vec<u8>> {
    let pairs = digits.as_bytes().chunks(2);
    pairs
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}

#[cfg(test)]
mod tests;
