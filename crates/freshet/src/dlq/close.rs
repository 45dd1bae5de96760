//! What closes letters: appends what is owed, then the audit trail, then tells.

use std::sync::Arc;

use freshet_core::ports::{Outbox, OutboxError, OutboxRecord};
use freshet_kafka::KafkaOutbox;
use freshet_wire::{DeadLetterResolution, ResolutionAction};

use crate::dlq::args::{Closing, OutputForm};
use crate::dlq::letters::{Letter, Letters};
use crate::dlq::{Desk, DlqError, answer, render};
use crate::exit::Exit;

/// What is to become of one letter.
#[derive(Debug)]
pub(super) struct Closure<'a> {
    pub(super) letter: &'a Letter,
    /// None leaves it open.
    pub(super) action: Option<ResolutionAction>,
    /// The families that something is purged for.
    pub(super) families: Vec<String>,
    /// How many purges.
    pub(super) purges: u64,
    /// In words, without row data.
    pub(super) said: String,
}

/// The letters that the command names, all of them open.
pub(super) fn chosen<'a>(
    desk: &Desk,
    letters: &'a Letters,
    closing: &Closing,
) -> Result<Vec<&'a Letter>, DlqError> {
    if closing.ids.is_empty() {
        return Ok(letters.matching(&closing.filter, false, desk.now));
    }
    let mut ids = closing.ids.clone();
    ids.sort();
    ids.dedup();
    let found = ids.into_iter().map(|id| {
        let letter = letters.get(id).ok_or(DlqError::NoSuchLetter(id))?;
        match &letter.resolution {
            None => Ok(letter),
            Some(resolution) => Err(DlqError::Closed {
                id,
                how: render::resolution(resolution),
            }),
        }
    });
    found.collect()
}

/// Appends `purges`, closes the letters and tells what was done. A letter that stays open makes the exit code 1.
pub(super) fn close(
    desk: &Desk,
    closing: &Closing,
    closures: Vec<Closure<'_>>,
    purges: Vec<OutboxRecord>,
) -> Result<Exit, DlqError> {
    let actor = actor();
    if !closing.dry_run {
        let trail = closures
            .iter()
            .filter_map(|closure| trail_of(desk, closure, (&actor, &closing.because)));
        append(desk, purges, trail.collect())?;
    }
    answer(&match closing.reach.output {
        OutputForm::Text => render::closures(&closures, closing, &actor),
        OutputForm::Json => render::closures_json(&closures, closing, &actor),
    });
    let open = closures.iter().any(|closure| closure.action.is_none());
    Ok(if open { Exit::Failed } else { Exit::Clean })
}

/// The audit trail's record about a letter, beside it in its topic.
fn trail_of(
    desk: &Desk,
    closure: &Closure<'_>,
    (actor, because): (&str, &str),
) -> Option<OutboxRecord> {
    let resolution = DeadLetterResolution {
        letter_partition: closure.letter.id.partition,
        letter_offset: closure.letter.id.offset,
        action: closure.action?,
        because: because.to_owned(),
        actor: actor.to_owned(),
        families: closure.families.clone(),
        purges: closure.purges,
        at: desk.now,
    };
    Some(OutboxRecord {
        topic: Arc::clone(&desk.config.outbox.dead_letters),
        key: closure.letter.record_key.clone(),
        payload: resolution.encode(),
    })
}

/// Purges first: a letter that is closed has had everything that is said of it.
fn append(
    desk: &Desk,
    purges: Vec<OutboxRecord>,
    trail: Vec<OutboxRecord>,
) -> Result<(), DlqError> {
    if purges.is_empty() && trail.is_empty() {
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(DlqError::Runtime)?;
    let outbox = KafkaOutbox::connect(&desk.config.kafka)?;
    runtime.block_on(async {
        let failed = |then| move |error| DlqError::Append { error, then };
        let nothing =
            "no letter was closed; what was appended before is purged, and trying again is safe";
        append_all(&outbox, purges).await.map_err(failed(nothing))?;
        let some =
            "what was asked for is purged, but not every letter was closed; trying again is safe";
        append_all(&outbox, trail).await.map_err(failed(some))
    })
}

async fn append_all(outbox: &KafkaOutbox, records: Vec<OutboxRecord>) -> Result<(), OutboxError> {
    for record in records {
        outbox.append(record).await?;
    }
    Ok(())
}

/// Who runs the command, as the operating system says.
fn actor() -> String {
    let unknown = |_| "unknown".to_owned();
    let user = whoami::username().unwrap_or_else(unknown);
    let host = whoami::hostname().unwrap_or_else(unknown);
    format!("{user}@{host}")
}
