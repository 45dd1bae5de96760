//! `--outage MINUTES`: a Redis that stays away while changes go on, and comes back to a long backlog.
//!
//! What is promised (P6, P7): bounded memory, no rebalance, no freshness of any other target; afterwards live changes
//! are in their objective before the backlog is, and readers are not sent to their origins all at once.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use freshet_testbed::Reply;

use crate::book::{Account, Target, quantile};
use crate::cache::{Cache, Command};
use crate::episode::OBJECTIVE;
use crate::traffic::Traffic;
use crate::world::{Form, Settings, World};

const QUIET: Duration = Duration::from_secs(15);
/// Live changes go on for so long after the repair.
const AFTER: Duration = Duration::from_secs(90);
const PEAK_MIB_MAX: f64 = 256.0;
const BACK_WITHIN: Duration = Duration::from_secs(60);
const BUSIEST_SECONDS: usize = 5;
/// What goes out together is a tenth of a second's worth.
const RATE_TOLERANCE: f64 = 1.15;

/// What the outage came to.
#[derive(Debug)]
pub(crate) struct Figures {
    account: Account,
    stale_rows: usize,
    peak_mib: f64,
    assigned: usize,
    /// p99 before, during and after, of the side Redis and of the CDN.
    others: [[Duration; 3]; 2],
    /// The last live change that missed its objective was written so long after the repair.
    back_in_objective: Duration,
    backlog_done: Duration,
    /// Entries that went a second in the busiest five after the repair.
    busiest: f64,
    busiest_max: f64,
    spilled: f64,
    /// Mean freshness of the CDN as the members themselves tell it.
    told: Duration,
}

/// Plays the outage.
pub(crate) fn play(settings: &Settings, minutes: u64) -> Result<Figures> {
    let away = Duration::from_secs(minutes * 60);
    let mut world = World::start(Form::Alone, settings)?;
    let mut wanted = world.wanted(QUIET + away + AFTER + Duration::from_secs(20));
    wanted.is_filled_once = true;
    let traffic = Traffic::start(Arc::clone(&world.book), wanted)?;
    std::thread::sleep(Duration::from_secs(3));
    for member in &mut world.members {
        member.reset();
    }
    let before = world.book.now();
    std::thread::sleep(QUIET);
    let begun = world.book.now();
    world.alone()?.0.stop();
    std::thread::sleep(away);
    world.alone()?.0.restart()?;
    let healed = world.book.now();
    let busiest = watch_drain(&world, AFTER)?;
    traffic.stop()?;
    let ended = world.book.now();
    // A backlog is worked off at its pace, and that may take as long as the outage and longer.
    let stale = world.settle(1, away * 3 + Duration::from_secs(120))?;
    let p99 = |target| {
        let of = |window: Range<u64>| quantile(&world.book.freshness(target, &window), 0.99);
        [before..begun, begun..healed, healed..ended]
            .map(|window| of(window).unwrap_or(Duration::MAX))
    };
    let sum = |name, labels: &[&str]| -> f64 {
        let members = world.members.iter();
        let metrics = members.filter_map(|member| member.process.metric(name, labels));
        metrics.sum()
    };
    let of_edge = ["target=\"edge\""];
    let told = sum("freshet_freshness_seconds_sum", &of_edge)
        / sum("freshet_freshness_seconds_count", &of_edge).max(1.0);
    Ok(Figures {
        account: world.book.account(1),
        stale_rows: stale.len(),
        others: [p99(Target::Side), p99(Target::Edge)],
        back_in_objective: world.book.last_slow(Target::Main, healed, OBJECTIVE),
        backlog_done: world.book.recovery(1, healed),
        busiest,
        // One entry of its own for each live change, and sometimes that of its row.
        busiest_max: (f64::from(settings.backlog_purges_per_second) + 2.0 * settings.rate as f64)
            * RATE_TOLERANCE,
        spilled: sum("freshet_spilled_purges_total", &["target=\"main\""]),
        told: Duration::try_from_secs_f64(told).unwrap_or(Duration::MAX),
        assigned: world.members.iter().map(|member| member.assigned()).sum(),
        peak_mib: world
            .members
            .iter_mut()
            .fold(0.0, |peak, member| member.peak_mib().max(peak)),
    })
}

