//! Decodes records from memory, so often as told: run under callgrind, the difference of two runs is what so many
//! records cost in instructions, without the cost of starting.

use clap::Parser;
use freshet_bench::case::Form;
use freshet_bench::decode::Probe;

const RECORDS: u32 = 500;

/// Decode and resolve from memory.
#[derive(Debug, Parser)]
struct Args {
    /// json, schema or avro
    #[arg(long)]
    form: Form,
    /// How often the 500 records are decoded
    #[arg(long, default_value_t = 1)]
    passes: u32,
    /// Resolve to names too
    #[arg(long)]
    resolve: bool,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let mut probe = Probe::new(args.form, &["product", "card"], RECORDS)?;
    for _ in 0..args.passes {
        std::hint::black_box(probe.pass(args.resolve)?);
    }
    Ok(())
}
