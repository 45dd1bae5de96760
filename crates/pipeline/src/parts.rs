//! What the pipeline is made of, and how it behaves.

use std::sync::Arc;
use std::time::Duration;

use freshet_core::sample::{PurgedSample, ReadSample};
use freshet_wire::Limits;
use tokio::sync::mpsc;

use crate::clock::Clock;
use crate::events::settled::Settled;
use crate::intake::transactions::Transactions;
use crate::lanes::backoff::{Backoff, Dice};
use crate::round::{Bounds, Window};
use crate::rules::RulesInForce;
use crate::watch::beacon::Beacons;
use crate::watch::heartbeat::Heartbeats;
use crate::watch::status::Status;

/// How the pipeline behaves.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Bounds of the intake from the bound topics.
    pub intake: Bounds,
    /// Bounds of each outbox lane, without its window.
    pub lane: Bounds,
    /// Waits between attempts at a target or the outbox.
    pub backoff: Backoff,
    /// Where their jitter comes from.
    pub dice: Dice,
    /// Offer the auditor one purge per interval at most; none for no auditor.
    pub sample_every: Option<Duration>,
    /// Topic of dead letters.
    pub dead_letter_topic: Arc<str>,
    /// Ask each target this often whether it answers.
    pub ping_every: Duration,
    /// On stop, wait this long for purges under way.
    pub drain_within: Duration,
    /// Bounds of what the decoder accepts.
    pub limits: Limits,
    /// Connectors whose silence is a gap.
    pub heartbeats: Heartbeats,
    /// Databases whose transactions are counted.
    pub transactions: Transactions,
    /// How the loops of sources are run.
    pub drive: Drive,
}

/// How the loops of sources are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drive {
    /// Each on a thread of its own: sources are synchronous and may block.
    Threads,
    /// As tasks that pause this long after every step, for a simulation in one thread under virtual time. Sources
    /// must not block, and [`Bounds::idle_wait`] must be zero.
    Steps(Duration),
}

/// A target and its lanes. Live purges come first, from the round itself or through a topic; what cannot be done in
/// time waits in the backlog.
#[derive(Debug)]
pub struct TargetParts<S, P> {
    /// The target's name.
    pub name: Arc<str>,
    /// Purges.
    pub purger: Arc<P>,
    /// The topic that live purges go through; none when they are made from the round itself.
    pub live: Option<LiveLane<S>>,
    /// Where purges wait that are not done in time.
    pub backlog: BacklogLane<S>,
}

/// The topic of a target's live purges.
#[derive(Debug)]
pub struct LiveLane<S> {
    /// The topic.
    pub topic: Arc<str>,
    /// Reads it.
    pub source: S,
    /// Debounce.
    pub window: Window,
}

/// The topic of a target's purges that were not done in time.
#[derive(Debug)]
pub struct BacklogLane<S> {
    /// The topic.
    pub topic: Arc<str>,
    /// Reads it.
    pub source: S,
    /// A live purge that is not done within this goes to the backlog.
    pub after: Duration,
    /// What was answered in this time is sent again when the target's server may have been replaced; none for a target
    /// that cannot lose purges. Longer than the time between two pings.
    pub replay: Option<Duration>,
    /// How fast the backlog may be worked off; none for as fast as the target takes it.
    pub purges_per_second: Option<u32>,
}

/// Everything that the pipeline is made of.
#[derive(Debug)]
pub struct Parts<S, P, O, W> {
    /// The registry in force.
    pub rules: RulesInForce,
    /// What each part says of itself.
    pub status: Status,
    /// The time.
    pub clock: Clock,
    /// Settings.
    pub settings: Settings,
    /// Sources of changes with their writer schemas, one thread each.
    pub intakes: Vec<(S, W)>,
    /// Every target that may be purged.
    pub targets: Vec<TargetParts<S, P>>,
    /// Stores what is not done here.
    pub outbox: Arc<O>,
    /// Where the auditor takes its samples from.
    pub samples: Option<mpsc::Sender<PurgedSample>>,
    /// A further subscriber of settled rounds. Rounds that its queue has no room for are lost to it and counted; nothing
    /// waits.
    pub settled: Option<mpsc::Sender<Arc<Settled>>>,
    /// The beacons that are measured.
    pub beacons: Beacons,
    /// Where the auditor takes rows from that a snapshot read, for families that want them verified. What has no room
    /// is counted and dropped; with none, all are.
    pub reads: Option<mpsc::Sender<ReadSample>>,
}
