//! What a record says beside its row images, in whatever form it came, and what that makes of the change.

use freshet_core::change::{Change, CommitTime, Op};
use freshet_core::position::{ChangeVersion, WallMicros};
use freshet_core::table::Engine;
use freshet_core::transaction::{Member, TransactionId};

use crate::error::DecodeError;
use crate::json::number;
use crate::scalar::Scalar;
use crate::skipped::Skipped;

mod fields;

pub(crate) use fields::{EnvelopeField, Fact, FlatMark, Number, SourceField, TransactionField};

const MILLI: u32 = 1_000;
const SECOND: u32 = 1_000_000;

/// Whether and how a part of the envelope was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Part {
    /// No such field.
    #[default]
    Missing,
    /// The field is null.
    Null,
    /// The field is a structure, and was read.
    Read,
    /// The field is something else.
    Other,
}

/// What `op` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OpCode {
    /// A change.
    Row(Op),
    /// A logical message (`m`).
    Message,
    /// None that is known.
    Unknown,
}

impl OpCode {
    /// From the letter.
    pub(crate) fn of(text: &str) -> Self {
        match text {
            "c" => Self::Row(Op::Create),
            "u" => Self::Row(Op::Update),
            "d" => Self::Row(Op::Delete),
            "r" => Self::Row(Op::Read),
            "t" => Self::Row(Op::Truncate),
            "m" => Self::Message,
            _ => Self::Unknown,
        }
    }
}

/// What a record says beside its row images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Facts {
    pub(crate) before: Part,
    pub(crate) after: Part,
    pub(crate) source: Part,
    pub(crate) op: Option<OpCode>,
    /// `__deleted`, in the flattened form.
    pub(crate) deleted: Option<bool>,
    /// A field that is no column may lead the format of another system.
    pub(crate) maybe_foreign: bool,
    /// An envelope has marks of the flattened form beside its own fields: it is a row with such columns.
    pub(crate) marked: bool,
    begins_or_ends: bool,
    data_collections: bool,
    ddl: bool,
    database_name: bool,
    snapshot: bool,
    incremental: bool,
    transaction: Option<TransactionId>,
    sequence: (Option<u64>, Option<u64>),
    file: Option<u32>,
    /// By [`Number`].
    numbers: [Option<u64>; Number::COUNT],
}

impl Facts {
    /// Notes a field of the envelope that is no structure.
    pub(crate) fn set(&mut self, field: EnvelopeField, value: Scalar<'_>) {
        match field {
            EnvelopeField::Op => self.op = value.as_text().map(OpCode::of),
            EnvelopeField::Number(number) => self.set_number(number, value.as_u64()),
            EnvelopeField::Status => {
                self.begins_or_ends = matches!(value.as_text(), Some("BEGIN" | "END"));
            }
            EnvelopeField::DataCollections => self.data_collections = true,
            EnvelopeField::Ddl => self.ddl = true,
            EnvelopeField::DatabaseName => self.database_name = true,
            EnvelopeField::Before
            | EnvelopeField::After
            | EnvelopeField::Source
            | EnvelopeField::Transaction => {}
        }
    }

    /// Notes a field of `source`.
    pub(crate) fn set_source(&mut self, field: SourceField, value: Scalar<'_>) {
        match field {
            SourceField::Number(number) => self.set_number(number, value.as_u64()),
            SourceField::Sequence => {
                self.sequence = value.as_text().map_or((None, None), lsns_of_sequence);
            }
            SourceField::File => self.file = value.as_text().and_then(number_of_file),
            SourceField::Snapshot => {
                self.incremental = value.as_text() == Some("incremental");
                self.snapshot = match value {
                    Scalar::Bool(snapshot) => snapshot,
                    Scalar::Text(text) => text != "false",
                    _ => false,
                };
            }
        }
    }

