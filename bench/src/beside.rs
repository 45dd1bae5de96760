//! Decoding alone, Freshet beside the usual libraries, on the same records in memory.

use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use serde::Deserialize;
use serde_json::Value;

use crate::case::Form;
use crate::decode::{IDS, Probe};
use crate::figures::Spread;
use crate::forms::{Events, Record, writer_schemas};
use crate::usage::{micros_each, thread_cpu};

const RECORDS: u32 = 20_000;
const ROUND: Duration = Duration::from_millis(400);

/// What one decoder needs for a record, nanoseconds of processor time.
#[derive(Debug)]
pub struct Decoding {
    /// The decoder.
    pub name: &'static str,
    /// Of all rounds.
    pub nanos: Spread,
}

/// The least that an invalidation needs of a record, borrowed from its text.
#[derive(Debug, Deserialize)]
struct Needed<'a> {
    #[serde(borrow)]
    op: &'a str,
    before: Option<Row>,
    after: Option<Row>,
    #[serde(borrow)]
    source: Origin<'a>,
}

#[derive(Debug, Deserialize)]
struct Row {
    id: i64,
}

#[derive(Debug, Deserialize)]
struct Origin<'a> {
    ts_ms: u64,
    lsn: u64,
    #[serde(rename = "txId")]
    transaction: u64,
    table: &'a str,
}

#[derive(Debug, Deserialize)]
struct Wrapped<'a> {
    #[serde(borrow)]
    payload: Needed<'a>,
}

type Pass<'a> = Box<dyn FnMut() -> anyhow::Result<()> + 'a>;

/// Every decoder of a form in alternating rounds; Freshet is the first.
///
/// # Errors
/// When a decoder refuses a record.
pub fn measure(form: Form, rounds: u32) -> anyhow::Result<Vec<Decoding>> {
    let values = values(form)?;
    let (_, schema) = writer_schemas()?;
    let schema = Schema::parse_str(&schema).context("the writer schema")?;
    let mut probe = Probe::new(form, &["product"], RECORDS)?;
    let mut decoders: Vec<(&'static str, Pass<'_>)> =
        vec![("freshet", Box::new(move || probe.pass(false).map(drop)))];
    match form {
        Form::Avro => {
            decoders.push(("apache-avro", Box::new(|| datums(&schema, &values))));
            let each = || values.chunks(1).try_for_each(|it| datums(&schema, it));
            decoders.push(("apache-avro, each datum", Box::new(each)));
        }
        Form::Json => {
            decoders.push(("serde_json, borrowed", Box::new(|| borrowed(&values))));
            decoders.push(("serde_json::Value", Box::new(|| trees(&values))));
        }
        Form::JsonSchema => {
            decoders.push(("serde_json, borrowed", Box::new(|| wrapped(&values))));
            decoders.push(("serde_json::Value", Box::new(|| trees(&values))));
        }
    }
    let mut seen = vec![Vec::new(); decoders.len()];
    for round in 0..=rounds {
        for ((_, pass), seen) in decoders.iter_mut().zip(&mut seen) {
            let nanos = time(pass)?;
            // The first round warms up.
            if round > 0 {
                seen.push(nanos);
            }
        }
    }
    let names = decoders.iter().map(|(name, _)| *name);
    let spreads = seen.into_iter().map(|it| Spread::of(it.into_iter()));
    Ok(names
        .zip(spreads)
        .map(|(name, nanos)| Decoding { name, nanos })
        .collect())
}

fn time(pass: &mut Pass<'_>) -> anyhow::Result<f64> {
    let (began, mut passes, start) = (Instant::now(), 0, thread_cpu()?);
    while began.elapsed() < ROUND {
        pass()?;
        passes += 1;
    }
    let used = thread_cpu()? - start;
    Ok(micros_each(used, passes * u64::from(RECORDS)) * 1000.0)
}

fn values(form: Form) -> anyhow::Result<Vec<Vec<u8>>> {
    let events = Events::new(form, IDS)?;
    let values = (0..RECORDS).map(|row| {
        let mut record = Record::default();
        events.write(row, 1_795_000_000_000, &mut record);
        record.value
    });
    Ok(values.collect())
}

fn check(needed: &Needed<'_>) -> anyhow::Result<()> {
    let Some((before, after)) = needed.before.as_ref().zip(needed.after.as_ref()) else {
        bail!("both images are there");
    };
    black_box((before.id, after.id, needed.op, needed.source.table));
    black_box((
        needed.source.ts_ms,
        needed.source.lsn,
        needed.source.transaction,
    ));
    Ok(())
}

fn borrowed(values: &[Vec<u8>]) -> anyhow::Result<()> {
    values
        .iter()
        .try_for_each(|value| check(&serde_json::from_slice(value)?))
}

fn wrapped(values: &[Vec<u8>]) -> anyhow::Result<()> {
    values
        .iter()
        .try_for_each(|value| check(&serde_json::from_slice::<Wrapped<'_>>(value)?.payload))
}

fn trees(values: &[Vec<u8>]) -> anyhow::Result<()> {
    for value in values {
        let tree: Value = serde_json::from_slice(value)?;
        let payload = tree.get("payload").unwrap_or(&tree);
        black_box(payload["after"]["id"].as_i64().context("an id")?);
    }
    Ok(())
}

/// With one reader. For a single value it is what `from_avro_datum` does: the schema is resolved each time.
fn datums(schema: &Schema, values: &[Vec<u8>]) -> anyhow::Result<()> {
    let reader = GenericDatumReader::builder(schema).build()?;
    for value in values {
        let mut rest = value.get(5..).context("a framed record")?;
        black_box(reader.read_value(&mut rest)?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use apache_avro::Schema;

    use super::{borrowed, datums, trees, values, wrapped};
    use crate::case::Form;
    use crate::forms::writer_schemas;

    #[test]
    fn every_library_reads_what_it_is_measured_on() {
        let values = |form| values(form).expect("records");
        borrowed(&values(Form::Json)).expect("borrowed");
        trees(&values(Form::Json)).expect("a tree");
        wrapped(&values(Form::JsonSchema)).expect("borrowed");
        trees(&values(Form::JsonSchema)).expect("a tree");
        let schema = Schema::parse_str(&writer_schemas().expect("schemas").1).expect("a schema");
        datums(&schema, &values(Form::Avro)).expect("a datum");
    }
}
