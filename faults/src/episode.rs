//! One fault: quiet traffic, the fault, the repair, and what came of it all.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::book::{Account, Target, quantile};
use crate::injected::Fault;
use crate::traffic::Traffic;
use crate::world::World;

/// Entries are filled so long before their change: longer than any fault lasts that a server sleeps through.
const AHEAD: Duration = Duration::from_secs(30);
const DONE_WITHIN: Duration = Duration::from_secs(120);
/// What the families of the suite promise.
pub(crate) const OBJECTIVE: Duration = Duration::from_secs(2);

/// What one fault came to.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) account: Account,
    pub(crate) stale_rows: u64,
    pub(crate) recovery: Duration,
    pub(crate) peak_mib: f64,
    pub(crate) assigned: usize,
    /// p99 of the untouched targets, the worst of them: before, and during the fault.
    pub(crate) untouched: Option<(Duration, Duration)>,
    pub(crate) note: String,
    pub(crate) faults: Vec<String>,
}

/// Plays one fault.
pub(crate) fn play(world: &mut World, fault: &Fault) -> Result<Row> {
    let from = world.book.next();
    for member in &mut world.members {
        member.reset();
    }
    let traffic = Traffic::start(Arc::clone(&world.book), world.wanted(AHEAD))?;
    // The first second warms connections up.
    std::thread::sleep(Duration::from_secs(1));
    let before = world.book.now();
    let quiet = if world.settings.is_short { 2 } else { 5 };
    std::thread::sleep(Duration::from_secs(quiet));
    let begun = world.book.now();
    let befallen = (fault.befall)(world);
    let healed = world.book.now();
    std::thread::sleep(Duration::from_secs(quiet));
    traffic.stop()?;
    let stale = world
        .settle(from, DONE_WITHIN)
        .context("look at the rows")?;
    let mut faults = Vec::new();
    let note = befallen.unwrap_or_else(|error| {
        faults.push(format!("{error:#}"));
        String::new()
    });
    let account = world.book.account(from);
    let row = Row {
        name: fault.name,
        account,
        stale_rows: stale.len() as u64,
        recovery: world.book.recovery(from, healed),
        peak_mib: world
            .members
            .iter_mut()
            .fold(0.0, |peak, member| member.peak_mib().max(peak)),
        assigned: world.members.iter().map(|member| member.assigned()).sum(),
        untouched: untouched(world, fault, &(before..begun), &(begun..healed)),
        note,
        faults,
    };
    Ok(judged(world, row, from))
}

fn untouched(
    world: &World,
    fault: &Fault,
    before: &Range<u64>,
    during: &Range<u64>,
) -> Option<(Duration, Duration)> {
    let p99 =
        |target: Target, window: &Range<u64>| quantile(&world.book.freshness(target, window), 0.99);
    let of_targets = fault
        .untouched
        .iter()
        .filter_map(|&target| Some((p99(target, before)?, p99(target, during)?)));
    of_targets.max_by_key(|(_, during)| *during)
}

/// Adds what must not be.
fn judged(world: &World, mut row: Row, from: u64) -> Row {
    if row.account.missing > 0 || row.stale_rows > 0 {
        let numbers: Vec<String> = Target::ALL
            .into_iter()
            .map(|it| format!("{} {:?}", it.name(), world.book.missing(from, it)))
            .collect();
        row.faults.push(format!(
            "{} purges missing, {} rows stale: {}",
            row.account.missing,
            row.stale_rows,
            numbers.join(", ")
        ));
        for member in &world.members {
            row.faults.push(member.process.log_tail());
        }
    }
    if row.account.changes == 0 || row.account.expected < row.account.changes * 2 {
        row.faults
            .push("too few entries were there to be purged".to_owned());
    }
    // Where everything is slow, the machine is busy with something else.
    let is_slow = |(before, during): (Duration, Duration)| during > OBJECTIVE.max(before * 3);
    if row.untouched.is_some_and(is_slow) {
        row.faults
            .push("an untouched target missed its objective".to_owned());
    }
    row
}

impl Row {
    pub(crate) const HEAD: &'static str = "fault                 changes  purges expected     seen  missing  twice  recovery s  \
        peak MiB  assigned  untouched p99 ms before / during";

    pub(crate) fn line(&self) -> String {
        let Account {
            changes,
            expected,
            missing,
            duplicates,
        } = self.account;
        let ms = |it: Duration| it.as_secs_f64() * 1000.0;
        let untouched = self.untouched.map_or_else(
            || "-".to_owned(),
            |(before, during)| format!("{:.0} / {:.0}", ms(before), ms(during)),
        );
        format!(
            "{:<20} {changes:>8} {expected:>16} {:>8} {:>8} {duplicates:>6} {:>11.1} {:>9.0} {:>9}  {untouched:<16} {}",
            self.name,
            expected - missing,
            missing + self.stale_rows,
            self.recovery.as_secs_f64(),
            self.peak_mib,
            self.assigned,
            self.note
        )
    }
}
