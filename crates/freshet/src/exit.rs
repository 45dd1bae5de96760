//! Exit codes. They are part of the interface: scripts and supervisors act on them.

use std::process::ExitCode;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Success, or stopped as requested.
    Clean,
    /// A failure while running; a restart may help.
    Failed,
    /// The flags, the config or the registry are wrong; a restart does not help.
    BadInput,
}

/// The table of codes as `--help` shows it.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0  success, or stopped as requested
  1  failure while running; a restart may help
  2  wrong flags, config or registry; a restart does not help";

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Clean => Self::from(0),
            Exit::Failed => Self::from(1),
            Exit::BadInput => Self::from(2),
        }
    }
}
