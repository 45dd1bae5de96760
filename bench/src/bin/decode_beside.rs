//! `make bench-decode`: decoding alone, beside the usual libraries.

use clap::Parser;
use freshet_bench::beside;
use freshet_bench::case::Form;

/// Decoding alone, beside the usual libraries.
#[derive(Debug, Parser)]
struct Args {
    /// Rounds that count
    #[arg(long, default_value_t = 7)]
    rounds: u32,
}

#[allow(clippy::print_stdout)] // the program's answer
fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    println!(
        "{:<8} {:<24} {:>10} {:>18} {:>8}",
        "form", "decoder", "ns/record", "(min – max)", "ratio"
    );
    for form in Form::ALL {
        let all = beside::measure(form, args.rounds)?;
        let own = all.first().map_or(f64::NAN, |it| it.nanos.median);
        for it in &all {
            println!(
                "{:<8} {:<24} {:>10.0} {:>18} {:>7.1}x",
                form.name(),
                it.name,
                it.nanos.median,
                format!("({:.0} – {:.0})", it.nanos.min, it.nanos.max),
                it.nanos.median / own
            );
        }
    }
    Ok(())
}