/// The server's own count of entries: how many went a second in the busiest five, at least. Live purges that waited
/// while the server was busy come at once, and no rate is set for those, so that a shorter time would say less about
/// the backlog. The time between two looks is taken from before the first to after the second, so that a machine that
/// is busy makes no rate look higher.
fn watch_drain(world: &World, within: Duration) -> Result<f64> {
    let mut cache = Cache::new(world.main_place.clone());
    let mut look = || -> Result<(Instant, i64, Instant)> {
        let asked = Instant::now();
        let replies = cache.run(&[Command::new(&["DBSIZE"])])?;
        let [Reply::Int(entries)] = replies.as_slice() else {
            bail!("DBSIZE is a number: {replies:?}");
        };
        Ok((asked, *entries, Instant::now()))
    };
    let (mut busiest, end) = (0.0_f64, Instant::now() + within);
    let mut looks = VecDeque::from([look()?]);
    while Instant::now() < end {
        std::thread::sleep(Duration::from_secs(1));
        let Ok(now) = look() else { continue };
        if looks.len() == BUSIEST_SECONDS
            && let Some(first) = looks.pop_front()
        {
            let seconds = now.2.duration_since(first.0).as_secs_f64();
            busiest = busiest.max((first.1 - now.1) as f64 / seconds);
        }
        looks.push_back(now);
    }
    Ok(busiest)
}

impl Figures {
    /// What must not be.
    pub(crate) fn faults(&self) -> Vec<String> {
        let slow = |at: usize| self.others[at][1].max(self.others[at][2]) > OBJECTIVE;
        let lost = self.account.missing > 0 || self.stale_rows > 0;
        let judged = [
            (lost, "purges are missing"),
            (self.peak_mib > PEAK_MIB_MAX, "P6: memory is not bounded"),
            (self.assigned > 0, "P6: partitions moved"),
            (slow(0) || slow(1), "P6: another target lost freshness"),
            (
                self.told > OBJECTIVE,
                "the CDN's freshness is told to be worse than it was",
            ),
            (
                self.back_in_objective > BACK_WITHIN,
                "P7: live changes are late for too long",
            ),
            (
                self.busiest > self.busiest_max,
                "P7: more was purged at once than origins bear",
            ),
        ];
        let wrong = judged.into_iter().filter(|(is_wrong, _)| *is_wrong);
        wrong.map(|(_, what)| what.to_owned()).collect()
    }

    /// One figure a line.
    pub(crate) fn lines(&self) -> Vec<String> {
        let ms = |p99: [Duration; 3]| {
            let [before, during, after] = p99.map(|it| it.as_secs_f64() * 1000.0);
            format!("{before:.0} / {during:.0} / {after:.0} ms")
        };
        let Account {
            changes,
            expected,
            missing,
            duplicates,
        } = self.account;
        vec![
            format!("changes             {changes}"),
            format!("purges expected     {expected}"),
            format!(
                "missing             {missing}, rows stale {}",
                self.stale_rows
            ),
            format!("twice at the CDN    {duplicates}"),
            format!("spilled purges      {:.0}", self.spilled),
            format!(
                "peak memory         {:.0} MiB of {PEAK_MIB_MAX}",
                self.peak_mib
            ),
            format!("partitions moved    {}", self.assigned),
            format!(
                "p99 before / during / after: side {}, CDN {}",
                ms(self.others[0]),
                ms(self.others[1])
            ),
            format!(
                "CDN, mean as told   {:.0} ms",
                self.told.as_secs_f64() * 1000.0
            ),
            format!(
                "live in objective   {:.1} s after the repair",
                self.back_in_objective.as_secs_f64()
            ),
            format!(
                "backlog done        {:.1} s after the repair",
                self.backlog_done.as_secs_f64()
            ),
            format!(
                "busiest five        {:.0} entries a second of at most {:.0}",
                self.busiest, self.busiest_max
            ),
        ]
    }
}