    /// Notes a number; none when it is negative or none at all.
    #[inline]
    pub(crate) fn set_number(&mut self, which: Number, value: Option<u64>) {
        self.numbers[which as usize] = value;
    }

    fn number(&self, which: Number) -> Option<u64> {
        self.numbers[which as usize]
    }

    /// Notes any fact.
    #[inline]
    pub(crate) fn note(&mut self, fact: Fact, value: Scalar<'_>) {
        match fact {
            Fact::Envelope(field) => self.set(field, value),
            Fact::Source(field) => self.set_source(field, value),
            Fact::Transaction(field) => self.set_transaction(field, value),
            Fact::Mark(mark) => self.set_mark(mark, value),
        }
    }

    /// Notes what `source.sequence` says, where it says both.
    pub(crate) fn set_lsns(&mut self, commit: u64, event: u64) {
        self.sequence = (Some(commit), Some(event));
    }

    /// Notes a field of `transaction`.
    pub(crate) fn set_transaction(&mut self, field: TransactionField, value: Scalar<'_>) {
        match field {
            TransactionField::Id => self.transaction = value.as_text().map(TransactionId::of),
            TransactionField::Number(number) => self.set_number(number, value.as_u64()),
        }
    }

    /// The change's place in its transaction, if it was read.
    pub(crate) fn member(&self) -> Option<Member> {
        let (transaction, order) = (self.transaction?, self.number(Number::Order)?);
        Some(Member { transaction, order })
    }

    /// Notes a field that the flattened form added.
    pub(crate) fn set_mark(&mut self, mark: FlatMark, value: Scalar<'_>) {
        match mark {
            FlatMark::Op => self.op = value.as_text().map(OpCode::of),
            FlatMark::Deleted => {
                self.deleted = match value {
                    Scalar::Bool(deleted) => Some(deleted),
                    Scalar::Text(text) => Some(text == "true"),
                    _ => None,
                };
            }
            FlatMark::Number(number) => self.set_number(number, value.as_u64()),
            FlatMark::Source(field) => self.set_source(field, value),
        }
    }

    /// Whether this is Debezium's envelope.
    pub(crate) fn is_envelope(&self) -> bool {
        let parts = [self.before, self.after, self.source];
        !self.marked && self.op.is_some() && parts.contains(&Part::Read)
    }

    /// Whether the flattened form left its marks.
    pub(crate) fn is_flattened(&self) -> bool {
        self.op.is_some() || self.deleted.is_some()
    }

    /// The record that is no change at all, if it is one.
    pub(crate) fn skipped(&self) -> Option<Skipped> {
        if self.op == Some(OpCode::Message) && self.is_envelope() {
            return Some(Skipped::Message);
        }
        if self.begins_or_ends && self.data_collections {
            return Some(Skipped::Transaction);
        }
        let schema_change = self.ddl && self.database_name && self.source == Part::Read;
        schema_change.then_some(Skipped::SchemaChange)
    }

    /// What happened to the row, in the envelope.
    ///
    /// # Errors
    /// The op is unknown, or the image that it needs is not there.
    pub(crate) fn envelope_op(&self) -> Result<Op, DecodeError> {
        let Some(OpCode::Row(op)) = self.op else {
            return Err(DecodeError::UnknownOp);
        };
        let needs_after = matches!(op, Op::Create | Op::Update | Op::Read);
        if needs_after && self.after != Part::Read {
            return Err(DecodeError::BadEnvelope {
                what: "no after-image",
            });
        }
        if self.before == Part::Other {
            return Err(DecodeError::BadEnvelope {
                what: "before is neither a structure nor null",
            });
        }
        Ok(op)
    }

    /// What happened to the row, in the flattened form. Without `__op` a row that is there was written, which
    /// counts as an update: what it was before is not known.
    ///
    /// # Errors
    /// The op is unknown.
    pub(crate) fn flattened_op(&self) -> Result<Op, DecodeError> {
        match (self.deleted, self.op) {
            (Some(true), _) => Ok(Op::Delete),
            (_, Some(OpCode::Row(op))) => Ok(op),
            (_, None) => Ok(Op::Update),
            (_, Some(OpCode::Message | OpCode::Unknown)) => Err(DecodeError::UnknownOp),
        }
    }

