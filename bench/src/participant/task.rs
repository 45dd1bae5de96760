//! What a participant is given to do.

use std::process::Command;

use crate::bed::Bed;
use crate::load::Load;

/// What a participant is to do.
#[derive(Debug, Clone, Copy)]
pub struct Task<'a> {
    /// Broker, schema registry and folders.
    pub bed: &'a Bed,
    /// The run's own name.
    pub run: &'a str,
    /// `host:port` of Redis, or of a proxy before it.
    pub redis: &'a str,
    /// The topic and its form.
    pub load: &'a Load,
    /// The families on the topic's table.
    pub families: &'a [&'a str],
}

/// `setpriv` makes the kernel kill the program when the bench ends for whatever reason.
pub(super) fn end_with_us(command: &mut Command) -> &mut Command {
    command.args(["--pdeathsig", "KILL", "--"])
}
