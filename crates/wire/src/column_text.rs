//! One value of a record → the text that the database itself would print, or unknown. Never a guess.

use freshet_core::broken::Promise;
use freshet_core::connector::Connector;
use freshet_core::drift::{ColumnDrift, Drift};
use freshet_core::image::Image;
use freshet_core::table::{Blanks, Chars, ColumnKind, ColumnShape, ColumnSlot, TableShape};

use crate::field_schema::{self, FieldSchema, Nulls};
use crate::scalar::{Encoding, Scalar};

mod moment;
mod number;
mod plain;
mod verdict;

use plain::Plain;
pub(crate) use verdict::Verdict;

/// What Debezium writes for a column that the log does not hold (an unchanged TOAST value).
const UNAVAILABLE: &str = "__debezium_unavailable_value";
/// The same as JSON has it for `bytea`.
const UNAVAILABLE_BASE64: &str = "X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==";

/// Where a value goes and how it is to be read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BoundColumn {
    /// Where.
    pub(crate) slot: ColumnSlot,
    /// What the registry declares.
    pub(crate) kind: ColumnKind,
    /// Whether it may be NULL.
    pub(crate) nullable: bool,
    /// NULL may stand for another value.
    pub(crate) null_hides: bool,
    /// Nothing but the record's schema tells the unit of a moment.
    pub(crate) unit_unknown: bool,
    /// The source file names the text that stands for a value that the log does not hold.
    pub(crate) knows_placeholder: bool,
    /// How it is written.
    pub(crate) field: FieldSchema,
    /// What the record's schema says against the declaration; then no value has a text, whatever its kind.
    pub(crate) contradiction: Option<Drift>,
    /// Derived from the above.
    plain: Plain,
}

impl BoundColumn {
    /// A column of a table.
    pub(crate) fn of(
        slot: ColumnSlot,
        column: &ColumnShape,
        connector: &Connector,
        field: FieldSchema,
    ) -> Self {
        Self {
            slot,
            kind: column.kind,
            nullable: column.nullable,
            // No row has NULL in its key. The record says so where the log does not have the column, or a converter failed.
            null_hides: column.null_hides || column.in_key,
            unit_unknown: connector.time_precision.is_none()
                && matches!(column.kind, ColumnKind::Timestamp(_)),
            knows_placeholder: connector.unavailable_placeholder.is_some(),
            field,
            contradiction: None,
            plain: Plain::of(column.kind, field.nulls),
        }
        .judged()
    }

    /// The same column; opaque where its representation is none that its kind has.
    fn judged(self) -> Self {
        match field_schema::contradiction(self.kind, self.field.encoding) {
            Some(drift) if self.kind != ColumnKind::Opaque => Self {
                kind: ColumnKind::Opaque,
                contradiction: Some(drift),
                plain: Plain::of(ColumnKind::Opaque, self.field.nulls),
                ..self
            },
            _ => self,
        }
    }

    /// A column of a record without a schema.
    pub(crate) fn undeclared(slot: ColumnSlot, shape: &TableShape) -> Option<Self> {
        let column = shape.columns.get(usize::from(slot.0))?;
        let connector = &*shape.connector;
        let field = FieldSchema::undeclared(column, connector);
        Some(Self::of(slot, column, connector, field))
    }

    /// The same column, read in the representation that `value` has; NULL has none of its own.
    pub(crate) fn read_as(self, value: Scalar<'_>, encoding: Encoding) -> Self {
        if value == Scalar::Null {
            return self;
        }
        let nulls = self.field.nulls;
        Self {
            field: FieldSchema { encoding, nulls },
            ..self
        }
        .judged()
    }

    fn drift(&self, what: Drift) -> ColumnDrift {
        ColumnDrift {
            slot: self.slot,
            what,
        }
    }
}

/// Sets a column of `image` from a record's value.
pub(crate) fn set(image: &mut Image, column: &BoundColumn, value: Scalar<'_>) {
    let BoundColumn { slot, plain, .. } = column;
    match value {
        Scalar::Integer(number) if plain.has_number(number) => {
            image.set_text(*slot, itoa::Buffer::new().format(number));
        }
        Scalar::Number(digits) if plain.has_digits(digits) => image.set_text(*slot, digits),
        Scalar::Text(text) if plain.has_text(text) => image.set_text(*slot, text),
        _ => return judge(image, column, value),
    }
    if column.field.nulls == Nulls::Doubtful {
        image.doubt(*slot);
    }
}

/// The same for any value.
#[inline(never)]
fn judge(image: &mut Image, column: &BoundColumn, value: Scalar<'_>) {
    // Known also for NULL: an opaque column is always unknown.
    if column.kind == ColumnKind::Opaque || (is_unavailable(value) && !Promise::P15.is_broken()) {
        image.set_unknown(column.slot);
        if let Some(what) = column.contradiction {
            image.note_drift(column.drift(what));
        }
        return;
    }
    if value == Scalar::Null {
        set_null(image, column);
        return;
    }
    let mut verdict = Verdict::UNKNOWN;
    let mut is_default = false;
    image.write(column.slot, |out| {
        let start = out.len();
        verdict = push(out, column, value);
        if let Nulls::Default(default) = column.field.nulls {
            is_default = field_schema::hash(out.get(start..).unwrap_or_default()) == default;
        }
    });
    if let Some(what) = verdict.drift {
        image.note_drift(column.drift(what));
    }
    if !verdict.certain || is_default || column.field.nulls == Nulls::Any {
        image.set_unknown(column.slot);
    } else if column.field.nulls == Nulls::Doubtful {
        image.doubt(column.slot);
    }
}

