//! Kinds of records that are no changes.

/// Records that purge nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Skipped {
    /// No value: follows a delete, for compaction.
    Tombstone,
    /// A connector's sign of life.
    Heartbeat,
    /// Begin or end of a transaction.
    Transaction,
    /// A logical message (`op: m`).
    Message,
    /// A table's definition changed.
    SchemaChange,
}

impl Skipped {
    /// Every kind, as it stands in labels.
    pub const NAMES: [&'static str; 5] = [
        "tombstone",
        "heartbeat",
        "transaction",
        "message",
        "schema_change",
    ];

    /// The kind as it stands in labels.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tombstone => "tombstone",
            Self::Heartbeat => "heartbeat",
            Self::Transaction => "transaction",
            Self::Message => "message",
            Self::SchemaChange => "schema_change",
        }
    }
}
