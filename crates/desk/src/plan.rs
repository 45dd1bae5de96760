//! Closes letters: first their purges, then a record of the audit trail for each.

use std::sync::Arc;

use freshet_core::ports::{Outbox, OutboxError, OutboxRecord};
use freshet_core::position::WallMicros;
use freshet_wire::{DeadLetterResolution, ResolutionAction};

use crate::fault::DeskError;
use crate::letter::{Letter, LetterId};

/// Planned resolution of one letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closure {
    /// The letter.
    pub letter: LetterId,
    /// None leaves it open.
    pub action: Option<ResolutionAction>,
    /// The families that something is purged for.
    pub families: Vec<String>,
    /// How many purges.
    pub purges: u64,
    /// Message without row data.
    pub said: String,
    /// The key of the letter's record: what closes it goes to the same partition.
    pub(crate) record_key: Vec<u8>,
}

impl Closure {
    /// What is to become of `letter`, with nothing purged for it.
    pub(crate) fn of(letter: &Letter, action: Option<ResolutionAction>, said: String) -> Self {
        Self {
            letter: letter.id,
            action,
            families: Vec::new(),
            purges: 0,
            said,
            record_key: letter.record_key.clone(),
        }
    }
}

/// Who closes letters, why and when: what the audit trail keeps of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// Who.
    pub actor: String,
    /// The reason that the operator gave.
    pub because: String,
    /// When.
    pub at: WallMicros,
}

/// A plan for some letters. It has no effect until it is executed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    closures: Vec<Closure>,
    purges: Vec<OutboxRecord>,
}

impl Plan {
    pub(crate) fn new(closures: Vec<Closure>, purges: Vec<OutboxRecord>) -> Self {
        Self { closures, purges }
    }

    /// What becomes of each letter.
    pub fn closures(&self) -> &[Closure] {
        &self.closures
    }

    /// Whether there is nothing to append: no letter is closed, and nothing is purged.
    pub fn is_empty(&self) -> bool {
        self.purges.is_empty() && self.closures.iter().all(|closure| closure.action.is_none())
    }

    /// Appends the purges, then closes the letters in `dead_letters`, their topic: a letter that is closed has had
    /// everything that is said of it.
    ///
    /// # Errors
    /// [`DeskError::Purges`] or [`DeskError::Trail`]; doing the same again is safe.
    pub async fn carry_out(
        &self,
        signature: &Signature,
        dead_letters: &Arc<str>,
        outbox: &impl Outbox,
    ) -> Result<(), DeskError> {
        let purges = self.purges.iter().cloned();
        append(outbox, purges).await.map_err(DeskError::Purges)?;
        let trail = self.closures.iter().filter_map(|closure| {
            Some(OutboxRecord {
                topic: Arc::clone(dead_letters),
                key: closure.record_key.clone(),
                payload: resolution(closure, signature)?.encode(),
            })
        });
        append(outbox, trail).await.map_err(DeskError::Trail)
    }
}

/// The audit trail's record about a letter. None for one that stays open.
fn resolution(closure: &Closure, signature: &Signature) -> Option<DeadLetterResolution> {
    Some(DeadLetterResolution {
        letter_partition: closure.letter.partition,
        letter_offset: closure.letter.offset,
        action: closure.action?,
        because: signature.because.clone(),
        actor: signature.actor.clone(),
        families: closure.families.clone(),
        purges: closure.purges,
        at: signature.at,
    })
}

async fn append(
    outbox: &impl Outbox,
    records: impl Iterator<Item = OutboxRecord>,
) -> Result<(), OutboxError> {
    for record in records {
        outbox.append(record).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
