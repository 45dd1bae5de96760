//! The traffic: writers, readers and everybody who watches them; the same for the demo and the stack.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Result, bail};
use freshet_shop::Entry;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::audience::spawn_readers;
use crate::beacon::Measured;
use crate::conclusion::{Counted, conclude, edge_purges, settle_purges};
use crate::database::Database;
use crate::purge_watch::purges_of;
use crate::report::{Report, Second};
use crate::site::{PURGES, Pace, Site, assortment};
use crate::warm_up::warm_up;
use crate::writers::Writer;

/// Somebody wants it to end.
struct Stop {
    interrupt: Signal,
    terminate: Signal,
}

impl Stop {
    fn listen() -> Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn asked(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Everything under way.
struct Running {
    stop: Stop,
    writer: JoinHandle<Result<()>>,
    /// Readers and the watch.
    parts: JoinSet<Result<()>>,
}

/// Runs it all; true when every purge arrived and nothing was staler than allowed.
///
/// # Errors
/// When a part cannot be started.
pub(crate) async fn run(mut site: Site, pace: Pace) -> Result<bool> {
    let mut stop = Stop::listen()?;
    let enough_written = Arc::new(AtomicBool::new(false));
    let enough_read = Arc::new(AtomicBool::new(false));
    let mut parts = JoinSet::new();
    let purges = purges_of(&site.redis_url).await?;
    let watching = parts.spawn(watch_purges(purges, Arc::clone(&site.database)));
    tokio::select! {
        warm = warm_up(&site, pace) => warm?,
        () = stop.asked() => bail!("stopped before the traffic began"),
    }
    let edge_purges_before = edge_purges(&site).unwrap_or(0.0);
    let beacon_before = match site.has_beacon {
        true => Some(Measured::so_far(&site)),
        false => None,
    };
    let writer = Writer {
        database: Arc::clone(&site.database),
        assortment: assortment(),
        rate: pace.changes,
        tally: Arc::clone(&site.tally),
    };
    let writer = tokio::spawn(writer.write_until(Arc::clone(&enough_written)));
    spawn_readers(&mut parts, &site, pace.reads, &enough_read);
    let begun = Instant::now();
    let mut running = Running {
        stop,
        writer,
        parts,
    };
    let mut reasons = running.pass(&mut site, pace.lasts).await;
    let elapsed = begun.elapsed();

    enough_written.store(true, Ordering::Relaxed);
    if !running.writer.is_finished() {
        match running.writer.await {
            Ok(Ok(())) => {}
            ended => reasons.push(format!("the last commit failed: {}", why(ended))),
        }
    }
    // Readers go on until everything is purged: what they see meanwhile counts.
    settle_purges(&mut site, &mut reasons).await;
    enough_read.store(true, Ordering::Relaxed);
    watching.abort();
    while running.parts.join_next().await.is_some() {}
    let counted = Counted {
        elapsed,
        edge_purges_before,
        beacon_before,
        reasons,
    };
    Ok(conclude(site, counted).await)
}

impl Running {
    /// Shows the seconds until it is enough, somebody stops it, or something ends that should not; returns why.
    async fn pass(&mut self, site: &mut Site, lasts: Option<Duration>) -> Vec<String> {
        let begun = Instant::now();
        let mut seconds = Seconds::begin(begun, site);
        let mut tick = interval_at(begun + Duration::from_secs(1), Duration::from_secs(1));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = tick.tick() => seconds.show(site),
                () = self.stop.asked() => return Vec::new(),
                ended = &mut self.writer => {
                    return vec![format!("the writer ended early: {}", why(ended))];
                }
                Some(ended) = self.parts.join_next() => {
                    return vec![format!("a part of the traffic ended early: {}", why(ended))];
                }
            }
            if !site.freshet.is_running() {
                return vec!["freshet has ended".to_owned()];
            }
            if lasts.is_some_and(|lasts| begun.elapsed() >= lasts) {
                return Vec::new();
            }
        }
    }
}

fn why(ended: Result<Result<()>, tokio::task::JoinError>) -> String {
    match ended {
        Ok(Ok(())) => "for no reason".to_owned(),
        Ok(Err(error)) => format!("{error:#}"),
        Err(error) => error.to_string(),
    }
}

async fn watch_purges(
    mut purges: BoxStream<'static, (u64, Vec<Entry>)>,
    database: Arc<Database>,
) -> Result<()> {
    while let Some((at_us, entries)) = purges.next().await {
        let mut ledger = database.ledger();
        for entry in entries {
            ledger.purged(entry, at_us);
        }
    }
    bail!("redis ended the connection")
}

/// Shows the seconds as they pass.
struct Seconds {
    report: Report,
    begun: Instant,
    last: Instant,
}

impl Seconds {
    fn begin(begun: Instant, site: &Site) -> Self {
        let done = site.metric(PURGES, &[]);
        Self {
            report: Report::after(done.unwrap_or(0.0)),
            begun,
            last: begun,
        }
    }

    fn show(&mut self, site: &Site) {
        let purges_done = site.metric(PURGES, &[]);
        let purges = site.database.ledger().take_second();
        let took = self.last.elapsed();
        self.last = Instant::now();
        self.report.second(&Second {
            elapsed: self.begun.elapsed(),
            took,
            counts: site.tally.counts(),
            purges: &purges,
            purges_done,
        });
    }
}