fn set_null(image: &mut Image, column: &BoundColumn) {
    if !column.nullable {
        image.set_unknown(column.slot);
        image.note_drift(column.drift(Drift::Null));
    } else if column.null_hides || may_be_nanos(column) {
        // Nanoseconds in 64 bits do not reach every moment: Debezium writes NULL for the others.
        image.set_unknown(column.slot);
    } else {
        image.set_null(column.slot);
    }
}

fn may_be_nanos(column: &BoundColumn) -> bool {
    match column.field.encoding {
        Encoding::EpochNanos => true,
        Encoding::Undeclared => column.unit_unknown,
        _ => false,
    }
}

fn is_unavailable(value: Scalar<'_>) -> bool {
    match value {
        Scalar::Text(text) => text == UNAVAILABLE || text == UNAVAILABLE_BASE64,
        Scalar::Bytes(bytes) => bytes == UNAVAILABLE.as_bytes(),
        _ => false,
    }
}

/// Whether a text is shaped like the placeholder of a connector with another setting.
fn looks_unavailable(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("__") else {
        return false;
    };
    let word = b"unavailable";
    let mut windows = rest.as_bytes().windows(word.len());
    (rest.len() > 2 && rest.ends_with("__")) || windows.any(|it| it.eq_ignore_ascii_case(word))
}

/// Appends the text. When it is not certain, what was appended is of no use.
pub(crate) fn push(out: &mut String, column: &BoundColumn, value: Scalar<'_>) -> Verdict {
    let encoding = column.field.encoding;
    match column.kind {
        ColumnKind::Integer(whole) => number::push_integer(out, whole, encoding, value),
        ColumnKind::Year => push_year(out, value).into(),
        ColumnKind::Text(chars) => match value {
            Scalar::Text(text) if column.knows_placeholder || !looks_unavailable(text) => {
                out.push_str(text);
                judge_text(text, chars)
            }
            _ => Verdict::UNKNOWN,
        },
        ColumnKind::Uuid => push_uuid(out, value).into(),
        ColumnKind::Bool => push_bool(out, value).into(),
        ColumnKind::Decimal { scale } => number::push_decimal(out, encoding, scale, value),
        ColumnKind::Date { zero_dates } => {
            moment::push_date(out, encoding, zero_dates, value).into()
        }
        ColumnKind::Timestamp(moment) => moment::push_local(out, encoding, moment, value),
        ColumnKind::TimestampTz(moment) => moment::push_zoned(out, encoding, moment, value),
        ColumnKind::Opaque => Verdict::UNKNOWN,
    }
}

/// `year` holds 0 and 1901 to 2155, and prints 0 as `0000`.
fn push_year(out: &mut String, value: Scalar<'_>) -> bool {
    match value.as_i64() {
        Some(0) => out.push_str("0000"),
        Some(year @ 1901..=2155) => out.push_str(itoa::Buffer::new().format(year)),
        _ => return false,
    }
    true
}

/// Whether a text is one that the column prints.
fn judge_text(text: &str, chars: Chars) -> Verdict {
    let max = chars.max as usize;
    // Bytes that were no text in the character set that the connector took them for.
    if !text.is_ascii() && text.contains(char::REPLACEMENT_CHARACTER) {
        return Verdict::UNKNOWN;
    }
    match chars.blanks {
        Blanks::Padded if text.chars().count() != max => Verdict::contradicted(Drift::Range),
        // The server prints them only in a mode that readers need not share.
        Blanks::Cut if text.ends_with(' ') => Verdict::UNKNOWN,
        // Bytes are quick to count, and no fewer than characters.
        _ if max > 0 && text.len() > max && text.chars().count() > max => {
            Verdict::CERTAIN.but(Some(Drift::Range))
        }
        _ => Verdict::CERTAIN,
    }
}

fn push_uuid(out: &mut String, value: Scalar<'_>) -> bool {
    let Scalar::Text(text) = value else {
        return false;
    };
    let well_formed = text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        });
    if well_formed {
        out.extend(text.chars().map(|digit| digit.to_ascii_lowercase()));
    }
    well_formed
}

/// MySQL has no boolean of its own: `tinyint(1)` comes as 0 or 1.
fn push_bool(out: &mut String, value: Scalar<'_>) -> bool {
    let truth = match value {
        Scalar::Bool(truth) => truth,
        _ => match value.as_i64() {
            Some(0) => false,
            Some(1) => true,
            _ => return false,
        },
    };
    out.push_str(if truth { "true" } else { "false" });
    true
}

#[cfg(test)]
mod tests;
