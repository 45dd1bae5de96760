//! Why a command did nothing, or only a part.

use freshet_core::ports::{OutboxError, ScanError};
use freshet_wire::DeadLetterResolution;

use crate::letter::LetterId;

/// Why a command did nothing, or only a part. Contains no row data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeskError {
    /// There is no topic of letters.
    #[error("there is no topic {0}")]
    NoTopic(String),
    /// A topic could not be read.
    #[error(transparent)]
    Scan(ScanError),
    /// An id of no letter.
    #[error("there is no letter {0}")]
    NoSuchLetter(LetterId),
    /// The letter is closed already.
    #[error("letter {id} is closed")]
    Closed {
        /// The letter.
        id: LetterId,
        /// Actor, time and reason.
        resolution: Box<DeadLetterResolution>,
    },
    /// Purges could not be appended.
    #[error(
        "{0}; no letter was closed; purges that were appended are executed, and it is safe to retry"
    )]
    Purges(OutboxError),
    /// The purges were appended, a record of the audit trail was not.
    #[error("{0}; the purges were appended, but not every letter was closed; it is safe to retry")]
    Trail(OutboxError),
}
