//! What is measured: a case has a name such as `drain-json-4`, `drain-avro-64-zipf-f8`, `drain-json-4-f1-k10000` or
//! `paced-json-4`.

use std::fmt;
use std::str::FromStr;

use anyhow::{Context, bail};

/// The wire form of the events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// JSON without a schema.
    Json,
    /// JSON as Connect's converter writes it by default: `{"schema":…,"payload":…}`.
    JsonSchema,
    /// Avro in Confluent framing.
    Avro,
}

impl Form {
    /// Every form.
    pub const ALL: [Self; 3] = [Self::Json, Self::JsonSchema, Self::Avro];

    /// Its name in names of cases.
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::JsonSchema => "schema",
            Self::Avro => "avro",
        }
    }
}

impl FromStr for Form {
    type Err = anyhow::Error;

    fn from_str(name: &str) -> anyhow::Result<Self> {
        let found = Self::ALL.into_iter().find(|form| form.name() == name);
        found.with_context(|| format!("{name} is no form: json, schema or avro"))
    }
}

/// How the load comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The topic is full before.
    Drain,
    /// An open loop at a fixed rate.
    Paced,
}

/// One case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// How the load comes.
    pub mode: Mode,
    /// The wire form.
    pub form: Form,
    /// Partitions of the topic.
    pub partitions: i32,
    /// Rows are drawn by Zipf's law (exponent 1) instead of each once.
    pub zipf: bool,
    /// Families that hang on the table; each has one key a row.
    pub families: usize,
    /// Rows that change, when not every event has a row of its own.
    pub rows: Option<u32>,
    /// Families in the registry besides, on tables that do not change.
    pub idle: usize,
}

/// Two keys an event unless a case says otherwise.
const FAMILIES: usize = 2;

const FAMILY_NAMES: [&str; 8] = [
    "product", "card", "page", "teaser", "price", "stock", "photo", "badge",
];

impl Case {
    /// The names of the families.
    pub fn families(&self) -> &'static [&'static str] {
        FAMILY_NAMES.get(..self.families).unwrap_or(&FAMILY_NAMES)
    }

    /// Whether another case can use the same topic.
    pub fn shares_load_with(&self, other: &Self) -> bool {
        *self
            == Self {
                families: self.families,
                ..other.clone()
            }
    }
}

impl fmt::Display for Case {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mode = match self.mode {
            Mode::Drain => "drain",
            Mode::Paced => "paced",
        };
        write!(out, "{mode}-{}-{}", self.form.name(), self.partitions)?;
        if self.zipf {
            out.write_str("-zipf")?;
        }
        if self.families != FAMILIES {
            write!(out, "-f{}", self.families)?;
        }
        if let Some(rows) = self.rows {
            write!(out, "-k{rows}")?;
        }
        if self.idle > 0 {
            write!(out, "-i{}", self.idle)?;
        }
        Ok(())
    }
}

impl FromStr for Case {
    type Err = anyhow::Error;

    fn from_str(name: &str) -> anyhow::Result<Self> {
        let mut parts = name.split('-');
        let mode = match parts.next() {
            Some("drain") => Mode::Drain,
            Some("paced") => Mode::Paced,
            _ => bail!("{name}: a case begins with drain- or paced-"),
        };
        let form = parts.next().unwrap_or_default().parse()?;
        let partitions = parts.next().unwrap_or_default().parse();
        let mut case = Self {
            mode,
            form,
            partitions: partitions.with_context(|| format!("{name}: partitions"))?,
            zipf: false,
            families: FAMILIES,
            rows: None,
            idle: 0,
        };
        for part in parts {
            case.take(part).with_context(|| format!("{name}: {part}"))?;
        }
        Ok(case)
    }
}

impl Case {
    /// Takes what stands behind the partitions.
    fn take(&mut self, part: &str) -> anyhow::Result<()> {
        let (kind, number) = part.split_at_checked(1).unwrap_or_default();
        match (kind, number.parse::<u32>()) {
            _ if part == "zipf" => self.zipf = true,
            ("f", Ok(count)) if (1..=FAMILY_NAMES.len()).contains(&(count as usize)) => {
                self.families = count as usize;
            }
            ("k", Ok(rows)) if rows > 0 => self.rows = Some(rows),
            ("i", Ok(families)) => self.idle = families as usize,
            _ => bail!(
                "neither zipf, nor f1 to f8, k and a number of rows, or i and a number of idle families"
            ),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Case;

    #[test]
    fn a_name_says_the_whole_case() {
        for name in [
            "drain-json-4",
            "drain-avro-64-zipf-f8",
            "paced-schema-1",
            "drain-json-4-f1",
            "drain-json-4-f1-k10000",
            "drain-json-4-f1-i999",
        ] {
            let case: Case = name.parse().expect("a case");
            assert_eq!(case.to_string(), name);
        }
        for name in [
            "drain",
            "drain-xml-4",
            "fill-json-4",
            "drain-json-4-f9",
            "drain-json-4-k0",
            "drain-json-4-",
            "drain-json-4-é",
            "drain-json-x",
        ] {
            assert!(name.parse::<Case>().is_err(), "{name}");
        }
    }
}
