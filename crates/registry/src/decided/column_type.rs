//! A column's type in its database's words → the kind that the decoder renders by. What is not listed here has no certain
//! text.

use freshet_core::connector::{Connector, DecimalMode, TimePrecision, ZeroDates};
use freshet_core::table::{Blanks, Chars, ColumnKind, Moment, Whole};

use crate::written::source::{EngineName, SourceColumn, TextForm};

/// Digits of fraction that a moment has at most.
const DIGITS_MAX: u8 = 6;

/// A declared type cut into its parts, in lower case except for what the parentheses hold.
struct Declared<'a> {
    /// The first word.
    base: String,
    /// What the parentheses hold.
    inside: Option<&'a str>,
    /// The other words.
    rest: String,
}

impl<'a> Declared<'a> {
    fn of(text: &'a str) -> Self {
        let text = text.trim();
        let cut = text
            .split_once('(')
            .and_then(|(head, rest)| Some((head, rest.rsplit_once(')')?)));
        let (head, inside, tail) = match cut {
            Some((head, (inside, tail))) => (head, Some(inside), tail),
            None => (text, None, ""),
        };
        let (base, between) = head.trim().split_once(' ').unwrap_or((head.trim(), ""));
        Self {
            base: base.to_ascii_lowercase(),
            inside,
            rest: format!("{between} {tail}").trim().to_ascii_lowercase(),
        }
    }

    fn has(&self, word: &str) -> bool {
        self.rest.split(' ').any(|it| it == word)
    }

    /// The number in the parentheses. `Err` when they hold something else.
    fn number(&self) -> Result<Option<u32>, ()> {
        let Some(inside) = self.inside else {
            return Ok(None);
        };
        inside.trim().parse().map(Some).map_err(drop)
    }
}

/// How a column's value becomes text. A type without one certain text is opaque.
pub fn column_kind(engine: EngineName, connector: &Connector, column: &SourceColumn) -> ColumnKind {
    let declared = Declared::of(&column.kind);
    if declared.rest.ends_with("[]") || declared.base.ends_with("[]") {
        return ColumnKind::Opaque;
    }
    let kind = match engine {
        EngineName::Postgres => postgres(&declared, connector),
        EngineName::Mysql | EngineName::Mariadb if is_tinyint_one(engine, &column.kind) => {
            return match column.text {
                Some(TextForm::Integer) => integer(8, &declared),
                Some(TextForm::Boolean) => Some(ColumnKind::Bool),
                None => None,
            }
            .unwrap_or(ColumnKind::Opaque);
        }
        EngineName::Mysql => mysql(&declared, connector),
        EngineName::Mariadb if declared.base == "uuid" => Some(ColumnKind::Uuid),
        EngineName::Mariadb => mysql(&declared, connector),
    };
    // Readers of other types have one form, which is not for a file to choose.
    let kind = kind.filter(|_| column.text.is_none());
    kind.unwrap_or(ColumnKind::Opaque)
}

/// Whether the log may hold NULL for a column that has another value.
pub(crate) fn null_hides(engine: EngineName, connector: &Connector, kind: ColumnKind) -> bool {
    match kind {
        // Debezium writes NaN as NULL, except as text.
        ColumnKind::Decimal { .. } => {
            engine == EngineName::Postgres && connector.decimal != Some(DecimalMode::String)
        }
        // And a zero date.
        ColumnKind::Date { zero_dates } => zero_dates,
        // And what nanoseconds in 64 bits do not reach.
        ColumnKind::Timestamp(moment) | ColumnKind::TimestampTz(moment) => {
            moment.zero_dates || connector.time_precision == Some(TimePrecision::Nanoseconds)
        }
        _ => false,
    }
}

/// Whether the type is MySQL's `tinyint(1)`, which the server prints as a number and many clients as a boolean.
pub fn is_tinyint_one(engine: EngineName, kind: &str) -> bool {
    let declared = Declared::of(kind);
    let one = match declared.base.as_str() {
        "tinyint" => declared.number() == Ok(Some(1)) && !declared.has("zerofill"),
        "bool" | "boolean" => true,
        _ => false,
    };
    one && engine != EngineName::Postgres
}

/// The values of a MySQL enum; none when it lists none.
pub fn enum_values(engine: EngineName, kind: &str) -> Option<Vec<Box<str>>> {
    let declared = Declared::of(kind);
    let listed = engine != EngineName::Postgres && declared.base == "enum";
    let mut rest = declared.inside.filter(|_| listed)?.trim();
    let mut values = Vec::new();
    loop {
        rest = rest.strip_prefix('\'')?;
        let mut value = String::new();
        loop {
            let (part, after) = rest.split_once('\'')?;
            value.push_str(part);
            rest = after;
            // A quote in a value is written twice.
            match rest.strip_prefix('\'') {
                Some(after) => {
                    value.push('\'');
                    rest = after;
                }
                None => break,
            }
        }
        values.push(value.into_boxed_str());
        rest = rest.trim_start();
        if rest.is_empty() {
            return Some(values);
        }
        rest = rest.strip_prefix(',')?.trim_start();
    }
}

