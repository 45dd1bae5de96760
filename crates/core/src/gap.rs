//! A gap: changes that were in the log, or should be, but cannot be read.

/// How a gap was detected. The families of the table are unproven until they are purged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GapCause {
    /// This group had read the partition before, and its committed offset is gone. This happens if a topic was deleted and
    /// recreated, because Kafka deletes the group's offsets with it.
    OffsetsGone,
    /// The next record to read was removed before it was read: retention, or deleted records.
    Truncated,
    /// The partition ends before the offset that was read: the topic was recreated, or lost its tail.
    Recreated,
    /// A later commit has an earlier position in the database's log: a failover to a replica that was behind, or a
    /// database that was restored.
    PositionBack,
    /// A snapshot started on a table that this group had read before, in this process or an earlier one: the connector
    /// lost its position, and rows deleted meanwhile have no event.
    SnapshotAgain,
    /// The connector's heartbeat stopped.
    HeartbeatSilent,
    /// A record cannot be fetched: it is larger than the client may receive, or is corrupt.
    Unreadable,
    /// A transaction ended with more changes of the table than arrived: the connector or a transform dropped some.
    MembersMissing,
}

impl GapCause {
    /// Every cause.
    pub const ALL: [Self; 8] = [
        Self::OffsetsGone,
        Self::Truncated,
        Self::Recreated,
        Self::PositionBack,
        Self::SnapshotAgain,
        Self::HeartbeatSilent,
        Self::Unreadable,
        Self::MembersMissing,
    ];

    /// The cause's name, for labels and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::OffsetsGone => "offsets_gone",
            Self::Truncated => "truncated",
            Self::Recreated => "recreated",
            Self::PositionBack => "position_back",
            Self::SnapshotAgain => "snapshot_again",
            Self::HeartbeatSilent => "heartbeat_silent",
            Self::Unreadable => "unreadable",
            Self::MembersMissing => "members_missing",
        }
    }
}
