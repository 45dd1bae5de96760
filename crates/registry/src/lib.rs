//! The registry: family and source files → a compiled [`Registry`](freshet_core::registry::Registry).
//!
//! Everything that is wrong is told at once, with file, line, column, the text and what to do. What cannot be
//! compiled never takes over (promise P9).

pub mod canary;
mod compile;
mod day;
pub mod diagnostics;
pub mod duration;
mod examples;
mod family_file;
pub mod files;
mod folder;
mod limits;
mod load;
pub mod names;
mod overlap;
mod rules;
pub mod source_file;
mod sources;
mod template_text;
pub mod yaml;

pub use examples::ExampleReport;
pub use load::{Loaded, load, load_files, load_files_on, load_on};