    /// Writes times and position into the change.
    pub(crate) fn stamp(&self, engine: Engine, change: &mut Change) {
        change.captured = match (
            self.number(Number::CapturedUs),
            self.number(Number::CapturedMs),
        ) {
            (Some(us), _) => WallMicros(us),
            (None, Some(ms)) => WallMicros::from_millis(ms),
            (None, None) => WallMicros::default(),
        };
        // A snapshot's time is that of the reading, not of any commit.
        if !self.snapshot && change.op != Op::Read {
            change.committed = self.committed(engine);
        }
        change.member = self.member();
        change.snapshot = self.snapshot && !self.incremental;
        change.version = match engine {
            Engine::Postgres => self.postgres_version(),
            Engine::MySql => self.binlog_version(),
        };
    }

    fn committed(&self, engine: Engine) -> CommitTime {
        let (at, step) = match (
            self.number(Number::CommittedUs),
            self.number(Number::CommittedMs),
        ) {
            (Some(us), _) if us > 0 => (WallMicros(us), 1),
            (_, Some(ms)) if ms > 0 => (WallMicros::from_millis(ms), MILLI),
            _ => return CommitTime::default(),
        };
        // The header of a MariaDB binlog event has whole seconds, whatever the field's name promises.
        let whole_seconds = engine == Engine::MySql && at.0.is_multiple_of(u64::from(SECOND));
        CommitTime {
            at,
            resolution_us: if whole_seconds { SECOND } else { step },
        }
    }

    /// Before the first commit that the connector has seen, an event's own LSN stands for both: every later
    /// commit is greater.
    fn postgres_version(&self) -> ChangeVersion {
        let (commit, event) = self.sequence;
        let event = event.or(self.number(Number::Lsn)).unwrap_or_default();
        ChangeVersion::from_postgres(commit.unwrap_or(event), event)
    }

    fn binlog_version(&self) -> ChangeVersion {
        let row = self.number(Number::Row);
        let row = row.and_then(|row| u32::try_from(row).ok());
        ChangeVersion::from_binlog(
            self.file.unwrap_or_default(),
            self.number(Number::Pos).unwrap_or_default(),
            row.unwrap_or_default(),
        )
    }
}

/// `["<last commit LSN>","<event LSN>"]`, each of them possibly null.
fn lsns_of_sequence(text: &str) -> (Option<u64>, Option<u64>) {
    if let Some((commit, event)) = both_lsns(text.as_bytes()) {
        return (Some(commit), Some(event));
    }
    let inner = text.trim().strip_prefix('[');
    let Some(inner) = inner.and_then(|rest| rest.strip_suffix(']')) else {
        return (None, None);
    };
    let mut lsns = inner
        .split(',')
        .map(|part| part.trim().trim_matches('"').parse().ok());
    (lsns.next().flatten(), lsns.next().flatten())
}

/// The same as Postgres' connector nearly always writes it: both, and no blank.
fn both_lsns(text: &[u8]) -> Option<(u64, u64)> {
    let rest = text.strip_prefix(b"[\"")?;
    let (commit, taken) = number::whole(rest)?;
    let rest = rest.get(taken..)?.strip_prefix(b"\",\"")?;
    let (event, taken) = number::whole(rest)?;
    let whole = rest.get(taken..)? == b"\"]";
    let numbers = || Some((u64::try_from(commit).ok()?, u64::try_from(event).ok()?));
    whole.then(numbers)?
}

/// The number at the end of a binlog file's name.
fn number_of_file(name: &str) -> Option<u32> {
    let (_, number) = name.rsplit_once('.')?;
    number.parse().ok()
}

#[cfg(test)]
mod tests;
