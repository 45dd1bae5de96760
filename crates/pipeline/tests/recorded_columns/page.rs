//! The page for people: which column is certain in which representation, as the recordings show.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::reading::{Reading, Tallies, read};
use crate::recorded::{Recorded, Variant};

const HEAD: &str = "# Which columns have a certain text

A name holds a value only where the log tells for certain what the database itself would print. Everything else is unknown, and its purge
is widened. This page is made from records that real servers (Postgres 15, MariaDB 10.11) and Debezium wrote, beside what the same server
prints (`schemas/fixtures/types`); a test keeps it true. MySQL itself was not at hand: its rows are read by the rules of MariaDB.

*certain*: each recorded value is rendered, as printed. *partly*: some are, and the others are unknown (infinity, zero dates, moments that the
representation does not reach, NULL that may stand for a value, a value that may be a default). *never*: no value is rendered.

Each setting of the connector is named with the forms that were seen: `schema` is JSON with its schema, and `Avro` is that; both need no
settings in the source file. `stated` is JSON without a schema whose source file has a `connector` block. `silent` is JSON without both:
numbers of moments are believed from 1990 to 2099 alone, where another unit would mean the first weeks of 1970 or a year after 21 900.
";

const REASONS: &str = "
## Why a type has no certain text

| type | reason |
|---|---|
| `bit(n)`, `bit varying` | It arrives as bytes without its length: the empty string and `0` of `bit varying` both arrive as no bytes. MariaDB prints the bytes themselves, which are no text |
| `bytea`, `binary`, `varbinary`, blobs | MariaDB prints the bytes themselves. Postgres prints hexadecimal digits or escapes, as the session's `bytea_output` says |
| `real`, `double precision`, `float`, `double` | How many digits are printed depends on the session (`extra_float_digits`) and the server: MariaDB prints `123457` where `123456.79` arrives |
| `interval` | A month arrives as 30.4375 days, so that different intervals arrive alike, and the session's `IntervalStyle` says how one is printed |
| `time with time zone` | It arrives in UTC, without its zone: `00:00:00+02` and `24:00:00+02` both arrive as `22:00:00Z` |
| `time` | Its number has another unit in each `time.precision.mode`, and MariaDB's times below zero and over a day arrive as NULL in some. It is not rendered |
| `money` | The server's `lc_monetary` says how it is printed |
| `name` | It arrives as NULL from the log, whatever it holds |
| `json`, `jsonb`, `hstore`, arrays, ranges, `xml`, `tsvector`, geometry | The printed form is that of a structure. No entry should be named by it |
| decimals with `zerofill` | They print zeros in front that the log does not have |
";

/// The whole page.
pub(crate) fn page() -> String {
    let mut out = HEAD.to_owned();
    for (engine, name) in [("postgres", "Postgres"), ("mariadb", "MariaDB")] {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "\n## {name}");
        let recorded = Recorded::of(engine);
        let mut types: BTreeMap<String, Seen> = BTreeMap::new();
        for (name, variant) in &recorded.variants {
            for reading in readings(variant) {
                let (tallies, _) = read(&recorded, name, reading);
                note(&mut types, &tallies, variant, reading);
            }
        }
        let _ = writeln!(
            out,
            "\n| type | arrives, prints | certain | partly | never |\n|---|---|---|---|---|"
        );
        for (declared, seen) in &types {
            let _ = writeln!(out, "{}", row(declared, seen));
        }
    }
    out + REASONS
}

/// How a recording can be read.
fn readings(variant: &Variant) -> Vec<Reading> {
    match variant.form.as_str() {
        "json" => vec![Reading::Stated, Reading::Silent],
        "avro" => vec![Reading::Whole],
        _ => vec![Reading::Whole, Reading::Stated, Reading::Silent],
    }
}

/// What came of one type.
#[derive(Default)]
struct Seen {
    /// By the name of the settings, and the form.
    counts: BTreeMap<(String, &'static str), Counts>,
    example: Option<(String, String)>,
}

#[derive(Default)]
struct Counts {
    certain: usize,
    others: usize,
}

fn note(
    types: &mut BTreeMap<String, Seen>,
    tallies: &Tallies,
    variant: &Variant,
    reading: Reading,
) {
    let how = match (reading, variant.form.as_str()) {
        (Reading::Whole, "avro") => "Avro",
        (Reading::Whole, _) => "schema",
        (Reading::Stated | Reading::Both, _) => "stated",
        (Reading::Silent, _) => "silent",
    };
    for (declared, tally) in tallies {
        let seen = types.entry(declared.clone()).or_default();
        let counts = seen.counts.entry((variant.name.clone(), how)).or_default();
        counts.certain += tally.certain;
        counts.others += tally.doubtful + tally.unknown;
        // Avro does not show how a value arrives.
        if seen
            .example
            .as_ref()
            .is_none_or(|(arrives, _)| arrives.is_empty())
        {
            seen.example.clone_from(&tally.example);
        }
    }
}

fn row(declared: &str, seen: &Seen) -> String {
    let places = |wanted: fn(&Counts) -> bool| {
        let mut forms: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        let wanted = seen.counts.iter().filter(|(_, counts)| wanted(counts));
        for ((name, how), _) in wanted {
            forms.entry(name).or_default().push(how);
        }
        if forms.values().map(Vec::len).sum::<usize>() == seen.counts.len() {
            return "everywhere".to_owned();
        }
        let each = forms
            .iter()
            .map(|(name, forms)| format!("{name} ({})", forms.join(", ")));
        each.collect::<Vec<_>>().join("; ")
    };
    let example = seen.example.as_ref();
    let example = example.map_or_else(String::new, |(arrives, prints)| {
        format!("{} → {}", code(arrives), code(prints))
    });
    format!(
        "| {} | {example} | {} | {} | {} |",
        code(declared),
        places(|counts| counts.certain > 0 && counts.others == 0),
        places(|counts| counts.certain > 0 && counts.others > 0),
        places(|counts| counts.certain == 0),
    )
}

/// As code in a cell of a table, cut where it is long.
fn code(text: &str) -> String {
    let mut short: String = text.chars().take(40).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    let short = short
        .replace('|', "\\|")
        .replace('`', "'")
        .replace('\n', " ");
    match short.trim().is_empty() {
        true => String::new(),
        false => format!("`{short}`"),
    }
}
