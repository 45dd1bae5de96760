//! `freshet dlq`: lists, shows, retries and closes dead letters. The crate `desk` does the work; here are
//! arguments, answers and exit codes.

mod render;

use std::io::Write;
use std::sync::Arc;

use freshet_core::position::WallMicros;
use freshet_desk::{DeskError, LetterId, Letters, Plan, Retry, Signature, discard};
use freshet_kafka::{HttpWriterSchemas, KafkaClientError, KafkaOutbox, KafkaTopicScan};
use freshet_pipeline::clock::Clock;

use crate::cli::dlq::{
    Closing, DiscardArgs, DlqCommand, ListArgs, OutputForm, Reach, RetryArgs, ShowArgs,
};
use crate::config::{self, Config};
use crate::exit::Exit;
use crate::rules;
use render::Account;

/// Runs one of the commands.
pub(crate) fn run(command: &DlqCommand) -> Exit {
    let outcome = match command {
        DlqCommand::List(args) => list(args),
        DlqCommand::Show(args) => show(args),
        DlqCommand::Retry(args) => retry(args),
        DlqCommand::Discard(args) => discard_letters(args),
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
    #[error("{}", .0.trim_end())]
    BadInput(String),
    /// There is no client of Kafka.
    #[error(transparent)]
    Client(#[from] KafkaClientError),
    /// The desk's.
    #[error("{}", render::fault(.0))]
    Desk(#[from] DeskError),
    /// The runtime could not be started.
    #[error("the runtime could not be started: {0}")]
    Runtime(std::io::Error),
}

impl DlqError {
    fn exit(&self) -> Exit {
        match self {
            Self::BadInput(_)
            | Self::Client(KafkaClientError::Refused(_))
            | Self::Desk(DeskError::NoSuchLetter(_) | DeskError::Closed { .. }) => Exit::BadInput,
            Self::Client(KafkaClientError::NoThread(_))
            | Self::Desk(
                DeskError::NoTopic(_)
                | DeskError::Scan(_)
                | DeskError::Purges(_)
                | DeskError::Trail(_),
            )
            | Self::Runtime(_) => Exit::Failed,
        }
    }
}

/// What every command works with.
struct Opened {
    config: Config,
    scan: KafkaTopicScan,
    now: WallMicros,
}

impl Opened {
    fn at(reach: &Reach) -> Result<Self, DlqError> {
        let config = config::load(&reach.config);
        let config = config.map_err(|refused| DlqError::BadInput(refused.faults.render()))?;
        Ok(Self {
            scan: KafkaTopicScan::connect(&config.kafka, reach.timeout)?,
            config,
            now: Clock::system().wall(),
        })
    }

    /// The letters, with what `whole` keeps of its record. Reports records that are none.
    fn letters(&self, whole: Option<LetterId>) -> Result<Letters, DlqError> {
        let topic = &self.config.outbox.dead_letters;
        let letters = Letters::read(&self.scan, topic, whole)?;
        if letters.unreadable() > 0 {
            eprintln!(
                "freshet: {} records of {topic} are not dead letters that this release can read",
                letters.unreadable()
            );
        }
        Ok(letters)
    }

    /// Who closes letters now, and why.
    fn signature(&self, closing: &Closing) -> Signature {
        Signature {
            actor: actor(),
            because: closing.because.clone(),
            at: self.now,
        }
    }
}

fn list(args: &ListArgs) -> Result<Exit, DlqError> {
    let opened = Opened::at(&args.reach)?;
    let letters = opened.letters(None)?;
    let found = letters.matching(&args.filter.at(opened.now), args.all);
    let shown = found.get(..args.limit).unwrap_or(&found);
    answer(&match args.reach.output {
        OutputForm::Text => render::list(shown, found.len()),
        OutputForm::Json => render::list_json(shown),
    });
    Ok(Exit::Clean)
}

fn show(args: &ShowArgs) -> Result<Exit, DlqError> {
    let letters = Opened::at(&args.reach)?.letters(Some(args.id))?;
    let letter = letters.get(args.id)?;
    answer(&match args.reach.output {
        OutputForm::Text => render::show(letter),
        OutputForm::Json => render::show_json(letter),
    });
    Ok(Exit::Clean)
}

fn retry(args: &RetryArgs) -> Result<Exit, DlqError> {
    let opened = Opened::at(&args.closing.reach)?;
    let loaded = rules::load(&opened.config).map_err(DlqError::BadInput)?;
    let schemas = opened.config.schema_registry.clone();
    let schemas = schemas.map(HttpWriterSchemas::new).transpose()?;
    let signature = opened.signature(&args.closing);
    let registry = Arc::new(loaded.registry);
    let retry = Retry {
        registry: &registry,
        topics: &opened.config.outbox,
        scan: &opened.scan,
        schemas: &schemas,
        limits: opened.config.limits.clone(),
        family_scope: args.family_scope,
    };
    let letters = opened.letters(None)?;
    let meant = letters.open(&args.closing.which(opened.now))?;
    let plan = retry.plan(&meant, &signature)?;
    let hint = match args.family_scope {
        true => "discard closes it",
        false => "--family-scope purges its families, discard closes it",
    };
    close(&opened, &args.closing, &plan, hint)
}

fn discard_letters(args: &DiscardArgs) -> Result<Exit, DlqError> {
    let opened = Opened::at(&args.closing.reach)?;
    let letters = opened.letters(None)?;
    let meant = letters.open(&args.closing.which(opened.now))?;
    close(&opened, &args.closing, &discard(&meant), "")
}

/// Carries the plan out, unless it is a dry run, and answers. A letter that stays open makes the exit code 1; `hint` says
/// what to do about it.
fn close(opened: &Opened, closing: &Closing, plan: &Plan, hint: &str) -> Result<Exit, DlqError> {
    let signature = opened.signature(closing);
    if !closing.dry_run && !plan.is_empty() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(DlqError::Runtime)?;
        let outbox = KafkaOutbox::connect(&opened.config.kafka)?;
        let topic = &opened.config.outbox.dead_letters;
        runtime.block_on(plan.carry_out(&signature, topic, &outbox))?;
    }
    let account = Account {
        closures: plan.closures(),
        signature: &signature,
        dry_run: closing.dry_run,
        hint,
    };
    answer(&match closing.reach.output {
        OutputForm::Text => account.text(),
        OutputForm::Json => account.json(),
    });
    let is_open = plan.closures().iter().any(|it| it.action.is_none());
    Ok(if is_open { Exit::Failed } else { Exit::Clean })
}

/// Who runs the command, as the operating system says.
fn actor() -> String {
    let unknown = |_| "unknown".to_owned();
    let user = whoami::username().unwrap_or_else(unknown);
    let host = whoami::hostname().unwrap_or_else(unknown);
    format!("{user}@{host}")
}

/// Writes the output. A closed pipe (`| head`) is not an error.
fn answer(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{}", text.trim_end());
}
