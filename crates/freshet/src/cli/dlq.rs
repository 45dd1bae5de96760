//! The command line of `freshet dlq`.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand, ValueEnum};
use freshet_core::position::WallMicros;
use freshet_desk::{Filter, LetterId, Which};

/// `freshet dlq …`.
#[derive(Debug, Subcommand)]
pub(crate) enum DlqCommand {
    /// List dead letters, newest first; only open ones unless --all
    #[command(after_long_help = LIST_HELP)]
    List(ListArgs),
    /// Show everything about one dead letter, with advice for its reason
    #[command(after_long_help = SHOW_HELP)]
    Show(ShowArgs),
    /// Read the records of dead letters again and purge what they require
    #[command(after_long_help = RETRY_HELP)]
    Retry(RetryArgs),
    /// Close dead letters without a purge
    #[command(after_long_help = DISCARD_HELP)]
    Discard(DiscardArgs),
}

/// Where the letters are.
#[derive(Debug, Args)]
pub(crate) struct Reach {
    /// The config file of `freshet run`; docs/configuration.md describes every field
    #[arg(long, value_name = "FILE", default_value = "freshet.yaml")]
    pub(crate) config: PathBuf,
    /// Fail if the brokers do not answer within this time
    #[arg(long, value_name = "DURATION", default_value = "15s", value_parser = duration)]
    pub(crate) timeout: Duration,
    /// Output format
    #[arg(long, short, value_enum, value_name = "FORM", default_value = "text")]
    pub(crate) output: OutputForm,
}

/// Which letters.
#[derive(Debug, Args)]
pub(crate) struct FilterArgs {
    /// Only letters of this family
    #[arg(long, value_name = "FAMILY")]
    pub(crate) family: Option<String>,
    /// Only letters with this reason, such as bad_json
    #[arg(long, value_name = "REASON")]
    pub(crate) reason: Option<String>,
    /// Only letters about records of this topic
    #[arg(long, value_name = "TOPIC")]
    pub(crate) topic: Option<String>,
    /// Only letters that are not older than this: 30m, 2h, 7d
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) since: Option<Duration>,
}

impl FilterArgs {
    /// The same for the desk.
    pub(crate) fn at(&self, now: WallMicros) -> Filter {
        let since = self.since.map(|since| {
            let micros = u64::try_from(since.as_micros()).unwrap_or(u64::MAX);
            WallMicros(now.0.saturating_sub(micros))
        });
        Filter {
            family: self.family.clone(),
            reason: self.reason.clone(),
            topic: self.topic.clone(),
            since,
        }
    }
}

/// Form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputForm {
    /// For people.
    Text,
    /// One JSON document.
    Json,
}

/// `freshet dlq list`.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    pub(crate) reach: Reach,
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
    /// Maximum number of letters
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    pub(crate) limit: usize,
    /// Include closed letters
    #[arg(long)]
    pub(crate) all: bool,
}

/// `freshet dlq show`.
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// Id of the letter as shown by `list`: partition and offset, such as `0:12`
    #[arg(value_name = "ID")]
    pub(crate) id: LetterId,
    #[command(flatten)]
    pub(crate) reach: Reach,
}

/// Which letters to close and why, or only what that would do.
#[derive(Debug, Args)]
pub(crate) struct Closing {
    /// Ids of the letters as shown by `list`: partition and offset, such as `0:12`
    #[arg(
        value_name = "ID",
        required_unless_present_any = ["family", "reason", "topic"],
        conflicts_with_all = ["family", "reason", "topic", "since"],
    )]
    pub(crate) ids: Vec<LetterId>,
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
    /// Reason, for the audit trail
    #[arg(long, value_name = "TEXT", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) because: String,
    /// Show what would be done, without doing it
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) reach: Reach,
}

impl Closing {
    /// The letters that are meant.
    pub(crate) fn which(&self, now: WallMicros) -> Which {
        match self.ids.is_empty() {
            true => Which::Matching(self.filter.at(now)),
            false => Which::Ids(self.ids.clone()),
        }
    }
}

/// `freshet dlq retry`.
#[derive(Debug, Args)]
pub(crate) struct RetryArgs {
    #[command(flatten)]
    pub(crate) closing: Closing,
    /// Purge all entries of the families if a record is gone or still cannot be decoded
    #[arg(long)]
    pub(crate) family_scope: bool,
}

/// `freshet dlq discard`.
#[derive(Debug, Args)]
pub(crate) struct DiscardArgs {
    #[command(flatten)]
    pub(crate) closing: Closing,
}

fn duration(text: &str) -> Result<Duration, String> {
    freshet_registry::duration::parse(text)
        .filter(|it| !it.is_zero())
        .ok_or_else(|| "a whole number and a unit: 250ms, 2s, 5m, 24h, 28d".to_owned())
}

const LIST_HELP: &str = "\
Reads the dead-letter topic (outbox.dead_letters) up to its current end, without joining a group.
A letter is open until it is retried or discarded. All entries of its families were purged when it
was written, so it causes no stale reads: it is a problem to investigate.

Examples:
  freshet dlq list --since 2h
  freshet dlq list --family catalog.item --reason bad_avro
  freshet dlq list --all -o json | jq '.[] | select(.state == \"open\") | .id'";

const SHOW_HELP: &str = "\
The field dead_letters of the family files decides what a letter keeps of its record: nothing, by
default. docs/dead-letters.md describes the policies.

Example:
  freshet dlq show 0:17";

const RETRY_HELP: &str = "\
Reads each record from its own topic again, decodes it, resolves it with the current registry, and
appends the purges to the targets' topics, from which a running freshet executes them.
If a record is gone from its topic, or still cannot be decoded, its letter stays open, unless
--family-scope purges its families instead. Purging twice is harmless.
Closing a letter appends a record to the dead-letter topic: who, when, what, why.

The exit code is also 1 if a letter stays open.

Examples:
  freshet dlq retry 0:17 2:4 --because 'schema 9 is registered now'
  freshet dlq retry --reason unknown_schema --because 'registry restored' --dry-run
  freshet dlq retry --family catalog.item --family-scope --because 'cache warmed by a bad deploy'";

const DISCARD_HELP: &str = "\
A letter needs no purge: its families were purged when it was written. Discarding it records that
someone has investigated it. The letter stays in its topic until retention deletes it.

Examples:
  freshet dlq discard 0:17 --because 'a test record of the platform team'
  freshet dlq discard --topic shop.public.items --since 1h --because 'replayed by hand'";
