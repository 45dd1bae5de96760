//! Dead letters: what was put aside and why, with no more of the row than its families allow.

use freshet_core::cause::Cause;
use freshet_core::ports::{RawRecord, WriterSchemaError};
use freshet_core::position::WallMicros;
use freshet_core::purge::WantedPurge;
use freshet_core::registry::{Family, FamilyId, LetterPolicy, Registry};
use freshet_wire::DeadLetter;

use crate::metrics;

/// Why a record is put aside.
pub(crate) struct Reason {
    /// Stable, for the metric and for filters.
    pub(crate) label: &'static str,
    /// For people. Holds no row data.
    pub(crate) detail: String,
}

impl Reason {
    /// What is purged because of it, is purged because of this.
    pub(crate) fn cause(&self, record: &RawRecord<'_>) -> Cause {
        let detail = format!("{}: {}", record.origin, self.label);
        Cause::own(freshet_core::cause::Reason::Poison, detail)
    }

    /// Of a record whose writer schema is not to be had.
    pub(crate) fn of_schema(error: &WriterSchemaError) -> Self {
        let label = match error {
            WriterSchemaError::Unusable { .. } => "bad_schema",
            _ => "unknown_schema",
        };
        let detail = error.to_string();
        Self { label, detail }
    }

    /// Of a record that its schemas do not help.
    pub(crate) fn endless() -> Self {
        Self {
            label: "unknown_schema",
            detail: "it needs more than one writer schema".to_owned(),
        }
    }
}

/// The families that a letter is about.
#[derive(Debug, Default)]
pub(crate) struct Concerned {
    /// Their names.
    pub(crate) families: Vec<String>,
    /// The strictest policy of them; nothing is kept of a record that no family answers for.
    policy: LetterPolicy,
}

impl Concerned {
    /// `ids` of `registry`, each once, in the order of their names.
    pub(crate) fn by(registry: &Registry, ids: impl Iterator<Item = FamilyId>) -> Self {
        let known: Vec<&Family> = ids.filter_map(|id| registry.family(id)).collect();
        let mut families: Vec<String> =
            known.iter().map(|family| family.name.to_string()).collect();
        families.sort();
        families.dedup();
        let policy = known.iter().map(|family| family.dead_letters).min();
        Self {
            families,
            policy: policy.unwrap_or_default(),
        }
    }
}

/// The letter of a record that cannot be used; counts it.
pub(crate) fn of_record(
    record: &RawRecord<'_>,
    reason: Reason,
    concerned: Concerned,
    now: WallMicros,
) -> DeadLetter {
    metrics::dead_letter(reason.label);
    let mut letter = DeadLetter {
        topic: record.origin.topic.to_owned(),
        partition: record.origin.partition,
        offset: record.origin.offset,
        reason: reason.label.to_owned(),
        detail: reason.detail,
        families: concerned.families,
        value_bytes: record.value.map_or(0, |value| value.len() as u64),
        attempts: 1,
        at: now,
        appended: record.appended,
        ..DeadLetter::default()
    };
    letter.keep(concerned.policy, record.key, record.value);
    letter
}

/// The letter of a purge that its target refuses for good; counts it. It came from a merged batch, so it names no
/// record.
pub(crate) fn of_purge(
    purge: &WantedPurge<'_>,
    detail: String,
    family: &str,
    now: WallMicros,
) -> DeadLetter {
    metrics::dead_letter("refused");
    DeadLetter {
        partition: -1,
        offset: -1,
        reason: "refused".to_owned(),
        detail,
        families: vec![family.to_owned()],
        value_bytes: purge.name.len() as u64,
        attempts: 1,
        at: now,
        appended: purge.committed,
        ..DeadLetter::default()
    }
}

#[cfg(test)]
mod tests;
