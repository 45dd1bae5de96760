//! The `connector:` block of a source file: how the connector writes the log. Everything in it is optional.

use std::fmt::Write;
use std::sync::Arc;

use freshet_core::connector::{
    BigintUnsigned, BinaryMode, Connector, DecimalMode, FieldNames, Setting, TimePrecision,
    Tombstones, ZeroDates,
};
use serde::{Deserialize, Serialize};

use crate::written::source::quoted::quoted;

/// The settings as they are written. What is absent is unknown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ConnectorWritten {
    /// `time.precision.mode`.
    pub time_precision: Option<TimePrecision>,
    /// `decimal.handling.mode`.
    pub decimal: Option<DecimalMode>,
    /// `bigint.unsigned.handling.mode`.
    pub bigint_unsigned: Option<BigintUnsigned>,
    /// `binary.handling.mode`.
    pub binary: Option<BinaryMode>,
    /// `unavailable.value.placeholder`.
    pub unavailable_placeholder: Option<String>,
    /// Whether the converter writes NULL where a column has a default.
    pub keeps_nulls: Option<bool>,
    /// What a record without value means.
    pub tombstones: Option<Tombstones>,
    /// `field.name.adjustment.mode`.
    pub field_names: Option<FieldNames>,
    /// Whether the database may hold zero dates.
    pub zero_dates: Option<ZeroDates>,
}

impl ConnectorWritten {
    /// What it means for the decoder.
    pub fn settings(&self) -> Connector {
        Connector {
            time_precision: self.time_precision,
            decimal: self.decimal,
            bigint_unsigned: self.bigint_unsigned,
            binary: self.binary,
            unavailable_placeholder: self.unavailable_placeholder.as_deref().map(Arc::from),
            keeps_nulls: self.keeps_nulls.unwrap_or_default(),
            tombstones: self.tombstones,
            field_names: self.field_names,
            zero_dates: self.zero_dates,
        }
    }

    /// Appends the block to a source file; nothing when no setting is stated.
    pub(super) fn write_yaml(&self, out: &mut String) {
        let text = self.unavailable_placeholder.as_deref().map(quoted);
        let lines = [
            ("time_precision", word(self.time_precision)),
            ("decimal", word(self.decimal)),
            ("bigint_unsigned", word(self.bigint_unsigned)),
            ("binary", word(self.binary)),
            ("unavailable_placeholder", text),
            (
                "keeps_nulls",
                self.keeps_nulls.map(|keeps| keeps.to_string()),
            ),
            ("tombstones", word(self.tombstones)),
            ("field_names", word(self.field_names)),
            ("zero_dates", word(self.zero_dates)),
        ];
        if lines.iter().all(|(_, value)| value.is_none()) {
            return;
        }
        out.push_str("connector:\n");
        for (name, value) in lines {
            if let Some(value) = value {
                // Writing to a String cannot fail.
                let _ = writeln!(out, "  {name}: {value}");
            }
        }
    }
}

/// Every word but `none` is plain YAML text; the parser reads `none` as text too.
fn word<S: Setting>(setting: Option<S>) -> Option<String> {
    setting.map(|setting| setting.word().to_owned())
}
