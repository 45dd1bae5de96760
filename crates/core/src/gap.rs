//! A gap: changes that were in the log, or should have been, and that nobody can read any more.

/// What a gap was noticed by. The families of the table concerned are unproven until their scope is purged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GapCause {
    /// This group had read the partition before, and its committed offset is gone. A topic that was deleted and
    /// made anew looks like this: Kafka forgets the group's offsets with it.
    OffsetsGone,
    /// The next record to read was removed before it was read: retention, or deleted records.
    Truncated,
    /// The partition is shorter than what was read of it already: the topic was made anew, or lost its tail.
    Recreated,
    /// A later commit has an earlier place in the database's log: a failover to a replica that was behind, or a
    /// database that was restored.
    PositionBack,
    /// A snapshot began on a table that this group had read before, in this process or an earlier one: the connector
    /// lost its place, and what was deleted meanwhile has no event.
    SnapshotAgain,
    /// The connector's heartbeat stopped.
    HeartbeatSilent,
    /// A record cannot be fetched: it is larger than the client may receive, or does not unpack.
    Unreadable,
    /// A transaction ended with more changes of the table than ever arrived: the connector or a transform dropped some.
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

    /// The cause's name as it stands in labels and logs.
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