fn postgres(declared: &Declared<'_>, connector: &Connector) -> Option<ColumnKind> {
    let text = |max, blanks| Some(ColumnKind::Text(Chars { max, blanks }));
    let length = declared.number();
    match declared.base.as_str() {
        "smallint" | "int2" | "smallserial" => integer(16, declared),
        "integer" | "int" | "int4" | "serial" => integer(32, declared),
        "bigint" | "int8" | "bigserial" => integer(64, declared),
        // `name` arrives as NULL from the log, whatever it holds.
        "text" | "citext" | "enum" => text(0, Blanks::Kept),
        // They arrive as the server's own output has them.
        "inet" | "cidr" | "macaddr" | "macaddr8" => text(0, Blanks::Kept),
        "varchar" => text(length.ok()?.unwrap_or(0), Blanks::Kept),
        "character" | "char" if declared.has("varying") => {
            text(length.ok()?.unwrap_or(0), Blanks::Kept)
        }
        "character" | "char" => text(length.ok()?.unwrap_or(1), Blanks::Padded),
        // Without a length it is not filled up.
        "bpchar" => match length.ok()? {
            Some(length) => text(length, Blanks::Padded),
            None => text(0, Blanks::Kept),
        },
        "uuid" => Some(ColumnKind::Uuid),
        "bool" | "boolean" => Some(ColumnKind::Bool),
        "numeric" | "decimal" => decimal(declared, None),
        "date" => Some(ColumnKind::DATE),
        "timestamptz" => Some(ColumnKind::TimestampTz(Moment {
            shows_zone: true,
            ..moment(declared, connector, DIGITS_MAX)?
        })),
        "timestamp" if declared.rest.contains("with time zone") => {
            Some(ColumnKind::TimestampTz(Moment {
                shows_zone: true,
                ..moment(declared, connector, DIGITS_MAX)?
            }))
        }
        "timestamp" => moment(declared, connector, DIGITS_MAX).map(ColumnKind::Timestamp),
        _ => None,
    }
}

fn mysql(declared: &Declared<'_>, connector: &Connector) -> Option<ColumnKind> {
    let text = |max, blanks| Some(ColumnKind::Text(Chars { max, blanks }));
    let zero_dates = connector.zero_dates != Some(ZeroDates::Never);
    let prints_all = |moment| Moment {
        prints_all: true,
        zero_dates,
        ..moment
    };
    match declared.base.as_str() {
        "tinyint" => integer(8, declared),
        "smallint" => integer(16, declared),
        "mediumint" => integer(24, declared),
        "int" | "integer" => integer(32, declared),
        "bigint" => integer(64, declared),
        "year" => matches!(declared.number(), Ok(None | Some(4))).then_some(ColumnKind::Year),
        "tinytext" | "text" | "mediumtext" | "longtext" | "enum" | "set" => text(0, Blanks::Kept),
        "varchar" => text(declared.number().ok()?.unwrap_or(0), Blanks::Kept),
        "char" => text(declared.number().ok()?.unwrap_or(1), Blanks::Cut),
        "numeric" | "decimal" => decimal(declared, Some(0)),
        "date" => Some(ColumnKind::Date { zero_dates }),
        "datetime" => {
            moment(declared, connector, 0).map(|it| ColumnKind::Timestamp(prints_all(it)))
        }
        "timestamp" => {
            moment(declared, connector, 0).map(|it| ColumnKind::TimestampTz(prints_all(it)))
        }
        _ => None,
    }
}

fn integer(bits: u8, declared: &Declared<'_>) -> Option<ColumnKind> {
    let width = declared.number().ok()?;
    let zerofill = match declared.has("zerofill") {
        // How wide it is printed is not known without a width.
        true => u8::try_from(width?).ok()?,
        false => 0,
    };
    Some(ColumnKind::Integer(Whole {
        bits,
        unsigned: declared.has("unsigned") || zerofill > 0,
        zerofill,
    }))
}

/// `bare` is the scale of a type without parentheses.
fn decimal(declared: &Declared<'_>, bare: Option<u8>) -> Option<ColumnKind> {
    // Filled with zeros it prints otherwise than its number.
    if declared.has("zerofill") {
        return None;
    }
    let scale = match declared.inside.map(|inside| inside.split_once(',')) {
        None => bare,
        // `numeric(10)` has no digits after the point.
        Some(None) => Some(0),
        // A negative scale of Postgres does not parse: what the log holds then is not certain.
        Some(Some((_, scale))) => Some(scale.trim().parse().ok()?),
    };
    Some(ColumnKind::Decimal { scale })
}

/// `bare` is the number of digits of a type without parentheses.
fn moment(declared: &Declared<'_>, connector: &Connector, bare: u8) -> Option<Moment> {
    let digits = match declared.number().ok()? {
        None => bare,
        Some(digits) => u8::try_from(digits).ok().filter(|it| *it <= DIGITS_MAX)?,
    };
    Some(Moment {
        digits,
        prints_all: false,
        shows_zone: false,
        zero_dates: false,
        always_micros: matches!(
            connector.time_precision,
            Some(TimePrecision::Microseconds | TimePrecision::Nanoseconds)
        ),
    })
}
