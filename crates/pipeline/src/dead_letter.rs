//! Dead letters: what was put aside and why, without the row.

use freshet_core::ports::RawRecord;
use freshet_core::position::UnixMicros;
use freshet_core::purge::WantedPurge;
use freshet_wire::DeadLetter;

use crate::metrics;

/// Why a record is put aside.
pub(crate) struct Reason {
    /// Stable, for the metric and for filters.
    pub(crate) label: &'static str,
    /// For people. Holds no row data.
    pub(crate) detail: String,
}

/// The letter of a record that cannot be used; counts it.
pub(crate) fn of_record(
    record: &RawRecord<'_>,
    reason: Reason,
    families: Vec<String>,
    now: UnixMicros,
) -> DeadLetter {
    metrics::dead_letter(reason.label);
    DeadLetter {
        topic: record.origin.topic.to_owned(),
        partition: record.origin.partition,
        offset: record.origin.offset,
        reason: reason.label.to_owned(),
        detail: reason.detail,
        families,
        value_bytes: record.value.map_or(0, |value| value.len() as u64),
        attempts: 1,
        at: now,
        appended: record.appended,
    }
}

/// The letter of a purge that its target refuses for good; counts it. It came from a merged batch, so it names no
/// record.
pub(crate) fn of_purge(
    purge: &WantedPurge<'_>,
    detail: String,
    family: &str,
    now: UnixMicros,
) -> DeadLetter {
    metrics::dead_letter("refused");
    DeadLetter {
        topic: String::new(),
        partition: -1,
        offset: -1,
        reason: "refused".to_owned(),
        detail,
        families: vec![family.to_owned()],
        value_bytes: purge.name.len() as u64,
        attempts: 1,
        at: now,
        appended: purge.committed,
    }
}
