//! A seeded simulation: the pipeline's own stages between memory ports, in one thread, under virtual time, with faults
//! from a seed. An oracle knows every change and checks that nothing is lost. The same seed plays the same.

mod cache;
mod changes;
mod faults;
mod log;
mod oracle;
mod outbox;
mod rules;
mod scenario;
mod source;
mod world;

pub use faults::{Fault, Schedule};
pub use scenario::{Scenario, Summary, Violation};

/// Plays a scenario to its end.
///
/// # Errors
/// The first promise that was broken.
pub fn play(scenario: &Scenario) -> Result<Summary, Violation> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .map_err(|error| Violation {
            seed: scenario.seed,
            what: format!("the runtime could not be started: {error}"),
        })?;
    runtime.block_on(world::play(scenario))
}
