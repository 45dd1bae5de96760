//! The registry: family and source files → a compiled [`Registry`](freshet_core::registry::Registry), in three steps.
//! What the files say is [`written`], what that means is [`decided`], and what has no fault is compiled.
//!
//! Everything that is wrong is told at once, with file, line, column, the text and what to do. What cannot be
//! compiled never takes over (promise P9).

pub mod at;
pub mod beacon;
mod compile;
pub mod decided;
pub mod diagnostics;
pub mod duration;
pub mod files;
mod folder;
mod load;
pub mod names;
mod rules;
pub mod written;
pub mod yaml;

pub use load::{Loaded, load, load_files, load_files_on, load_on};
pub use rules::example::ExampleReport;
