//! The pipeline's promises on memory ports, with the real stages between them.

mod backlog;
mod poison;
mod rounds;
mod schemas;
mod settled;
mod silence;
#[path = "../support/mod.rs"]
mod support;
mod withheld;
mod world;
