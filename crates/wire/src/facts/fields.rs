//! The fields of a record that are read, by their names.

/// A fact that is a whole number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Number {
    /// When the capture process saw the change, in milliseconds.
    CapturedMs,
    /// The same in microseconds.
    CapturedUs,
    /// When the change was committed, in milliseconds.
    CommittedMs,
    /// The same in microseconds.
    CommittedUs,
    /// Postgres: LSN of the event.
    Lsn,
    /// MySQL: position in the binlog file.
    Pos,
    /// MySQL: row within the statement.
    Row,
    /// The change's number among those of its table in its transaction.
    Order,
}

impl Number {
    /// How many there are.
    pub(crate) const COUNT: usize = Self::Order as usize + 1;
}

/// A field of `source`, or of the flattened form's additions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SourceField {
    /// A commit time or a place in the log.
    Number(Number),
    /// Postgres: LSN of the last commit and of the event, as a JSON array in a string.
    Sequence,
    /// MySQL: name of the binlog file.
    File,
    /// Whether a snapshot read the row.
    Snapshot,
}

impl SourceField {
    /// By its name in `source`.
    pub(crate) fn named(name: &[u8]) -> Option<Self> {
        match name {
            b"ts_ms" => Some(Self::Number(Number::CommittedMs)),
            b"ts_us" => Some(Self::Number(Number::CommittedUs)),
            b"lsn" => Some(Self::Number(Number::Lsn)),
            b"sequence" => Some(Self::Sequence),
            b"file" => Some(Self::File),
            b"pos" => Some(Self::Number(Number::Pos)),
            b"row" => Some(Self::Number(Number::Row)),
            b"snapshot" => Some(Self::Snapshot),
            _ => None,
        }
    }
}

/// A field of the envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EnvelopeField {
    /// The row before.
    Before,
    /// The row after.
    After,
    /// Where the change comes from.
    Source,
    /// What happened.
    Op,
    /// When the capture process saw it.
    Number(Number),
    /// The change's place in its transaction.
    Transaction,
    /// Transaction record: `BEGIN` or `END`.
    Status,
    /// Transaction record: events by table.
    DataCollections,
    /// Schema change: the statement.
    Ddl,
    /// Schema change: the database.
    DatabaseName,
}

impl EnvelopeField {
    /// By its name at the top level.
    pub(crate) fn named(name: &[u8]) -> Option<Self> {
        match name {
            b"before" => Some(Self::Before),
            b"after" => Some(Self::After),
            b"source" => Some(Self::Source),
            b"op" => Some(Self::Op),
            b"ts_ms" => Some(Self::Number(Number::CapturedMs)),
            b"ts_us" => Some(Self::Number(Number::CapturedUs)),
            b"transaction" => Some(Self::Transaction),
            b"status" => Some(Self::Status),
            b"data_collections" => Some(Self::DataCollections),
            b"ddl" => Some(Self::Ddl),
            b"databaseName" => Some(Self::DatabaseName),
            _ => None,
        }
    }
}

/// A field of `transaction`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TransactionField {
    /// The transaction's name.
    Id,
    /// The change's number among those of its table.
    Number(Number),
}

impl TransactionField {
    /// By its name in `transaction`.
    pub(crate) fn named(name: &[u8]) -> Option<Self> {
        match name {
            b"id" => Some(Self::Id),
            b"data_collection_order" => Some(Self::Number(Number::Order)),
            _ => None,
        }
    }
}

/// A field that `ExtractNewRecordState` adds to the row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FlatMark {
    /// `__op`.
    Op,
    /// `__deleted`.
    Deleted,
    /// `__ts_ms`: when the capture process saw it.
    Number(Number),
    /// `__lsn`, `__source_ts_ms` and the like.
    Source(SourceField),
}

impl FlatMark {
    /// Whether a field of this name is a mark that no envelope has.
    pub(crate) fn tells_form(name: &[u8]) -> bool {
        matches!(name, b"__op" | b"__deleted")
    }

    /// By its name: two underscores, `source_` where the field was asked for as `source.x`.
    pub(crate) fn named(name: &[u8]) -> Option<Self> {
        let name = name.strip_prefix(b"__")?;
        match name {
            b"op" => return Some(Self::Op),
            b"deleted" => return Some(Self::Deleted),
            b"ts_ms" => return Some(Self::Number(Number::CapturedMs)),
            _ => {}
        }
        SourceField::named(name.strip_prefix(b"source_").unwrap_or(name)).map(Self::Source)
    }
}

/// Anything that a record says beside its row images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fact {
    /// In the envelope.
    Envelope(EnvelopeField),
    /// In `source`.
    Source(SourceField),
    /// In `transaction`.
    Transaction(TransactionField),
    /// Beside the columns of a flattened row.
    Mark(FlatMark),
}

impl Fact {
    /// The number that it is, if it is one.
    pub(crate) fn number(self) -> Option<Number> {
        match self {
            Self::Envelope(EnvelopeField::Number(number))
            | Self::Source(SourceField::Number(number))
            | Self::Transaction(TransactionField::Number(number))
            | Self::Mark(
                FlatMark::Number(number) | FlatMark::Source(SourceField::Number(number)),
            ) => Some(number),
            _ => None,
        }
    }
}
