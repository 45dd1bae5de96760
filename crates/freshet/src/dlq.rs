//! `freshet dlq`: what was put aside, for people to look into, try again and close.

mod advice;
mod args;
mod close;
mod discard;
mod letters;
mod list;
mod redo;
mod render;
mod retry;
mod show;

use std::io::Write;

use freshet_core::ports::OutboxError;
use freshet_core::position::WallMicros;
use freshet_core::registry::Registry;
use freshet_kafka::{KafkaClientError, ScanError, TopicScan};
use freshet_pipeline::clock::Clock;

use crate::config::{self, Config};
pub(crate) use crate::dlq::args::DlqCommand;
use crate::dlq::args::Reach;
use crate::dlq::letters::{LetterId, Letters};
use crate::exit::Exit;
use crate::run::check_targets;

/// Runs one of the commands.
pub(crate) fn run(command: &DlqCommand) -> Exit {
    let outcome = match command {
        DlqCommand::List(args) => list::list(args),
        DlqCommand::Show(args) => show::show(args),
        DlqCommand::Retry(args) => retry::retry(args),
        DlqCommand::Discard(args) => discard::discard(args),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("freshet: {error}");
        error.exit()
    })
}

/// Why a command did nothing, or stopped half way.
#[derive(Debug, thiserror::Error)]
enum DlqError {
    /// Config or registry.
    #[error("{0}")]
    BadInput(String),
    /// There is no client of Kafka.
    #[error(transparent)]
    Client(#[from] KafkaClientError),
    /// The dead-letter topic does not exist.
    #[error(
        "there is no topic {0}: `freshet run` creates it; is outbox.dead_letters of the config the right one?"
    )]
    NoTopic(String),
    /// Kafka could not be read.
    #[error(transparent)]
    Scan(ScanError),
    /// An id that is none.
    #[error("there is no letter {0}; `freshet dlq list --all` shows those there are")]
    NoSuchLetter(LetterId),
    /// A letter that somebody has closed.
    #[error("letter {id} is closed: {how}")]
    Closed {
        /// The letter.
        id: LetterId,
        /// By whom and why.
        how: String,
    },
    /// Something could not be appended.
    #[error("{error}; {then}")]
    Append {
        /// Why.
        error: OutboxError,
        /// What that means.
        then: &'static str,
    },
    /// The runtime could not be started.
    #[error("the runtime could not be started: {0}")]
    Runtime(std::io::Error),
}

impl DlqError {
    fn exit(&self) -> Exit {
        match self {
            Self::BadInput(_)
            | Self::Client(KafkaClientError::Refused(_))
            | Self::NoSuchLetter(_)
            | Self::Closed { .. } => Exit::BadInput,
            Self::Client(KafkaClientError::NoThread(_))
            | Self::NoTopic(_)
            | Self::Scan(_)
            | Self::Append { .. }
            | Self::Runtime(_) => Exit::Failed,
        }
    }
}

/// What every command works with.
struct Desk {
    config: Config,
    scan: TopicScan,
    now: WallMicros,
}

impl Desk {
    fn open(reach: &Reach) -> Result<Self, DlqError> {
        let config = config::load(&reach.config);
        let config = config.map_err(|refused| bad_input(&refused.faults.render()))?;
        Ok(Self {
            scan: TopicScan::connect(&config.kafka, reach.timeout)?,
            config,
            now: Clock::system().wall(),
        })
    }

    /// The letters, with what `whole` keeps of its record. Tells of records that are none.
    fn letters(&self, whole: Option<LetterId>) -> Result<Letters, DlqError> {
        let topic = &self.config.outbox.dead_letters;
        let letters = Letters::read(&self.scan, topic, whole).map_err(|error| match error {
            ScanError::NoTopic { topic, .. } => DlqError::NoTopic(topic),
            error => DlqError::Scan(error),
        })?;
        if letters.unreadable > 0 {
            eprintln!(
                "freshet: {} records of {topic} are no letters that this release can read",
                letters.unreadable
            );
        }
        Ok(letters)
    }

    /// The registry of the config, as `freshet run` would take it.
    fn registry(&self) -> Result<Registry, DlqError> {
        let loaded = freshet_registry::load(&self.config.registry);
        let loaded = loaded.map_err(|faults| bad_input(&faults.render()))?;
        let registry = config::add_canaries(&self.config.canaries, loaded.registry);
        let registry = registry.map_err(|faults| bad_input(&faults.render()))?;
        check_targets(&self.config, &registry).map_err(|missing| bad_input(&missing))?;
        Ok(registry)
    }
}

fn bad_input(faults: &str) -> DlqError {
    DlqError::BadInput(faults.trim_end().to_owned())
}

/// Writes an answer. Whoever stopped reading it (`| head`) has what they wanted.
fn answer(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{}", text.trim_end());
}
