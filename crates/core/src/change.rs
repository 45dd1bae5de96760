//! One decoded row change, in a buffer that is reused from record to record.

use crate::drift::ColumnDrift;
use crate::image::Image;
use crate::position::{ChangeVersion, WallMicros};
use crate::table::TableId;
use crate::transaction::Member;

/// What happened to the row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// A row was inserted (`c`).
    Create,
    /// A row was updated (`u`).
    Update,
    /// A row was deleted (`d`).
    Delete,
    /// A row was read by a snapshot (`r`); nothing changed.
    Read,
    /// The table was truncated (`t`): no images, no order against row changes.
    Truncate,
}

/// Commit time of a change, with the resolution of its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CommitTime {
    /// The commit by the database's clock, zero if unknown.
    pub at: WallMicros,
    /// The clock's step in microseconds: 1 000 for `ts_ms`, 1 000 000 for MariaDB's binlog.
    /// Freshness is reported no finer than this.
    pub resolution_us: u32,
}

/// One row change. The images hold only the columns that some family binds.
#[derive(Debug, Clone)]
pub struct Change {
    /// The changed table.
    pub table: TableId,
    /// What happened.
    pub op: Op,
    /// The row before; absent for creates, reads and truncates.
    pub before: Image,
    /// The row after; absent for deletes and truncates.
    pub after: Image,
    /// Position in the database's log.
    pub version: ChangeVersion,
    /// When it was committed.
    pub committed: CommitTime,
    /// When the connector read it, zero if unknown.
    pub captured: WallMicros,
    /// The row is from a snapshot that was not requested: the first one, or of a connector that lost its position.
    pub snapshot: bool,
    /// The record contradicts the declared replica identity (an update without a before-image on a
    /// table declared FULL). The decoder has already fallen back to the weaker identity.
    pub identity_drift: bool,
    /// A column that the record contradicts: its source file is outdated. Uncertain values are unknown.
    pub column_drift: Option<ColumnDrift>,
    /// Its number in its transaction, if the record has it and the decoder reads it.
    pub member: Option<Member>,
}

impl Default for Change {
    fn default() -> Self {
        Self {
            table: TableId(0),
            op: Op::Read,
            before: Image::default(),
            after: Image::default(),
            version: ChangeVersion::default(),
            committed: CommitTime::default(),
            captured: WallMicros::default(),
            snapshot: false,
            identity_drift: false,
            column_drift: None,
            member: None,
        }
    }
}

impl Change {
    /// Empties the change for the next record, keeping its memory.
    pub fn reset(&mut self, table: TableId, op: Op) {
        self.table = table;
        self.op = op;
        self.before.clear();
        self.after.clear();
        self.version = ChangeVersion::default();
        self.committed = CommitTime::default();
        self.captured = WallMicros::default();
        self.snapshot = false;
        self.identity_drift = false;
        self.column_drift = None;
        self.member = None;
    }
}
