//! The program. What it does is in the library beside it, where other programs can reach what they need.

use std::process::ExitCode;

fn main() -> ExitCode {
    freshet::main()
}
